"""Polls over real run directories: what a page that attaches gets, what it gets next, and what costs nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.runs import EventLog, RunStore
from studio.runs.store import hold
from studio.ui.live import FIGURES, LOSS, ROW_LIMIT, TAIL, LiveRuns, thin_rows

STEP = FIGURES.index("step")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def begin(store: RunStore, name: str = "a run", *, steps: int = 3) -> tuple[Path, EventLog]:
    folder = store.create(RunConfig(name=name))
    log = EventLog(folder)
    log.write("phase", phase="model", message="Loading the model")
    log.write("started", 0, total_steps=steps, epochs=1, rows=8, device="cpu")
    return folder, log


def add_step(log: EventLog, step: int, loss: float | None = None) -> None:
    log.write("log", step, loss=1 / step if loss is None else loss, epoch=step / 10, learning_rate=1e-4, eta_seconds=2)


def known(answer: dict, run: str = "current") -> dict:
    return {"run": run, "id": answer["id"], "offset": answer["offset"], "status": answer["status"]}


def test_a_page_that_attaches_gets_the_whole_run_and_then_only_what_is_new(store: RunStore) -> None:
    folder, log = begin(store)
    live = LiveRuns(store, lambda: folder.name)
    with hold(folder), log:
        add_step(log, 1)
        add_step(log, 2)
        first = live.poll({"run": "current"})
        assert (first["id"], first["name"], first["status"]) == (folder.name, "a run", "running")
        assert [row[STEP] for row in first["rows"]] == [1, 2]
        assert [note["kind"] for note in first["notes"]] == ["phase", "started"]
        assert first["eta"] == 2

        assert live.poll(known(first)) == {}, "nothing new costs nothing"

        add_step(log, 3)
        log.write("finished", 3, message="done", seconds=1.5, adapter=True)
        second = live.poll(known(first))
        assert [row[STEP] for row in second["rows"]] == [3]
        assert second["status"] == "finished"
        assert "name" not in second
        assert live.poll(known({**first, **second})) == {}


def test_a_second_page_and_last_weeks_run_are_the_same_request(store: RunStore) -> None:
    old, log = begin(store, "last week")
    with log:
        add_step(log, 1, 0.5)
        log.write("finished", 1, message="done", seconds=1, adapter=False)
    new, _ = begin(store, "today")
    live = LiveRuns(store, lambda: new.name)
    assert live.poll({"run": old.name})["rows"] == LiveRuns(store, lambda: None).poll({"run": old.name})["rows"]
    assert live.poll({"run": old.name})["name"] == "last week"
    assert live.poll({"run": "current"})["name"] == "today"


def test_sentences_come_in_the_visitors_language(store: RunStore) -> None:
    folder, log = begin(store)
    with log:
        log.tell("warning", "No rows are held out, so there will be no evaluation loss.")
        log.tell(
            "failed", "The run failed: {kind}: {text}", {"kind": "ValueError", "text": "training.seed"}, adapter=False
        )
    live = LiveRuns(store, lambda: None)
    said = {lang: live.poll({"run": folder.name}, lang=lang)["notes"] for lang in ("en", "zh")}
    assert said["en"][-1]["message"] == "The run failed: ValueError: training.seed"
    assert said["zh"][-1]["message"].startswith("运行失败") and "ValueError" in said["zh"][-1]["message"]
    assert "评估损失" in said["zh"][-2]["message"]
    assert not {"template", "details"} & set(said["zh"][-1])


def test_current_is_the_run_in_training_else_the_newest(store: RunStore) -> None:
    training: list[str | None] = [None]
    live = LiveRuns(store, lambda: training[0])
    assert live.poll({"run": "current", "id": None}) == {}
    first, _ = begin(store, "first")
    assert live.poll({"run": "current"})["id"] == first.name
    second, _ = begin(store, "second")
    assert live.poll({"run": "current"})["id"] == second.name, "a new directory is noticed"
    training[0] = first.name
    assert live.poll({"run": "current"})["id"] == first.name


def test_a_run_whose_process_is_gone_is_told_as_interrupted(store: RunStore) -> None:
    folder, log = begin(store)
    live = LiveRuns(store, lambda: None)
    lock = hold(folder)
    with lock, log:
        add_step(log, 1)
        first = live.poll({"run": folder.name})
        assert first["status"] == "running"
    assert live.poll(known(first, folder.name)) == {"id": folder.name, "status": "interrupted"}


def test_an_ended_run_is_silent_even_when_its_directory_is_gone(store: RunStore) -> None:
    folder, log = begin(store)
    with log:
        log.write("stopped", 0, message="done", adapter=False)
    live = LiveRuns(store, lambda: None)
    first = live.poll({"run": folder.name})
    shutil.rmtree(folder)
    assert live.poll(known(first, folder.name)) == {}
    assert live.poll({"run": folder.name}) == {"id": None, "missing": folder.name}


@pytest.mark.parametrize("cursor", [
    None, 7, "x", [], {"run": 7}, {"run": "../../etc"}, {"run": "a\0b"}, {"run": "/etc"}, {"run": "no-such-run"},
    {"run": "current", "id": "x", "offset": -5, "status": {}}, {"run": "current", "id": 3, "offset": True},
])  # fmt: skip
def test_a_strange_cursor_is_answered_and_never_raises(store: RunStore, cursor: object) -> None:
    answer = LiveRuns(store, lambda: None).poll(cursor)
    assert answer in ({}, {"id": None}) or "missing" in answer
    json.dumps(answer)


def test_a_figure_that_is_no_number_leaves_a_gap(store: RunStore) -> None:
    folder, log = begin(store)
    with log:
        add_step(log, 1, float("nan"))
        add_step(log, 2, 0.5)
    rows = LiveRuns(store, lambda: None).poll({"run": folder.name})["rows"]
    assert [row[LOSS] for row in rows] == [None, 0.5]


def test_thinning_keeps_extremes_the_last_rows_and_the_mean() -> None:
    def row(step: int) -> list[float | None]:
        made: list[float | None] = [0.0] * len(FIGURES)
        made[STEP], made[LOSS] = step, 1.0 + (step % 7) / 100
        return made

    rows = [row(step) for step in range(20_000)]
    rows[7_777][LOSS] = 9.0
    rows[12_345][LOSS] = -3.0
    thinned = thin_rows(rows)
    assert len(thinned) <= ROW_LIMIT
    assert {rows[7_777][LOSS], rows[12_345][LOSS]} <= {one[LOSS] for one in thinned}
    assert thinned[-TAIL:] == rows[-TAIL:], "the last point is never lost"
    assert thinned[0][STEP] == 0
    steps = [one[STEP] for one in thinned]
    assert steps == sorted(set(steps))
    means = [one[-1] for one in thinned[:-TAIL] if len(one) > len(FIGURES)]
    assert len(means) == len(thinned) - TAIL
    assert sorted(means)[len(means) // 2] == pytest.approx(1.03, abs=0.005)
    assert thin_rows(rows[:ROW_LIMIT]) == rows[:ROW_LIMIT]


def test_what_a_page_is_sent_of_a_long_run_is_bounded(store: RunStore) -> None:
    folder, log = begin(store, steps=6_000)
    with log:
        for step in range(1, 6_001):
            add_step(log, step)
            if step % 5 == 0:
                log.write("evaluated", step, eval_loss=1 / step)
    answer = LiveRuns(store, lambda: None).poll({"run": folder.name})
    assert len(answer["rows"]) <= ROW_LIMIT
    assert answer["rows"][-1][STEP] == 6_000
    assert answer["notes"][0]["kind"] == "phase"
    assert answer["notes"][-1]["step"] == 6_000
    assert len(json.dumps(answer)) < 400_000
