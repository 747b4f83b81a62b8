"""Every kind that says it trains on quantized weights does so, across two evaluations, on the CPU too."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.adapters import ADAPTERS
from studio.config.files import build
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import Settings
from studio.training.train import train

KINDS: dict[str, dict[str, Any]] = {
    "lora": {"type": "lora", "r": 4},
    "dora": {"type": "lora", "r": 4, "use_dora": True},
    "adalora": {"type": "adalora", "init_r": 6, "target_r": 3},
    "vera": {"type": "vera", "r": 32},
    "ia3": {"type": "ia3"},
    "oft": {"type": "oft", "oft_block_size": 16},
}
RATES = {"ia3": 0.01, "vera": 0.01}
CASES = [(kind, form) for kind in KINDS for form in ("4-bit", "8-bit") if (kind, form) != ("dora", "8-bit")]


def test_every_kind_that_says_so_is_here() -> None:
    for form in ("4-bit", "8-bit"):
        promised = {name for name, kind in ADAPTERS.items() if form in kind.quantizations}
        assert promised <= {KINDS[kind]["type"] for kind, one in CASES if one == form}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "form"), CASES)
def test_a_kind_learns_on_quantized_weights(kind: str, form: str, settings: Settings) -> None:
    training = {"max_steps": 12, "learning_rate": RATES.get(kind, 0.001), "save_strategy": "no",
                "eval_strategy": "steps", "eval_steps": 4}  # fmt: skip
    config = build({"model": {"quantization": form}, "adapter": KINDS[kind], "training": training,
                    "data": {"max_eval_rows": 8}})  # fmt: skip
    slot, store = ModelSlot(settings), RunStore(settings.runs_dir)
    run_dir = store.create(config)
    train(config, run_dir, slot, settings=settings)
    events = store.open(run_dir.name).events()[0]
    evaluated = [one["eval_loss"] for one in events if one["kind"] == "evaluated"]
    assert len(evaluated) >= 3 and evaluated[0] > evaluated[1] > evaluated[2], evaluated
    assert all(one["grad_norm"] > 0 for one in events if one["kind"] == "log")
    assert slot.untouched() and run_dir.name in slot.adapters


@pytest.mark.slow
def test_loftq_begins_nearer_to_the_plain_weights(settings: Settings) -> None:
    """The first loss with LoftQ lies nearer to the plain model's than that of 4-bit weights alone."""
    first: dict[str, float] = {}
    logits: dict[str, torch.Tensor] = {}
    for name, form, initial in (
        ("plain", "none", "default"),
        ("4-bit", "4-bit", "default"),
        ("loftq", "4-bit", "loftq"),
    ):
        adapter = {"type": "lora", "r": 64, "lora_alpha": 128, "lora_dropout": 0, "init_lora_weights": initial}
        training = {"max_steps": 1, "learning_rate": 1e-30, "save_strategy": "no", "eval_strategy": "no"}
        config = build({"model": {"quantization": form}, "adapter": adapter, "training": training})
        slot, store = ModelSlot(settings), RunStore(settings.runs_dir)
        run_dir = store.create(config)
        train(config, run_dir, slot, settings=settings)
        first[name] = next(one["loss"] for one in store.open(run_dir.name).events()[0] if one["kind"] == "log")
        with torch.inference_mode():
            logits[name] = slot.adapted_model(run_dir.name)(torch.arange(5, 60).unsqueeze(0)).logits.float()
    distance = {name: (one - logits["plain"]).norm() for name, one in logits.items()}
    assert distance["loftq"] < 0.8 * distance["4-bit"]
    assert slot.untouched()
