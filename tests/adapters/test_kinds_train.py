"""Every kind of fine-tuning on the starter: it learns, it is read back as what was trained, and the base stays."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.adapters import ADAPTERS
from studio.config import RunConfig
from studio.config.files import build
from studio.model.adapter import count_trainable
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import Settings
from studio.training.train import train

KINDS: dict[str, dict[str, Any]] = {
    "lora": {"type": "lora", "r": 4},
    "lora patterns": {"type": "lora", "r": 4, "rank_pattern": {"q_proj": 8}, "alpha_pattern": {"v_proj": 4},
                      "layers_to_transform": [0, -1]},
    "lora rslora dora": {"type": "lora", "r": 4, "use_rslora": True, "use_dora": True},
    "lora plus": {"type": "lora", "r": 4, "loraplus_lr_ratio": 16},
    "lora bias": {"type": "lora", "r": 4, "bias": "lora_only"},
    "gaussian": {"type": "lora", "r": 4, "init_lora_weights": "gaussian"},
    "orthogonal": {"type": "lora", "r": 4, "init_lora_weights": "orthogonal"},
    "pissa": {"type": "lora", "r": 4, "init_lora_weights": "pissa"},
    "pissa fast": {"type": "lora", "r": 4, "init_lora_weights": "pissa_niter_16"},
    "olora": {"type": "lora", "r": 4, "init_lora_weights": "olora"},
    "pissa and all else": {"type": "lora", "r": 4, "init_lora_weights": "pissa", "bias": "all", "use_rslora": True,
                           "rank_pattern": {"q_proj": 8}, "alpha_pattern": {"v_proj": 4}, "modules_to_save": ["norm"],
                           "trainable_token_indices": "3-40"},
    "eva": {"type": "lora", "r": 4, "init_lora_weights": "eva"},
    "adalora": {"type": "adalora", "init_r": 6, "target_r": 3},
    "vera": {"type": "vera", "r": 32, "target_modules": "q_proj,v_proj"},
    "ia3": {"type": "ia3"},
    "oft": {"type": "oft", "oft_block_size": 16},
    "loha": {"type": "loha", "r": 4},
    "lokr": {"type": "lokr", "r": 4},
    "ln_tuning": {"type": "ln_tuning"},
    "trainable_tokens": {"type": "trainable_tokens", "token_indices": "3-40"},
    "tokens": {"type": "lora", "r": 2, "trainable_token_indices": "3-9"},
    "whole modules": {"type": "lora", "r": 4, "modules_to_save": ["norm"]},
    "freeze": {"type": "freeze", "trainable_layers": 1},
    "full": None,
}  # fmt: skip
RATES = {
    "ia3": 0.01, "vera": 0.01, "ln_tuning": 0.005, "trainable_tokens": 0.02, "full": 3e-4, "freeze": 5e-4,
    "pissa": 3e-4, "pissa fast": 3e-4, "pissa and all else": 3e-4,
    "olora": 1e-4, "orthogonal": 3e-4, "lora plus": 5e-5, "gaussian": 2e-4,
}  # fmt: skip


def config_of(kind: str, **sections: Any) -> RunConfig:
    training = {"max_steps": 12, "learning_rate": RATES.get(kind, 0.001), "save_strategy": "no", "eval_strategy": "no",
                "max_grad_norm": 0}  # fmt: skip
    return build({"adapter": KINDS[kind], "training": training, **sections})


def logits(model: Any, tokenizer: Any) -> Any:
    ids = tokenizer("What is the capital of France? Answer in a word.", return_tensors="pt").input_ids
    with torch.inference_mode():
        return model(ids).logits.float()


def test_every_kind_is_here() -> None:
    assert {one["type"] for one in KINDS.values() if one} == set(ADAPTERS)


FAST = ("lora", "ia3", "vera", "whole modules", "freeze", "full")
CASES = [pytest.param(kind, marks=() if kind in FAST else pytest.mark.slow) for kind in KINDS]


@pytest.mark.parametrize("kind", CASES)
def test_a_kind_learns_and_is_read_back(
    kind: str, settings: Settings, untied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It learns, trains as many parameters as were counted, and Chat reads from the disk what the trainer had."""
    import studio.training.train as module

    model = {"model_name_or_path": untied if kind == "trainable_tokens" else "starter"}
    config, slot, at_the_end = config_of(kind, model=model), ModelSlot(settings), []
    plain, loaded = module.save_trained, slot.load(config.model)

    def save(model: Any, *rest: Any, **named: Any) -> Any:
        at_the_end.append(logits(model.eval(), loaded.tokenizer))
        return plain(model, *rest, **named)

    monkeypatch.setattr(module, "save_trained", save)
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    base = logits(slot.base_model(), loaded.tokenizer)
    train(config, run_dir, slot, settings=settings)

    events = store.open(run_dir.name).events()[0]
    losses = [one["loss"] for one in events if one["kind"] == "log"]
    started = next(one for one in events if one["kind"] == "started")
    assert sum(losses[-3:]) < sum(losses[:3]), losses
    assert count_trainable(config.adapter, config.model, settings) == (
        started["trainable_parameters"],
        started["total_parameters"],
    )
    assert slot.untouched()
    assert run_dir.name in slot.adapters, [one for one in events if one["kind"] == "warning"]
    adapted = slot.adapted_model(run_dir.name)
    tuned = logits(adapted, loaded.tokenizer)
    assert (tuned - base).abs().max() > 1e-3
    assert (tuned - at_the_end[0]).abs().max() < 1e-4 * base.abs().max()
    if hasattr(adapted, "disable_adapter") and KINDS[kind].get("bias") is None:  # whose biases are the model's own
        with adapted.disable_adapter():
            assert bool((logits(adapted, loaded.tokenizer) == base).all())
