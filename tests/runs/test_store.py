from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.errors import WorkspaceError
from studio.runs import EventLog, RunStore, read_events
from studio.runs.events import EVENTS, last_events
from studio.runs.store import hold, slug


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_run_is_made_whole_and_its_config_comes_back(store: RunStore) -> None:
    config = RunConfig(name="My run!")
    run_dir = store.create(config)
    assert run_dir.name.startswith("my-run-") and (run_dir / "checkpoints").is_dir()
    assert store.open(run_dir.name).config() == config
    assert not [path for path in store.runs_dir.iterdir() if path.name.startswith(".")]


def test_two_runs_of_one_second_have_two_ids(store: RunStore) -> None:
    made = {store.create(RunConfig(name="same")).name for _ in range(4)}
    assert len(made) == 4 and {run.run_id for run in store.list()} == made


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a\0b", "x" * 300, " ", "CON", ".", "..", "名字", "<img src=x>"])
def test_a_hostile_name_stays_inside_the_folder(store: RunStore, name: str) -> None:
    folder = slug(name)
    assert folder and len(folder) <= 48 and folder not in (".", "..", "con") and "/" not in folder
    if len(name) <= 80:
        assert store.create(RunConfig(name=name)).parent == store.runs_dir


@pytest.mark.parametrize("run_id", ["../x", "/etc", "", ".", "..", "a/b", "a\0b", "nothing-here"])
def test_an_id_from_outside_is_never_a_path(store: RunStore, run_id: str) -> None:
    (store.runs_dir.parent / "x").mkdir(parents=True)
    (store.runs_dir.parent / "x" / "run.yaml").write_text("{}")
    with pytest.raises(WorkspaceError):
        store.open(run_id)


def test_events_are_read_from_an_offset_and_a_torn_line_waits(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        log.write("log", 1, loss=1.5)
        log.write("log", 2, loss=float("nan"))
    path = tmp_path / EVENTS
    events, offset = read_events(path)
    assert [event["step"] for event in events] == [1, 2] and events[1]["loss"] == "nan"
    with path.open("ab") as file:
        file.write(b'{"kind": "log", "st')
    assert read_events(path, offset) == ([], offset)
    with path.open("ab") as file:
        file.write(b'ep": 3}\n')
    events, end = read_events(path, offset)
    assert [event["step"] for event in events] == [3] and end == path.stat().st_size


def test_a_line_torn_by_a_crash_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / EVENTS).write_bytes(b'{"kind":"log","step":1}\n\x00\x00{"ki\n{"kind":"log","step":2}\n')
    assert [event["step"] for event in read_events(tmp_path / EVENTS)[0]] == [1, 2]


def test_the_tail_of_a_long_log_is_enough(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        for step in range(3000):
            log.write("log", step, loss=1.0)
    tail = last_events(tmp_path / EVENTS, window=4096)
    assert tail[-1]["step"] == 2999 and 10 < len(tail) < 100


def test_status_follows_events_and_lock(store: RunStore) -> None:
    run_dir = store.create(RunConfig())
    lock = hold(run_dir)
    with lock, EventLog(run_dir) as log:
        log.write("started", 0, total_steps=10)
        log.write("log", 4, loss=2.0)
        record = store.open(run_dir.name)
        assert (record.status, record.steps, record.total_steps) == ("running", 4, 10)
    assert store.open(run_dir.name).status == "interrupted"
    with EventLog(run_dir) as log:
        log.write("failed", 4, message="The disk is full.")
    record = store.open(run_dir.name)
    assert record.status == "failed" and record.error == "The disk is full." and record.metrics["loss"] == 2.0
    assert json.dumps(record.as_json())


def test_a_killed_process_leaves_an_interrupted_run(store: RunStore) -> None:
    run_dir = store.create(RunConfig())
    code = (
        "import sys, time; from pathlib import Path; from studio.runs.store import hold; "
        "from studio.runs.events import EventLog\n"
        "with hold(Path(sys.argv[1])), EventLog(Path(sys.argv[1])) as log:\n"
        "    log.write('started', 0, total_steps=5); print('held', flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(run_dir)], stdout=subprocess.PIPE, cwd=root, env={**os.environ}
    )
    try:
        assert process.stdout is not None and process.stdout.readline().strip() == b"held"
        assert store.open(run_dir.name).status == "running"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    finally:
        process.kill()
        process.stdout.close()
    time.sleep(0.05)
    assert store.open(run_dir.name).status == "interrupted"


def test_a_run_with_a_broken_file_is_shown_not_hidden(store: RunStore) -> None:
    run_dir = store.create(RunConfig())
    (run_dir / "run.yaml").write_text("training: [")
    [record] = store.list()
    assert record.status == "failed" and "run.yaml" in (record.error or "")


def test_a_workspace_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="--workspace"):
        RunStore(tmp_path / "file" / "runs").create(RunConfig())
