"""The server's training thread with real runs on the starter: one at a time, the queue behind it, a restart."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.errors import BusyError, WorkspaceError
from studio.model.slot import ModelSlot
from studio.runs import EventLog, RunStore
from studio.runs.living import LivingRuns
from studio.runs.queue import Waiting
from studio.runs.store import hold
from studio.settings import Settings
from studio.training.worker import Worker


@pytest.fixture
def slot(settings: Settings) -> ModelSlot:
    return ModelSlot(settings)


@pytest.fixture
def store(settings: Settings) -> RunStore:
    return RunStore(settings.runs_dir)


@pytest.fixture
def worker(store: RunStore, slot: ModelSlot, settings: Settings) -> Iterator[Worker]:
    made = Worker(store, slot, settings)
    yield made
    made.shutdown()


def config_of(max_steps: int = 1, **training: Any) -> RunConfig:
    return build({"training": {"max_steps": max_steps, "save_strategy": "no", "eval_strategy": "no", **training}})


def kinds(store: RunStore, run_id: str) -> list[str]:
    return [event["kind"] for event in store.open(run_id).events()[0]]


def until_it_logs(store: RunStore, run_id: str) -> None:
    deadline = time.monotonic() + 60
    while "log" not in kinds(store, run_id):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_run_trains_and_the_others_wait_their_turn(store: RunStore, worker: Worker) -> None:
    first = worker.start(config_of(5000))
    assert worker.current == first and store.open(first).status == "running"
    until_it_logs(store, first)
    second, third, fourth = (worker.start(config_of()) for _ in range(3))
    assert [store.open(one).status for one in (first, second, third, fourth)] == ["running", *["queued"] * 3]
    assert [worker.queue.place(one) for one in (second, third, fourth)] == [1, 2, 3]
    worker.move(fourth, "front")
    assert worker.cancel(third) and not worker.cancel(third)
    assert store.open(third).status == "stopped" and kinds(store, third) == ["stopped"]
    assert worker.stop(second) == second, "stopping one that waits takes it out"
    assert store.open(second).status == "stopped" and not (store.open(second).path / "stop").exists()
    fifth = worker.start(config_of())
    assert worker.stop() == first
    assert worker.join(60) and worker.current is None
    assert [store.open(one).status for one in (first, fourth, fifth)] == ["stopped", "finished", "finished"]
    began = {one: store.open(one).events()[0][0]["time"] for one in (first, fourth, fifth)}
    assert began[first] < began[fourth] < began[fifth] and worker.queue.entries() == ()


def test_a_run_goes_on_when_its_turn_comes(store: RunStore, worker: Worker) -> None:
    first = worker.start(config_of(60, save_strategy="steps", save_steps=3))
    until_it_logs(store, first)
    worker.stop(first, kind="pause")
    assert worker.join(60) and store.open(first).status == "paused"
    reached = store.open(first).steps
    second = worker.start(config_of(5000))
    assert worker.resume(first) == first
    assert worker.queue.entries() == (Waiting(first, "resume"),) and store.open(first).status == "queued"
    assert worker.cancel(first) and store.open(first).status == "paused", "what it was before it waited"
    worker.resume(first)
    worker.stop(second)
    assert worker.join(90) and store.open(first).status == "finished"
    resumed = [event for event in store.open(first).events()[0] if event["kind"] == "resumed"]
    assert [event["step"] for event in resumed] == [reached] and store.open(first).steps == 60


def test_a_failed_run_does_not_hold_up_the_queue(store: RunStore, worker: Worker) -> None:
    bad = build({"data": {"source": "no-such-file.jsonl"}, "training": {"max_steps": 1}})
    broken = store.create(config_of())
    for one in (store.create(bad), broken, store.create(config_of())):
        worker.queue.add(Waiting(one.name))
    (broken / "run.yaml").write_text("training: {max_steps: many}\n", encoding="utf-8")
    ids = [entry.run_id for entry in worker.queue.entries()]
    worker.wake()
    assert worker.join(60)
    assert [store.open(one).status for one in ids] == ["failed", "failed", "finished"]
    assert "many" in str(store.open(broken.name).error)


def test_after_a_restart_what_waited_goes_on_and_what_was_cut_off_does_not(
    store: RunStore, slot: ModelSlot, settings: Settings
) -> None:
    cut_off, second, third = (store.create(config_of()).name for _ in range(3))
    with EventLog(store.runs_dir / cut_off) as log:  # as a dead process leaves it
        log.write("started", 0, total_steps=9)
        log.write("log", 1, loss=2.0)
    (store.runs_dir / cut_off / "lock").touch()
    before = Worker(store, slot, settings)
    for one in (third, second):
        before.queue.add(Waiting(one))
    ready = threading.Event()
    after = Worker(store, slot, settings, ready=ready.wait)
    assert [entry.run_id for entry in after.queue.entries()] == [third, second]
    after.wake()
    assert after.current == third and kinds(store, third) == ["phase"], "it says that it waits for the libraries"
    assert [store.open(one).status for one in (cut_off, second, third)] == ["interrupted", "queued", "running"]
    ready.set()
    assert after.join(60)
    assert [store.open(one).status for one in (cut_off, second, third)] == ["interrupted", "finished", "finished"]


def test_a_server_that_closes_leaves_the_queue(store: RunStore, slot: ModelSlot, settings: Settings) -> None:
    worker = Worker(store, slot, settings)
    first = worker.start(config_of(5000))
    until_it_logs(store, first)
    second = worker.start(config_of())
    worker.shutdown()
    assert worker.current is None and store.open(first).status != "running" and store.open(first).has_adapter
    assert store.open(second).status == "queued" and kinds(store, second) == []
    worker.wake()
    assert worker.current is None, "a server that closes begins nothing"


def test_a_run_of_another_process_is_neither_begun_twice_nor_stopped_by_itself(store: RunStore, worker: Worker) -> None:
    elsewhere, mine = store.create(config_of()).name, store.create(config_of()).name
    with hold(store.runs_dir / elsewhere), EventLog(store.runs_dir / elsewhere) as log:
        log.write("log", 1, loss=2.0)
        with pytest.raises(BusyError, match=elsewhere):
            worker.resume(elsewhere)
        assert LivingRuns(store.runs_dir).ids() == (elsewhere,)
        assert worker.stop() is None and not (store.runs_dir / elsewhere / "stop").exists()
        worker.queue.add(Waiting(mine))
        worker.wake()
        assert worker.join(60) and store.open(mine).status == "finished"
        assert store.open(elsewhere).status == "running"
        assert worker.stop(elsewhere) == elsewhere and (store.runs_dir / elsewhere / "stop").exists()
    assert LivingRuns(store.runs_dir).ids() == () and store.open(elsewhere).status == "interrupted"


def test_a_run_that_has_begun_is_never_begun_again_by_the_queue(store: RunStore, worker: Worker) -> None:
    run_id = store.create(config_of()).name
    with EventLog(store.runs_dir / run_id) as log:
        log.write("started", 0, total_steps=9)
    (store.runs_dir / run_id / "lock").touch()
    worker.queue.add(Waiting(run_id))
    worker.wake()
    assert worker.join(10) and worker.queue.entries() == ()
    assert store.open(run_id).status == "interrupted" and kinds(store, run_id) == ["started"]


def test_two_threads_that_start_at_once_train_one_run(store: RunStore, worker: Worker) -> None:
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(worker.start(config_of(3)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(store.open(one).status for one in ids) == ["queued"] * 3 + ["running"]
    assert worker.join(120)
    spans = []
    for one in ids:
        events = store.open(one).events()[0]
        spans.append((events[0]["time"], events[-1]["time"]))
    spans.sort()
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans)), spans


def test_where_the_queue_cannot_be_written_no_run_is_left_behind(
    store: RunStore, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studio.runs.queue.write_whole", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        worker.start(config_of())
    assert store.list() == [] and worker.current is None
    monkeypatch.undo()
    run_id = worker.start(config_of())
    assert worker.join(60) and store.open(run_id).status == "finished"


def test_a_run_waits_for_a_reply_and_chat_is_refused_while_it_trains(
    store: RunStore, slot: ModelSlot, worker: Worker
) -> None:
    with slot.lease("chat", roaming=True):
        run_id = worker.start(config_of(2000))
        time.sleep(1.0)
        assert store.open(run_id).status == "running" and "started" not in kinds(store, run_id)
    until_it_logs(store, run_id)
    with pytest.raises(BusyError, match=run_id), slot.lease("chat", roaming=True):
        pass
    worker.shutdown()
    assert store.open(run_id).status == "stopped" and store.open(run_id).has_adapter


def test_a_run_started_before_the_libraries_are_there_waits_for_them(
    store: RunStore, slot: ModelSlot, settings: Settings
) -> None:
    """Two threads that import them at once get half-made modules; the run counts as running meanwhile."""
    ready = threading.Event()
    worker = Worker(store, slot, settings, ready=ready.wait)
    run_id = worker.start(config_of())
    time.sleep(0.5)
    assert kinds(store, run_id) == ["phase"] and store.open(run_id).status == "running"
    ready.set()
    assert worker.join(60) and store.open(run_id).status == "finished"
