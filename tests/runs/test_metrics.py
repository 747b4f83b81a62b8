"""The figures of a run as a table: what a row holds, what a resumed run makes void, and that it is a stream."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.runs import EventLog, RunStore
from studio.runs.events import EVENTS
from studio.runs.metrics import columns_of, evaluations, resumes_of, rows, write_csv, write_json


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def log_step(log: EventLog, step: int, **figures: float) -> None:
    log.write("log", step, loss=1 / step, epoch=step / 10, num_tokens=100 * step, **figures)


def test_a_step_is_a_row_with_what_was_logged_and_evaluated_there(store: RunStore) -> None:
    folder = store.create(RunConfig())
    with EventLog(folder) as log:
        log.write("started", 0, total_steps=3)
        log_step(log, 1, grad_norm=float("nan"))
        log_step(log, 2)
        log.write("sample", 2, prompt='"kind": "log"', policy="x")
        log.write("evaluated", 2, eval_loss=0.7, epoch=0.2, eval_runtime=3.0)
        log.write("evaluated", 3, eval_loss=0.6)
    out = io.StringIO(newline="")
    assert write_csv(folder, out) == 3
    assert out.getvalue().count("\r\n") == 4
    table = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert [row["step"] for row in table] == ["1", "2", "3"]
    assert (table[1]["loss"], table[1]["eval_loss"], table[1]["num_tokens"]) == ("0.5", "0.7", "200")
    assert (table[0]["eval_loss"], table[0]["grad_norm"], table[2]["loss"]) == ("", "nan", "")
    assert columns_of(folder)[:4] == ["step", "epoch", "num_tokens", "seconds"]
    assert evaluations(folder) == [{"step": 2, "loss": 0.7}, {"step": 3, "loss": 0.6}]

    out = io.StringIO()
    write_json(store.open(folder.name), out)
    told = json.loads(out.getvalue())
    assert told["run_id"] == folder.name and told["columns"] == columns_of(folder)
    assert [row["step"] for row in told["rows"]] == [1, 2, 3] and "loss" not in told["rows"][2]


def test_what_a_resumed_run_made_void_is_no_row(store: RunStore) -> None:
    folder = store.create(RunConfig())
    with EventLog(folder) as log:
        for step in range(1, 9):
            log_step(log, step, try_=1)
        log.write("evaluated", 8, eval_loss=9.0)
        log.write("failed", 8, message="gone")
        log.write("resumed", 5, path="checkpoints/checkpoint-5")
        for step in range(6, 8):
            log_step(log, step, try_=2)
        log.write("resumed", 3)
        for step in range(4, 7):
            log_step(log, step, try_=3)
    assert [(row["step"], row["try_"]) for row in rows(folder)] == [(1, 1), (2, 1), (3, 1), (4, 3), (5, 3), (6, 3)]
    assert [step for _, step in resumes_of(folder / EVENTS)[0]] == [5, 3]
    assert evaluations(folder) == []


def test_the_hours_between_two_sittings_are_no_training(store: RunStore) -> None:
    folder = store.create(RunConfig())
    events = [
        {"time": 1000, "kind": "started", "step": 0},
        {"time": 1012, "kind": "log", "step": 1, "loss": 1, "elapsed_seconds": 10},
        {"time": 5, "kind": "log", "step": 2, "loss": 1, "elapsed_seconds": 20},  # the machine's clock was set back
        {"time": 9, "kind": "evaluated", "step": 2, "eval_loss": 1},
        {"time": 90_000, "kind": "resumed", "step": 2},
        {"time": 90_006, "kind": "log", "step": 3, "loss": 1, "elapsed_seconds": 4},
        {"time": 90_010, "kind": "log", "step": 4, "loss": 1, "elapsed_seconds": 8},
    ]
    (folder / EVENTS).write_text("".join(json.dumps(event) + "\n" for event in events))
    assert [row["seconds"] for row in rows(folder)] == [10, 20, 26, 30]


def test_a_torn_line_and_an_unfinished_one_are_left_out(store: RunStore) -> None:
    folder = store.create(RunConfig())
    assert list(rows(folder)) == [] and columns_of(folder) == []
    text = b'{"time": 1, "kind": "log", "step": 1, "loss": 2}\n{"time": 1, "kind": "log", "st\n'
    (folder / EVENTS).write_bytes(text + b'{"time": 2, "kind": "log", "step": 2, "loss": 1}')
    assert [row["step"] for row in rows(folder)] == [1]


def test_a_long_run_is_exported_as_a_stream(store: RunStore) -> None:
    folder = store.create(RunConfig())
    line = '{"time": 1.0, "kind": "log", "step": %d, "loss": 0.5, "grad_norm": 0.25, "epoch": 1.0}\n'
    with (folder / EVENTS).open("w") as file:
        file.writelines(line % step for step in range(1, 20_001))

    class Nowhere(io.StringIO):
        def write(self, text: str) -> int:
            return len(text)

    tracemalloc.start()
    try:
        assert write_csv(folder, Nowhere()) == 20_000
        assert write_json(store.open(folder.name), Nowhere()) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
