"""Polls over real run directories: what a page that attaches gets, what it gets next, and what costs nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.runs import EventLog, RunStore
from studio.runs.store import hold
from studio.runs.summary import FIGURES, LOSS
from studio.ui import live as live_module
from studio.ui.live import FAR_BEHIND, NEW_LIMIT, ROW_LIMIT, LiveRuns

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


def test_a_run_whose_process_is_gone_is_told_as_interrupted(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "FRESH", 0)
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


def steps(answer: dict) -> list[int]:
    return [row[STEP] for row in answer["rows"]]


def test_a_run_that_goes_on_from_an_earlier_step_is_sent_anew_without_what_is_void(store: RunStore) -> None:
    folder, log = begin(store, steps=20)
    live = LiveRuns(store, lambda: folder.name)
    with hold(folder), log:
        for step in range(1, 11):
            add_step(log, step)
        log.write("checkpoint", 6, path="checkpoints/checkpoint-6")
        log.write("checkpoint", 10, path="checkpoints/checkpoint-10")
        log.write("evaluated", 10, eval_loss=9.0)
        log.write("paused", 10, message="paused", adapter=False)
        first = live.poll({"run": "current"})
        assert first["status"] == "paused" and steps(first)[-1] == 10
        log.write("resumed", 6, path="checkpoints/checkpoint-6", total_steps=20)
        add_step(log, 7, 0.25)
        second = live.poll(known(first))
        assert second["fresh"] and second["status"] == "running"
        assert steps(second) == [1, 2, 3, 4, 5, 6, 7] and second["rows"][-1][LOSS] == 0.25
        kinds = [(note["kind"], note.get("step")) for note in second["notes"]]
        assert ("checkpoint", 6) in kinds and ("resumed", 6) in kinds
        assert ("checkpoint", 10) not in kinds and ("evaluated", 10) not in kinds
        add_step(log, 8)
        third = live.poll(known(second))
        assert "fresh" not in third and steps(third) == [8]
    assert steps(LiveRuns(store, lambda: None).poll({"run": folder.name})) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_fast_run_sends_a_bounded_answer_with_its_spike(store: RunStore) -> None:
    folder, log = begin(store, steps=9000)
    live = LiveRuns(store, lambda: folder.name)
    with hold(folder), log:
        add_step(log, 1)
        first = live.poll({"run": "current"})
        for step in range(2, 1002):
            add_step(log, step, 50.0 if step == 700 else 1.0)
        second = live.poll(known(first))
        assert "fresh" not in second and len(second["rows"]) <= NEW_LIMIT
        assert max(row[LOSS] for row in second["rows"]) == 50.0 and steps(second)[-1] == 1001
        assert len(json.dumps(second)) < 20_000
        step = 1001
        while (folder / "events.jsonl").stat().st_size <= second["offset"] + FAR_BEHIND:
            step += 1
            add_step(log, step)
        third = live.poll(known({**first, **second}))
        assert third["fresh"] and steps(third)[-1] == step and len(third["rows"]) <= ROW_LIMIT


def test_a_long_log_without_a_summary_is_shown_as_a_sample_then_whole(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.runs.summaries.AT_ONCE", 100_000)
    folder, log = begin(store, steps=6000)
    with log:
        for step in range(1, 6001):
            add_step(log, step, 77.0 if step == 1234 else 1.0)
        log.write("finished", 6000, message="done", seconds=1, adapter=False)
    live = LiveRuns(store, lambda: None)
    first = live.poll({"run": folder.name})
    assert first["sketched"] and steps(first)[0] == 1 and steps(first)[-1] == 6000
    assert live.summaries.wait(folder, 30)
    second = live.poll({**known(first, folder.name), "sketched": True})
    assert second["fresh"] and "sketched" not in second
    assert 77.0 in [row[LOSS] for row in second["rows"]]
    assert live.poll(known(second, folder.name)) == {}
    again = LiveRuns(store, lambda: None).poll({"run": folder.name})
    assert "sketched" not in again and again["rows"] == second["rows"], "the next server finds the summary"


def test_an_id_from_outside_is_never_a_path(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "events.jsonl").write_text('{"kind": "log", "step": 1, "loss": 4.5}\n')
    live = LiveRuns(store, lambda: None)
    for name in ("../secret", str(tmp_path / "secret")):
        answer = live.poll({"run": name, "id": name, "offset": 1, "status": "running"})
        assert "rows" not in answer and answer["id"] is None


def test_the_more_pages_ask_the_less_often_each_does(store: RunStore) -> None:
    folder, log = begin(store)
    with log:
        log.write("finished", 1, message="done")
    live = LiveRuns(store, lambda: None)
    first = live.poll({"run": folder.name, "page": "a"})
    assert "pause" not in first
    pauses = [live.poll({**known(first, folder.name), "page": f"p{number}"}).get("pause") for number in range(19)]
    assert pauses[0] is None and pauses[-1] == 10.0
    assert live.poll(known(first, folder.name)) == {}, "who tells no name is told no pause"
