"""An adapter that trains the base's biases: what answers are measured against stays what it was at first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from studio.config.files import build
from studio.model.first_values import REFERENCE
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import ASSETS, Settings
from studio.training.train import train

pytestmark = pytest.mark.filterwarnings("ignore:Careful, disabling adapter layers")
IDS = torch.arange(3, 40)[None]


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(IDS).logits.float()


@pytest.mark.parametrize(("method", "bias"), [("dpo", "all"), ("kto", "lora_only")])
def test_the_reference_has_the_biases_of_the_base(
    method: str, bias: str, biased: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import studio.training.train as module

    plain, found = module.save_trained, {}

    def save(model: Any, *rest: Any, **named: Any) -> Any:
        found["trained"] = logits(model)
        with model.disable_adapter():
            found["off"] = logits(model)
            with model.disable_adapter():
                found["off twice"] = logits(model)
        if REFERENCE in model.peft_config:
            model.set_adapter(REFERENCE)
            found["reference"] = logits(model)
            model.set_adapter("default")
        assert torch.equal(logits(model), found["trained"]), "what was learned is there again"
        return plain(model, *rest, **named)

    monkeypatch.setattr(module, "save_trained", save)
    rows = "captain_byte_votes.jsonl" if method == "kto" else "captain_byte_pairs.jsonl"
    sections: dict[str, Any] = {
        "method": method, "model": {"model_name_or_path": str(biased)},
        "data": {"source": str(ASSETS / "samples" / rows), "max_train_rows": 16},
        "training": {
            "max_steps": 3, "learning_rate": 0.01, "max_length": 64, "eval_strategy": "no", "save_strategy": "no",
        },
    }  # fmt: skip

    def run(**adapter: Any) -> tuple[Any, ModelSlot]:
        config, slot = build({**sections, "adapter": {"type": "lora", "r": 4, **adapter}}), ModelSlot(settings)
        run_dir = RunStore(settings.runs_dir).create(config)
        train(config, run_dir, slot, settings=settings)
        assert slot.untouched()
        return run_dir, slot

    first, slot = run(bias=bias)
    base, learned = logits(slot.base_model()), found["trained"]
    assert torch.equal(found["off"], base) and torch.equal(found["off twice"], base)
    assert not torch.equal(learned, base)
    run(bias=bias, adapter_name_or_path=first.name)
    assert torch.allclose(found["reference"], learned, atol=1e-5), "gone on with, it is measured against what it was"
    assert not torch.allclose(found["trained"], learned, atol=1e-4)
