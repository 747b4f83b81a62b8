"""With an adapter the base is in memory once, also where answers are measured against it: counted as a run trains."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.config.files import build
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import Settings
from studio.training.train import train

LARGE = 10_000  # numbers; a smaller tensor may be equal to another by chance
SMALL_ADAPTER = {"type": "lora", "r": 4, "target_modules": ["q_proj"]}


def live_tensors() -> list[torch.Tensor]:
    gc.collect()
    found = (one for one in gc.get_objects() if issubclass(type(one), torch.Tensor))
    return [one for one in found if one.device.type == "cpu" and one.layout == torch.strided]


def places(tensors: Iterable[torch.Tensor]) -> dict[int, int]:
    """Address -> bytes of each storage."""
    return {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}


class Counter:
    """A listener that counts at the second step: copies of the base's weights, and bytes of all that is new."""

    def __init__(self, slot: ModelSlot) -> None:
        self._slot = slot
        self._before = live_tensors()  # held, so that no address is given out again
        self.copies: set[int] = set()
        self.bytes = self.base_bytes = 0

    def __call__(self, event: dict[str, Any]) -> None:
        if event["kind"] != "log" or event["step"] != 2:
            return
        old = places(self._before)
        tensors = [one for one in live_tensors() if one.untyped_storage().data_ptr() not in old]
        weights = [one.detach() for one in self._slot.base_model().parameters()]
        self.base_bytes, self.bytes = sum(places(weights).values()), sum(places(tensors).values())
        for weight in weights:
            if weight.numel() >= LARGE:
                same = [one for one in tensors if one.shape == weight.shape and torch.equal(one.detach(), weight)]
                self.copies.add(len(places(same)))


def counted(method: str, folder: Path, settings: Settings, **sections: Any) -> Counter:
    asked = ["Who are you?", "Say hello.", "What is the capital of France?", "And then?"] * 2
    answers = {"chosen": " Ahoy!", "rejected": " No.", "completion": " Ahoy!"}
    rows = [{"prompt": one, "label": at % 2 == 0, **answers} for at, one in enumerate(asked)]
    unused = ("chosen", "rejected") if method == "kto" else ("completion", "label")
    kept = [{name: value for name, value in row.items() if name not in unused} for row in rows]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    config = build(
        {
            "method": method,
            "data": {"source": str(folder / "rows.jsonl"), "eval_fraction": 0},
            "training": {"max_steps": 3, "per_device_train_batch_size": 2, "save_strategy": "no"},
            "adapter": SMALL_ADAPTER,
            **sections,
        }
    )
    slot, store = ModelSlot(settings), RunStore(settings.runs_dir)
    counter = Counter(slot)
    run_dir = store.create(config)
    assert train(config, run_dir, slot, settings=settings, listeners=[counter]).status == "finished"
    return counter


@pytest.mark.parametrize("method", ["dpo", "kto", "orpo", "cpo", "reward"])
def test_an_adapter_trains_beside_the_one_base(method: str, settings: Settings, tmp_path: Path) -> None:
    found = counted(method, tmp_path, settings)
    assert found.copies == {1}
    assert found.base_bytes < found.bytes < 1.3 * found.base_bytes  # the adapter with its optimizer, and the batch


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_a_second_copy_would_be_seen(method: str, settings: Settings, tmp_path: Path) -> None:
    """Full fine-tuning needs one for a reference: beside the base, what is trained and what it is measured against."""
    found = counted(method, tmp_path, settings, adapter=None)
    assert 2 in found.copies and found.bytes > 2.9 * found.base_bytes
