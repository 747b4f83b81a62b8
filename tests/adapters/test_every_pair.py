"""Every method with every kind of fine-tuning, and on quantized weights: each pair trains two steps and is read back.

The README's table says what is found here.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from studio.adapters import ADAPTERS
from studio.config.files import build
from studio.errors import ConfigError
from studio.methods import METHODS
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import ASSETS, Settings
from studio.training.train import train

SAMPLES = ASSETS / "samples"
PAIRS = {"source": str(SAMPLES / "captain_byte_pairs.jsonl")}
DATA: dict[str, dict[str, Any]] = {
    "sft": {"source": "starter"},
    "dpo": PAIRS,
    "orpo": PAIRS,
    "cpo": PAIRS,
    "reward": PAIRS,
    "kto": {"source": str(SAMPLES / "captain_byte_votes.jsonl")},
    "grpo": {"source": str(SAMPLES / "captain_byte_heldout.jsonl"), "format": "alpaca",
             "columns": {"instruction": "prompt", "output": "answer_fact"}},
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "grpo": {"reward_funcs": "length", "reward_length": 20, "num_generations": 2, "max_completion_length": 12}
}
KINDS: dict[str, Any] = {
    **{name: {"type": name} for name in ADAPTERS},
    "oft": {"type": "oft", "oft_block_size": 16},
    "vera": {"type": "vera", "r": 32},
    "trainable_tokens": {"type": "trainable_tokens", "token_indices": "3-40"},
    "full": None,
}
QUANTIZED = [(kind, form) for kind in ("lora", "ia3") for form in ("4-bit", "8-bit")]
REFUSED = {("reward", "trainable_tokens")}  # a row of the README's table too
CASES = [
    *((method, kind, "none") for method in METHODS for kind in KINDS if (method, kind) not in REFUSED),
    *((method, kind, form) for method in METHODS for kind, form in QUANTIZED),
]


@pytest.mark.parametrize(("method", "kind"), sorted(REFUSED))
def test_a_pair_that_cannot_be_is_refused(method: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=kind):
        build({"method": method, "adapter": KINDS[kind]})


def mostly(method: str, kind: str, form: str) -> bool:
    """At each change: every method with LoRA, and what no test of a kind trains; each pair when one asks for it."""
    return kind == "lora" or (method, kind) in {("reward", "full"), ("dpo", "full")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "kind", "form"),
    [one if mostly(*one) else pytest.param(*one, marks=pytest.mark.thorough) for one in CASES],
)
def test_a_pair_trains_and_is_read_back(
    method: str, kind: str, form: str, settings: Settings, untied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import studio.training.train as module

    plain, trained = module.save_trained, []

    def save(model: Any, *rest: Any, **named: Any) -> Any:
        trained.extend(
            one.detach().clone()
            for name, one in model.named_parameters()
            if one.requires_grad and not (kind == "adalora" and ".lora_" in name)  # ranks that are left are saved
        )
        return plain(model, *rest, **named)

    monkeypatch.setattr(module, "save_trained", save)
    model = {"model_name_or_path": untied if kind == "trainable_tokens" else "starter", "quantization": form}
    training = {"max_steps": 2, "learning_rate": 1e-4, "save_strategy": "no", "eval_strategy": "no"}
    config = build(
        {"method": {"type": method, **SETTINGS.get(method, {})}, "adapter": KINDS[kind], "model": model,
         "training": training, "data": DATA[method]}
    )  # fmt: skip
    slot, store = ModelSlot(settings), RunStore(settings.runs_dir)
    run_dir = store.create(config)
    assert train(config, run_dir, slot, settings=settings).steps == 2
    warnings = [one["message"] for one in store.open(run_dir.name).events()[0] if one["kind"] == "warning"]
    assert not warnings and slot.untouched()
    saved = [one for file in store.open(run_dir.name).saved.glob("*.safetensors") for one in load_file(file).values()]  # type: ignore[union-attr]
    assert (trained or kind == "adalora") and all(any(torch.equal(one, other) for other in saved) for one in trained)
    assert run_dir.name in slot.adapters or method == "reward"
    if method == "reward":
        slot.attach(run_dir.name, run_dir / ("adapter" if config.adapter and config.adapter.beside else "model"),
                    scores=True)  # fmt: skip
