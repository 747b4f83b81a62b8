"""Real short runs on the starter: what they leave, how they stop, and that the base is never touched."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.errors import BusyError, RunFailed, StudioError
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.runs.stopping import ask_to_stop
from studio.settings import Settings
from studio.training.failure import explain
from studio.training.train import train


@pytest.fixture
def slot(settings: Settings) -> ModelSlot:
    return ModelSlot(settings)


@pytest.fixture
def store(settings: Settings) -> RunStore:
    return RunStore(settings.runs_dir)


def config_of(**training: Any) -> RunConfig:
    return build({"training": {"max_steps": 4, "save_strategy": "no", **training}})


def kinds(store: RunStore, run_id: str) -> list[str]:
    return [event["kind"] for event in store.open(run_id).events()[0]]


def test_the_base_is_untouched_and_the_adapter_switched_off_gives_its_logits(
    store: RunStore, slot: ModelSlot, settings: Settings
) -> None:
    import torch

    config = config_of(learning_rate=1e-2)
    slot.load(config.model)
    before = slot.fingerprint()
    run_dir = store.create(config)
    train(config, run_dir, slot, settings=settings)
    assert slot.fingerprint() == before
    loaded = slot.loaded
    assert loaded is not None and run_dir.name in slot.adapters
    adapted = slot.adapted_model(run_dir.name)
    ids = loaded.tokenizer("Hello, who are you?", return_tensors="pt").input_ids
    with torch.inference_mode():
        base = loaded.model(ids).logits
        on = adapted(ids).logits
        with adapted.disable_adapter():
            off = adapted(ids).logits
    assert torch.equal(base, off) and not torch.equal(base, on)
    shared = {one.data_ptr() for one in loaded.model.parameters()}
    frozen = [one for name, one in adapted.named_parameters() if "lora_" not in name]
    assert frozen and all(one.data_ptr() in shared for one in frozen)


def test_a_stop_ends_within_a_micro_batch_and_keeps_the_adapter(
    store: RunStore, slot: ModelSlot, settings: Settings
) -> None:
    """200 micro-batches make a step; a stop after the first few must not wait for the step's end."""
    config = config_of(max_steps=1000, gradient_accumulation_steps=2, eval_strategy="no")
    run_dir = store.create(config)
    asked: list[float] = []

    def ask(event: dict[str, Any]) -> None:
        if event["kind"] == "log" and event["step"] == 3:
            asked.append(time.monotonic())
            ask_to_stop(run_dir)

    outcome = train(config, run_dir, slot, settings=settings, listeners=[ask])
    assert outcome.status == "stopped" and outcome.steps in (3, 4)
    assert time.monotonic() - asked[0] < 5
    record = store.open(run_dir.name)
    assert record.status == "stopped" and record.has_adapter
    assert "saved" in record.events()[0][-1]["message"]


def test_a_stop_inside_a_long_step_does_not_wait_for_its_end(
    store: RunStore, slot: ModelSlot, settings: Settings
) -> None:
    config = config_of(max_steps=3, gradient_accumulation_steps=45, per_device_train_batch_size=1)
    run_dir = store.create(config)
    micro = 0

    from studio.training import callback

    class Counting(callback.RecordCallback):
        def on_substep_end(self, *args: Any, **kwargs: Any) -> None:
            nonlocal micro
            micro += 1
            if micro == 3:
                ask_to_stop(run_dir)
            super().on_substep_end(*args, **kwargs)

    original = callback.RecordCallback
    callback.RecordCallback = Counting  # type: ignore[misc]
    try:
        outcome = train(config, run_dir, slot, settings=settings)
    finally:
        callback.RecordCallback = original  # type: ignore[misc]
    assert outcome.status == "stopped" and outcome.steps == 0 and micro == 3
    assert "nothing was learned" in store.open(run_dir.name).events()[0][-1]["message"]


