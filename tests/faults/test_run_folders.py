"""A folder of runs as crashes, other programs and people leave it: every run that can be told is told, none breaks the
rest, and nothing outside is followed or deleted."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.config import RunConfig
from studio.errors import ConfigError, StudioError
from studio.runs import EventLog, RunStore
from studio.runs.bin import Bin
from studio.ui.live import LiveRuns

TORN = (
    b'{"time": 1, "kind": "started", "step": 0, "total_steps": 9}\n'
    b'{"time": 2, "kind": "log", "step": 1, "loss": 2.0}\n'
    b'{"time": 3, "kind": "log", "st\n'
    b"\x00\x00\x00\x00\x00\x00\n"
    b"\xff\xfe\x00{\n"
    b"[1, 2]\nnull\n7\n\n" + b"[" * 3000 + b"\n"
    b'{"kind": 3}\n{"kind": ["log"], "step": 4}\n'
    b'{"time": "never", "kind": "log", "step": "many", "loss": 1.5}\n'
    b'{"time": 5, "kind": "started", "total_steps": "x"}\n'
    b'{"time": 6, "kind": "log", "step": 7, "loss": 1.0}\n'
    b'{"time": 7, "kind": "finished", "step": 9, "metrics": [1], "message": {"a": 1}}\n'
    b'{"time": 8, "kind": "warn'
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A store with one good run."""
    store = RunStore(tmp_path / "workspace" / "runs")
    with EventLog(store.create(RunConfig(name="good"))) as log:
        log.write("started", 0, total_steps=2)
        log.tell("finished", "Finished after {steps} steps. What was learned is saved.", {"steps": 2}, step=2)
    return store


def put(store: RunStore, name: str, **files: bytes | None) -> Path:
    """A folder of half an hour ago with these files; None makes a folder of that name."""
    folder = store.runs_dir / name
    folder.mkdir()
    for file, content in {"run_yaml": b"{}", **files}.items():
        path = folder / file.replace("_", ".")
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
        os.utime(path, (time.time() - 1800,) * 2)
    return folder


def test_torn_lines_in_the_middle_hide_no_other(store: RunStore, tmp_path: Path) -> None:
    put(store, "torn", events_jsonl=TORN)
    record = store.open("torn")
    assert (record.status, record.steps, record.total_steps) == ("finished", 9, 9)
    assert record.metrics["loss"] == 1.0 and json.dumps(record.as_json())
    steps = [one.get("step") for one in record.events()[0] if one["kind"] == "log"]
    assert steps == [1, None, 7]
    answer = LiveRuns(store, lambda: None).poll({"run": "torn"})
    assert answer["status"] == "finished" and json.dumps(answer, allow_nan=False)
    assert {run.run_id for run in store.list()} >= {"torn"}
    for verb in (["metrics", "torn"], ["report", "torn", "-o", str(tmp_path / "report.html")]):
        assert main([*verb, "--workspace", str(tmp_path / "workspace")]) == 0


YAMLS: dict[str, bytes | None] = {
    "binary": bytes(range(128, 256)) * 20,
    "nul": bytes(500),
    "cut": b"name: a\ntraining:\n  max_steps: 3\n  optim: 'adam",
    "list": b"- 1\n- 2\n",
    "huge": b"name: " + b"x" * 1_100_000,
    "folder": None,
    "tag": b"!!python/object/apply:os.system ['true']\n",
    "unknown": b"nonsense: 1\n",
}


@pytest.mark.parametrize("name", YAMLS)
def test_a_damaged_run_file_is_a_failed_run_with_its_reason(store: RunStore, name: str, capsys: Any) -> None:
    put(store, "damaged", run_yaml=YAMLS[name], events_jsonl=None if name == "nul" else b"")
    record = store.open("damaged")
    assert record.status == "failed" and "run.yaml" in (record.error or "")
    assert len(store.list()) == 2
    with pytest.raises(StudioError, match="damaged"):
        record.config()
    if name == "folder":
        with pytest.raises(ConfigError, match="Cannot read"):
            record.yaml_text()
    else:
        assert isinstance(record.yaml_text(), str)
    workspace = ["--workspace", str(store.runs_dir.parent)]
    assert main(["runs", *workspace]) == 0
    assert main(["chat", "damaged", "--prompt", "hi", *workspace]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_ten_thousand_other_files_cost_a_second(store: RunStore) -> None:
    for number in range(5000):
        (store.runs_dir / f"junk-{number}").write_bytes(b"x")
        (store.runs_dir / f"folder-{number}").mkdir()
    began = time.monotonic()
    assert [run.name for run in store.list()] == ["good"]
    assert time.monotonic() - began < 10  # 0.4 s where nothing else runs


def test_every_run_that_is_listed_can_be_opened(store: RunStore) -> None:
    for name in ("a b", "-x", "..x", "名字", "x" * 200, "a'b", 'a"b', "<b>", "ordinary"):
        put(store, name)
    listed = [run.run_id for run in store.list()]
    assert "ordinary" in listed and all(store.open(one).run_id == one for one in listed)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_is_deleted_and_what_it_leads_to_stays(store: RunStore, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "run.yaml").write_text("name: outside\n")
    (outside / "thesis.txt").write_text("three years of work")
    os.utime(outside / "run.yaml", (time.time() - 1800,) * 2)
    (store.runs_dir / "link").symlink_to(outside)
    (store.runs_dir / "loop").symlink_to(store.runs_dir / "loop")
    inner = store.list()[0].path / "checkpoints" / "checkpoint-1"
    inner.symlink_to(outside)
    box = Bin(store)
    box.delete("link")
    box.delete(next(run.run_id for run in store.list() if run.name == "good"))
    assert box.empty() == 2 and not store.list()
    assert (outside / "thesis.txt").read_text() == "three years of work"
    assert not os.path.lexists(store.runs_dir / "link")


def test_a_run_of_a_clock_that_was_ahead_is_not_thought_to_run(store: RunStore) -> None:
    folder = put(store, "ahead")
    os.utime(folder / "run.yaml", (time.time() + 86_400,) * 2)
    assert store.open("ahead").status == "interrupted"
