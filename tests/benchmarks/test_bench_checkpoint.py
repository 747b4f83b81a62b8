"""What checkpoints cost: share of the training time, bytes, and how soon fifty of them are looked through."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from studio.config.files import build
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.runs.checkpoint import whole, write
from studio.settings import Settings
from studio.training.keeper import MOST_COST
from studio.training.train import train

STEPS = int(os.environ.get("TUNEFORK_BENCH_STEPS", "250"))  # more than save_steps
MODEL = os.environ.get("TUNEFORK_BENCH_MODEL", "starter")
LOOKED_THROUGH = 0.05  # seconds for fifty checkpoints


def trained(settings: Settings, model: str, **training: Any) -> tuple[float, list[dict[str, Any]], Path]:
    """Seconds of training, the events of checkpoints, and the run's directory."""
    store = RunStore(settings.runs_dir)
    config = build({"model": {"model_name_or_path": model}, "training": {"eval_strategy": "no", **training}})
    run_dir = store.create(config)
    train(config, run_dir, ModelSlot(settings), settings=settings)
    events = store.open(run_dir.name).events()[0]
    seconds = next(one["metrics"]["train_seconds"] for one in events if one["kind"] == "finished")
    return seconds, [one for one in events if one["kind"] == "checkpoint"], run_dir


@pytest.mark.slow
@pytest.mark.benchmark
def test_checkpoints_take_two_percent_at_the_default_settings(
    settings: Settings, figure: Callable[[str], None]
) -> None:
    """The one at the end, which every run leaves, is told apart: of a run this short it is a larger share."""
    seconds, saved, _ = trained(settings, MODEL, max_steps=STEPS)
    inside = [one for one in saved if one["step"] < STEPS]
    spent, last = (sum(one["seconds"] for one in some) for some in (inside, saved))
    figure(
        f"checkpoints of {MODEL} at the default settings: {STEPS} steps in {seconds:.1f} s, {len(inside)} within them "
        f"({spent:.2f} s, {100 * spent / seconds:.2f}%), with the last one {last:.2f} s ({100 * last / seconds:.2f}%), "
        f"{saved[-1]['bytes'] / 1e6:.1f} MB each"
    )
    assert saved and spent <= MOST_COST * seconds


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.benchmark
def test_asked_for_after_every_step_their_interval_stretches(settings: Settings, figure: Callable[[str], None]) -> None:
    seconds, saved, _ = trained(settings, "starter", max_steps=STEPS, save_steps=1, save_minutes=0.001)
    inside = [one for one in saved if one["step"] < STEPS]
    spent = sum(one["seconds"] for one in inside)
    gaps = [after["step"] - before["step"] for before, after in pairwise(inside)]
    figure(
        f"checkpoints asked for after every step: {len(inside)} in {STEPS} steps of {seconds:.1f} s, one in "
        f"{sum(gaps) / max(len(gaps), 1):.0f} steps, {spent:.2f} s ({100 * spent / seconds:.2f}%)"
    )
    assert 1 < len(inside) < STEPS / 4
    first = inside[0]["seconds"]
    assert spent - first <= 1.5 * MOST_COST * seconds, "one may take longer than the one before, which is the estimate"


@pytest.mark.benchmark
def test_fifty_checkpoints_are_looked_through_at_once(tmp_path: Path, figure: Callable[[str], None]) -> None:
    def fill(folder: Path) -> None:
        for name in ("trained", "optimizer", "random", "trainer"):
            (folder / f"{name}.safetensors").write_bytes(os.urandom(100_000))
            (folder / f"{name}.json").write_text("{}")
        (folder / "adapter").mkdir()
        (folder / "adapter" / "adapter_model.safetensors").write_bytes(os.urandom(100_000))

    for step in range(1, 51):
        write(tmp_path, step, fill, facts={"settings": {str(one): one for one in range(100)}})
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert len(whole(tmp_path)) == 50
        took.append(time.perf_counter() - began)
    figure(f"fifty checkpoints looked through in {1000 * sorted(took)[2]:.0f} ms")
    assert sorted(took)[2] < LOOKED_THROUGH