def test_a_stop_inside_an_evaluation_leaves_it(store: RunStore, slot: ModelSlot, settings: Settings) -> None:
    config = build(
        {
            "data": {"eval_fraction": 0.5},
            "training": {
                "max_steps": 50, "eval_strategy": "steps", "eval_steps": 2, "per_device_eval_batch_size": 1,
                "save_strategy": "no",
            },
        }
    )  # fmt: skip
    run_dir = store.create(config)

    def ask(event: dict[str, Any]) -> None:
        if event["kind"] == "log" and event["step"] == 2:  # logged before the evaluation of the same step
            ask_to_stop(run_dir)

    outcome = train(config, run_dir, slot, settings=settings, listeners=[ask])
    assert outcome.status == "stopped" and outcome.steps == 2
    assert "evaluated" not in kinds(store, run_dir.name)


def test_full_fine_tuning_trains_a_copy(store: RunStore, slot: ModelSlot, settings: Settings) -> None:
    config = build({"adapter": None, "training": {"max_steps": 2, "learning_rate": 1e-3, "save_strategy": "no"}})
    slot.load(config.model)
    before = slot.fingerprint()
    run_dir = store.create(config)
    train(config, run_dir, slot, settings=settings)
    assert slot.fingerprint() == before
    assert store.open(run_dir.name).trained == run_dir / "model"
    base = {one.data_ptr() for one in slot.base_model().parameters()}
    assert not any(one.data_ptr() in base for one in slot.adapted_model(run_dir.name).parameters())
    started = next(event for event in store.open(run_dir.name).events()[0] if event["kind"] == "started")
    assert started["trainable_parameters"] == started["total_parameters"]


def test_a_failed_run_says_why_and_the_next_one_works(store: RunStore, slot: ModelSlot, settings: Settings) -> None:
    broken = build({"adapter": {"type": "lora", "target_modules": ["no_such_module"]}, "training": {"max_steps": 1}})
    run_dir = store.create(broken)
    with pytest.raises(StudioError, match="no_such_module"):
        train(broken, run_dir, slot, settings=settings)
    record = store.open(run_dir.name)
    assert record.status == "failed" and "no_such_module" in (record.error or "")
    config = config_of(max_steps=1)
    assert train(config, store.create(config), slot, settings=settings).status == "finished"


def test_rows_that_are_left_out_are_told(store: RunStore, slot: ModelSlot, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"question": "word " * (300 if n == 2 else 3), "answer": "yes"} for n in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = build(
        {
            "data": {"source": str(path), "eval_fraction": 0},
            "training": {"max_steps": 1, "max_length": 64, "save_strategy": "no"},
        }
    )
    run_dir = store.create(config)
    train(config, run_dir, slot, settings=settings)
    events = store.open(run_dir.name).events()[0]
    told = [event["message"] for event in events if event["kind"] == "warning"]
    assert any("1 of 8 rows keep no supervised token" in one and "(row 3)" in one for one in told), told
    started = next(event for event in events if event["kind"] == "started")
    assert (started["rows"], started["dropped_rows"]) == (7, 1)


def test_errors_that_are_not_ours_become_sentences() -> None:
    import torch

    assert "per_device_train_batch_size" in str(explain(torch.OutOfMemoryError("CUDA out of memory")))
    assert "disk is full" in str(explain(OSError(28, "No space left on device")))
    assert "KeyError" in str(explain(KeyError("x")))
    kept = BusyError("busy")
    assert explain(kept) is kept


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from studio.runs import EventLog
    from studio.training.callback import RecordCallback

    state = SimpleNamespace(global_step=7, max_steps=10, log_history=[])
    with EventLog(tmp_path) as log:
        callback = RecordCallback(log, tmp_path, device="cpu")
        callback.on_train_begin(None, state, SimpleNamespace())
        with pytest.raises(RunFailed, match="step 7"):
            callback.on_log(None, state, None, logs={"loss": float("nan"), "learning_rate": 1e-4})
        callback.on_log(None, state, None, logs={"loss": 2.0, "grad_norm": 0.5, "learning_rate": 1e-4})


def test_two_runs_with_one_seed_have_one_loss(store: RunStore, slot: ModelSlot, settings: Settings) -> None:
    losses = []
    for _ in range(2):
        run_dir = store.create(config_of())
        train(config_of(), run_dir, slot, settings=settings)
        losses.append([event["loss"] for event in store.open(run_dir.name).events()[0] if event["kind"] == "log"])
    assert losses[0] == losses[1] and len(losses[0]) == 4
