"""Runs that are broken off and go on, beside the same run unbroken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from studio.config import RunConfig
from studio.config.files import build
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.runs.events import Event, in_force
from studio.runs.stopping import StopKind, ask_to_stop
from studio.settings import Settings
from studio.training.going_on import changed_config, resume_of
from studio.training.train import Outcome, train

# What two runs cannot share: how long something took, and how much memory there was.
PASSING = ("time", "elapsed_seconds", "tokens_per_second", "eta_seconds", "memory_bytes")


class Bench:
    """Short runs on the starter, each time with a model that is loaded anew, as after a restart."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.store = settings, RunStore(settings.runs_dir)

    def config(self, **given: Any) -> RunConfig:
        """Two epochs of three steps, two micro-batches each, an evaluation after each epoch, no checkpoint unasked."""
        training: dict[str, Any] = {
            "num_train_epochs": 2, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2,
            "eval_strategy": "epoch", "save_strategy": "no",
        }  # fmt: skip
        data = {"max_train_rows": 24, "max_eval_rows": 6}
        given["training"] = {**training, **given.get("training", {})}
        given["data"] = {**data, **given.get("data", {})}
        return build(given)

    def run(self, config: RunConfig, run_dir: Path | None = None, **named: Any) -> tuple[Path, Outcome]:
        run_dir = run_dir or self.store.create(config)
        return run_dir, train(config, run_dir, ModelSlot(self.settings), settings=self.settings, **named)

    def go_on(self, run_dir: Path, *, listeners: Any = (), changes: Any = None, **named: Any) -> Outcome:
        record = self.store.open(run_dir.name)
        config = changed_config(record, changes or {})
        resume = resume_of(record, config=config, **named)
        return self.run(config, run_dir, resume=resume, listeners=listeners)[1]

    def broken(self, config: RunConfig, steps: Sequence[int], *, kind: StopKind = "pause") -> Path:
        """The run stopped after the log of each of these steps, and let go on each time."""
        run_dir = self.store.create(config)
        named: dict[str, Any] = {}
        for step in steps:
            outcome = train(
                config, run_dir, ModelSlot(self.settings), settings=self.settings,
                listeners=[asking(run_dir, step, kind)], **named,
            )  # fmt: skip
            assert outcome.status == ("paused" if kind == "pause" else "stopped")
            assert step <= outcome.steps <= step + 1
            named = {"resume": resume_of(self.store.open(run_dir.name))}
        assert self.run(config, run_dir, **named)[1].status == "finished"
        return run_dir


def asking(run_dir: Path, step: int, kind: StopKind = "pause", *, of: str = "log") -> Callable[[Event], None]:
    """Asks the run to stop at the event of a step."""

    def listen(event: Event) -> None:
        if event["kind"] == of and event["step"] == step:
            ask_to_stop(run_dir, kind)

    return listen


def curve(store: RunStore, run_dir: Path) -> list[Event]:
    """Every figure of the log that two equal runs share."""
    events = in_force(store.open(run_dir.name).events()[0])
    return [
        {name: value for name, value in event.items() if name not in PASSING and not name.endswith(SPEED)}
        for event in events
        if event["kind"] in ("log", "evaluated")
    ]


SPEED = ("runtime", "per_second", "preparation_time", "step_time")


def assert_same(store: RunStore, one: Path, other: Path) -> None:
    """The same curve to the last bit, and the same weights."""
    first, second = curve(store, one), curve(store, other)
    assert len(first) > 1 and second == first
    weights = [load_file(store.open(run.name).saved / name) for run in (one, other) for name in _file(store, run)]  # type: ignore[operator]
    assert len(weights) == 2 and weights[0].keys() == weights[1].keys()
    assert all(bool((weights[0][name] == weights[1][name]).all()) for name in weights[0])


def _file(store: RunStore, run_dir: Path) -> list[str]:
    saved = store.open(run_dir.name).saved
    assert saved is not None
    return [name for name in ("adapter_model.safetensors", "model.safetensors") if (saved / name).is_file()]


@pytest.fixture
def bench(settings: Settings) -> Bench:
    return Bench(settings)
