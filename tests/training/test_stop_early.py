"""A run that is stopped while its rows are read ends at once, says so, and the next one goes on from there."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from studio.config.files import build
from studio.data import scan as scanning
from studio.errors import ConfigError
from studio.model.slot import ModelSlot
from studio.runs.stopping import ask_to_stop
from studio.runs.store import RunStore
from studio.settings import Settings
from studio.training.stage import look
from studio.training.train import train


def test_a_stop_is_heard_while_rows_are_read(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "SHARD_ROWS", 64)
    monkeypatch.setattr(scanning, "CHUNK_ROWS", 16)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": f"q{n}", "answer": f"a{n}"}) + "\n" for n in range(2000)))
    config = build({"data": {"source": str(path)}, "training": {"max_steps": 1, "save_strategy": "no"}})
    store = RunStore(settings.runs_dir)
    run_dir, quick, seen = store.create(config), scanning.look, []

    def slowly(*given: Any) -> Any:
        time.sleep(0.01)
        seen.append(given)
        if len(seen) == 20:
            ask_to_stop(run_dir)
        return quick(*given)

    monkeypatch.setattr(scanning, "look", slowly)
    slot = ModelSlot(settings)
    outcome = train(config, run_dir, slot, settings=settings)
    record = store.open(run_dir.name)
    assert (outcome.status, outcome.steps, record.status) == ("stopped", 0, "stopped")
    assert slot.loaded is None and record.trained is None and len(seen) < 60
    assert "nothing was learned" in record.events()[0][-1]["message"]
    again = store.create(config)
    assert train(config, again, slot, settings=settings).steps == 1
    assert len(seen) < 2000 // 16 + 1 + 40, "what was looked at before is not looked at again"


def test_a_filter_that_is_none_is_told_before_a_row_is_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "look", lambda *_: pytest.fail("looked"))
    with pytest.raises(ConfigError, match="the nearest is duplicates"):
        look(build({"data": {"filters": ["duplicate"]}}), settings)
