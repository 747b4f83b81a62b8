"""The queue as a file: order, moves, runs that are gone, a damaged file, two threads, two processes, a crash."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.errors import WorkspaceError
from studio.runs import EventLog, RunStore
from studio.runs.queue import DAMAGED, QUEUE, RunQueue, Waiting
from studio.runs.store import hold

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def queue(store: RunStore) -> RunQueue:
    return RunQueue(store.runs_dir)


def made(store: RunStore, count: int) -> list[str]:
    return [store.create(RunConfig(name=f"run {number}")).name for number in range(count)]


def ids(queue: RunQueue) -> list[str]:
    return [entry.run_id for entry in queue.entries()]


def test_runs_wait_in_order_and_can_be_moved(store: RunStore, queue: RunQueue) -> None:
    a, b, c = made(store, 3)
    assert [queue.add(Waiting(one)) for one in (a, b, c)] == [1, 2, 3]
    assert queue.place(c) == 3 and queue.place("nobody") is None
    queue.move(c, "up")
    assert ids(queue) == [a, c, b]
    queue.move(a, "down")
    assert ids(queue) == [c, a, b]
    queue.move(b, "front")
    assert ids(queue) == [b, c, a]
    before = queue.mark
    queue.move(b, "up")
    queue.move(a, "down")
    queue.move("nobody", "front")
    assert ids(queue) == [b, c, a] and queue.mark == before
    assert queue.remove(c) and not queue.remove(c) and ids(queue) == [b, a]
    assert queue.mark != before


def test_a_run_waits_once_and_keeps_its_place(store: RunStore, queue: RunQueue) -> None:
    a, b = made(store, 2)
    queue.add(Waiting(a, "resume", 10))
    queue.add(Waiting(b))
    assert queue.add(Waiting(a, "resume", 20)) == 1
    assert queue.entries() == (Waiting(a, "resume", 20), Waiting(b))


def test_a_run_that_waits_is_queued_and_one_that_is_held_is_running(store: RunStore, queue: RunQueue) -> None:
    (a,) = made(store, 1)
    queue.add(Waiting(a))
    assert store.open(a).status == "queued" and [run.status for run in store.list()] == ["queued"]
    with hold(store.runs_dir / a):
        assert store.open(a).status == "running"
    with EventLog(store.runs_dir / a) as log:
        log.write("stopped", 3, message="stopped")
    assert store.open(a).status == "queued", "a stopped run that waits to go on"
    queue.remove(a)
    assert store.open(a).status == "stopped"


def test_runs_that_are_gone_are_left_out_and_come_back_with_their_folder(store: RunStore, queue: RunQueue) -> None:
    a, b = made(store, 2)
    queue.add(Waiting(a))
    queue.add(Waiting(b))
    (store.runs_dir / a).rename(store.runs_dir.parent / a)
    assert ids(queue) == [b] and queue.place(b) == 1
    (store.runs_dir.parent / a).rename(store.runs_dir / a)
    assert ids(queue) == [a, b]


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"waiting": 3}', '{"waiting": [{"run_id": "../x"}]}', '{"waiting": [{"run_id": 3}]}',
        '{"waiting": [{"run_id": "a", "action": "delete"}]}', '{"waiting": [{"run_id": "a", "step": -1}]}',
        '{"waiting": [{"run_id": "a", "step": "1"}]}', '{"waiting": ["a"]}', "\x00\x00\x00",
    ],
)  # fmt: skip
def test_a_damaged_file_is_put_aside(store: RunStore, queue: RunQueue, text: str) -> None:
    (a,) = made(store, 1)
    (store.runs_dir / QUEUE).write_text(text, encoding="utf-8")
    assert queue.entries() == ()
    assert store.open(a).status == "running"  # as without a queue
    queue.add(Waiting(a))
    assert ids(queue) == [a]
    assert (store.runs_dir / DAMAGED).read_text(encoding="utf-8") == text


def test_two_threads_and_two_processes_lose_no_entry(store: RunStore, queue: RunQueue) -> None:
    runs = made(store, 24)
    code = (
        "import sys; from pathlib import Path; from studio.runs.queue import RunQueue, Waiting\n"
        "queue = RunQueue(Path(sys.argv[1]))\n"
        "for one in sys.argv[2:]: queue.add(Waiting(one))"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(store.runs_dir), *runs[:8]], cwd=ROOT)

    def fill(some: list[str]) -> None:
        for one in some:
            queue.add(Waiting(one))

    threads = [threading.Thread(target=fill, args=(some,)) for some in (runs[8:16], runs[16:])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait(60) == 0
    assert sorted(ids(queue)) == sorted(runs)
    places = [ids(queue).index(one) for one in runs]
    assert places[:8] == sorted(places[:8]) and places[16:] == sorted(places[16:])


def test_what_is_taken_stays_in_the_file_until_it_has_begun(store: RunStore, queue: RunQueue) -> None:
    a, b, c = made(store, 3)
    for one in (a, b, c):
        queue.add(Waiting(one))
    seen: list[tuple[str, list[str]]] = []

    def begin(entry: Waiting) -> bool:
        seen.append((entry.run_id, ids(queue)))
        return entry.run_id != a  # another process trains it: it is passed over

    assert queue.take(begin) == Waiting(b)
    assert seen == [(a, [a, b, c]), (b, [b, c])] and ids(queue) == [c]

    def crash(entry: Waiting) -> bool:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        queue.take(crash)
    assert ids(queue) == [c]
    assert queue.take(lambda entry: False) is None and ids(queue) == []
    assert queue.take(lambda entry: True) is None


def test_a_full_disk_is_a_sentence_and_the_old_queue_stays(
    store: RunStore, queue: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = made(store, 2)
    queue.add(Waiting(a))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studio.runs.disk.os.fsync", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        queue.add(Waiting(b))
    monkeypatch.undo()
    assert ids(queue) == [a]
    assert json.loads((store.runs_dir / QUEUE).read_text())["waiting"][0]["run_id"] == a
    assert not [one for one in store.runs_dir.iterdir() if one.name.startswith(".queue")]
