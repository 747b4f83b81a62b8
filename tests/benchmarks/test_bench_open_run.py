"""Opening a run of a million logged steps: at once as a sample where its log has no summary, then whole."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from long_log import SPIKES, write_long_log

from studio.config import RunConfig
from studio.runs import RunStore
from studio.runs.summary import FIGURES, LOSS, SUMMARY
from studio.ui.live import NOTE_LIMIT, ROW_LIMIT, LiveRuns

STEPS = 1_000_000
GOAL = 1.0  # seconds
pytestmark = [pytest.mark.benchmark, pytest.mark.slow, pytest.mark.thorough]


def opened(live: LiveRuns, name: str) -> tuple[dict, float]:
    """What a page is sent, and the seconds it took."""
    began = time.monotonic()
    text = json.dumps(live.poll({"run": name}))
    return json.loads(text), time.monotonic() - began


def test_a_million_steps_open_in_a_second(tmp_path: Path, figure: Callable[[str], None]) -> None:
    store = RunStore(tmp_path)
    folder = store.create(RunConfig(name="long"))
    size = write_long_log(folder, STEPS).stat().st_size
    live, began = LiveRuns(store, lambda: None), time.monotonic()
    sample, first = opened(live, folder.name)
    assert sample["sketched"] and sample["rows"][0][0] == 1 and sample["rows"][-1][0] == STEPS
    assert live.summaries.wait(folder, 300)
    read = time.monotonic() - began
    whole, later = opened(LiveRuns(store, lambda: None), folder.name)  # as a server that has just started
    assert "sketched" not in whole
    rows = whole["rows"]
    assert len(rows) <= ROW_LIMIT and rows[-1][FIGURES.index("step")] == STEPS
    assert set(SPIKES.values()) <= {row[LOSS] for row in rows}
    assert all(len(curve["points"]) <= ROW_LIMIT for curve in whole["curves"])
    assert len(whole["notes"]) <= NOTE_LIMIT + 100
    figure(
        f"open {STEPS:,} steps ({size / 1e6:.0f} MB): {later:.2f} s; without a summary a sample in {first:.2f} s, "
        f"whole after {read:.0f} s; {len(json.dumps(whole)) / 1e3:.0f} kB sent, "
        f"summary {(folder / SUMMARY).stat().st_size / 1e6:.1f} MB"
    )
    assert first < GOAL and later < GOAL
