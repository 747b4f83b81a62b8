"""What is trained is float32 when the base is half precision, whatever trains it; and what is saved."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from studio.config.files import build
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import ASSETS, Settings
from studio.training import train as module
from studio.training.train import train

SHORT = {"max_steps": 3, "save_strategy": "no", "eval_strategy": "epoch"}
SAMPLES = ASSETS / "samples"
METHODS: dict[str, dict[str, Any]] = {
    "sft": {},
    "dpo": {"source": str(SAMPLES / "captain_byte_pairs.jsonl")},
    "reward": {"source": str(SAMPLES / "captain_byte_pairs.jsonl")},
}
ADAPTERS: dict[str, Any] = {
    "lora": {"type": "lora", "r": 4},
    "whole modules": {"type": "lora", "r": 4, "modules_to_save": ["norm"]},
    "bias": {"type": "lora", "r": 4, "bias": "all"},
    "ia3": {"type": "ia3"},
    "ln_tuning": {"type": "ln_tuning"},
    "freeze": {"type": "freeze", "trainable_layers": 1},
    "full": None,
}


@pytest.mark.parametrize(("method", "adapter"), [*(("sft", one) for one in ADAPTERS), ("dpo", "whole modules"),
                                                 ("reward", "lora"), ("reward", "full")])  # fmt: skip
def test_trained_parameters_are_float32(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, method: str, adapter: str
) -> None:
    seen: list[set[torch.dtype]] = []
    plain = module._train

    def look(trainer: Any, *rest: Any, **named: Any) -> Any:
        metrics = plain(trainer, *rest, **named)
        seen.append({one.dtype for one in trainer.model.parameters() if one.requires_grad})
        return metrics

    monkeypatch.setattr(module, "_train", look)
    rate = 1e-5 if adapter in ("full", "freeze") else 1e-3
    data = {**METHODS[method], "max_eval_rows": 4}
    config = build(
        {"method": method, "data": data, "model": {"dtype": "bfloat16"}, "adapter": ADAPTERS[adapter],
         "training": {**SHORT, "learning_rate": rate}}
    )  # fmt: skip
    slot, run_dir = ModelSlot(settings), RunStore(settings.runs_dir).create(config)
    train(config, run_dir, slot, settings=settings)
    assert seen == [{torch.float32}]
    assert slot.untouched()
    beside = config.adapter is not None and config.adapter.beside
    file = run_dir / ("adapter/adapter_model.safetensors" if beside else "model/model.safetensors")
    saved = {one.dtype for name, one in load_file(file).items() if name != "score.weight"}  # a head keeps float32
    assert saved == ({torch.float32} if beside else {torch.bfloat16})
