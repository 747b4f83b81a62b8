"""Deleted runs come back as they were; a run that lives or waits is never moved."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.errors import BusyError, WorkspaceError
from studio.runs import EventLog, RunStore
from studio.runs.bin import Bin
from studio.runs.labels import rename
from studio.runs.queue import RunQueue, Waiting
from studio.runs.store import hold


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def ended(store: RunStore, name: str = "run") -> Path:
    folder = store.create(RunConfig(name=name))
    with EventLog(folder) as log:
        log.write("finished", 3, metrics={"loss": 1.0})
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"x" * 500)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_a_run_goes_and_comes_back_whole(store: RunStore) -> None:
    folder, other, box = ended(store), ended(store, "other"), Bin(store)
    rename(folder, "mine")
    before = {name: data for name, data in content(folder).items() if name != "lock"}
    created = store.open(folder.name).created
    entry = box.delete(folder.name)
    assert [run.run_id for run in store.list()] == [other.name]
    with pytest.raises(WorkspaceError):
        store.open(folder.name)
    [one] = box.runs()
    assert (one.entry, one.run.name, one.run.status, box.count()) == (entry, "mine", "finished", 1)
    assert box.restore(entry) == folder.name
    back = store.open(folder.name)
    assert (back.name, back.created, back.has_adapter) == ("mine", created, True)
    assert {name: data for name, data in content(folder).items() if name != "lock"} == before
    assert box.count() == 0 and list(box.path.iterdir()) == []


def test_what_lives_or_waits_stays(store: RunStore) -> None:
    box, waits, lives, fresh = Bin(store), ended(store), store.create(RunConfig()), store.create(RunConfig())
    RunQueue(store.runs_dir).add(Waiting(waits.name))
    with pytest.raises(BusyError, match="queued"):
        box.delete(waits.name)
    with hold(lives), EventLog(lives) as log:
        log.write("started", total_steps=3)
        with pytest.raises(BusyError, match="running"):
            box.delete(lives.name)
    with pytest.raises(BusyError):
        box.delete(fresh.name)
    with hold(waits):  # its end is written, but it still saves
        RunQueue(store.runs_dir).remove(waits.name)
        with pytest.raises(BusyError):
            box.delete(waits.name)
    assert {run.run_id for run in store.list()} == {waits.name, lives.name, fresh.name}


def test_a_taken_id_is_told_and_nothing_is_lost(store: RunStore) -> None:
    folder, box = ended(store), Bin(store)
    first = box.delete(folder.name)
    folder.mkdir()
    (folder / "run.yaml").write_text("name: another\n", encoding="utf-8")
    with EventLog(folder) as log:
        log.write("finished", 1)
    with pytest.raises(WorkspaceError, match="another run of that id"):
        box.restore(folder.name)
    assert store.open(folder.name).name == "another" and box.count() == 1
    second = box.delete(folder.name)
    assert box.restore(folder.name) == folder.name and store.open(folder.name).name == "another", "the last one first"
    box.delete(folder.name)
    assert second != first and box.restore(first) == folder.name and store.open(folder.name).name == "run"


@pytest.mark.parametrize("name", ["", "..", "../..", "a/b", "/etc", ".bin", "nothing", "2026-01-01-000000"])
def test_a_name_from_outside_is_never_a_path(store: RunStore, name: str) -> None:
    box = Bin(store)
    box.delete(ended(store).name)
    with pytest.raises(WorkspaceError):
        box.restore(name)
    with pytest.raises(WorkspaceError):
        box.delete(name)
    assert box.count() == 1


def test_emptying_deletes_the_bin_alone(store: RunStore) -> None:
    kept, box = ended(store, "kept"), Bin(store)
    for number in range(3):
        box.delete(ended(store, f"gone {number}").name)
    (box.path / ".gone-left").mkdir()  # a crash in mid-delete leaves such
    assert box.empty() == 3
    assert list(box.path.iterdir()) == [] and [run.run_id for run in store.list()] == [kept.name]
    assert Bin(RunStore(store.runs_dir.parent / "nothing")).empty() == 0


def test_of_several_who_delete_one_run_one_does(store: RunStore) -> None:
    folder, box = ended(store), Bin(store)
    outcomes: list[object] = []

    def delete() -> None:
        try:
            outcomes.append(box.delete(folder.name))
        except (WorkspaceError, BusyError) as error:
            outcomes.append(error)

    threads = [threading.Thread(target=delete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(one, str) for one in outcomes) == 1 and box.count() == 1
