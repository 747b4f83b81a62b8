"""What is read of a run is read again when it changes, and never believed of another version or a damaged file."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.methods import METHODS
from studio.runs import EventLog, RunStore
from studio.runs.facts import INDEX, read_facts, signature_of
from studio.runs.usage import Usage, folder_bytes


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def trained(store: RunStore, name: str = "run") -> Path:
    folder = store.create(RunConfig(name=name))
    with EventLog(folder) as log:
        log.write("started", total_steps=4)
        log.write("log", 4, loss=2.5)
        log.write("finished", 4, metrics={"train_loss": 2.0})
    return folder


def test_another_process_takes_over_what_was_read(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        trained(store, f"run {number}")
    told = [run.as_json() for run in store.list()]
    assert len(json.loads((store.runs_dir / INDEX).read_text(encoding="utf-8"))["runs"]) == 3
    monkeypatch.setattr("studio.runs.facts.read_facts", lambda folder: pytest.fail(f"{folder} is read again"))
    assert [run.as_json() for run in RunStore(store.runs_dir).list()] == told


def test_what_changes_is_read_again(store: RunStore) -> None:
    folder = trained(store)
    assert store.list()[0].status == "finished"
    with EventLog(folder) as log:
        log.write("resumed", 2, total_steps=9)
        log.write("log", 3, loss=1.5)
    for seen in (store, RunStore(store.runs_dir)):
        [run] = seen.list()
        assert (run.status, run.steps, run.total_steps, run.metrics["loss"]) == ("interrupted", 3, 9, 1.5)
        assert "train_loss" not in run.metrics, "the end that was made void tells nothing"
    text = (folder / "run.yaml").read_text(encoding="utf-8").replace("name: run", "name: renamed by hand")
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    assert RunStore(store.runs_dir).list()[0].name == store.open(folder.name).name == "renamed by hand"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"by": 1}', '{"by": [], "runs": {}}'])
def test_a_damaged_index_is_nothing_but_slower(store: RunStore, text: str) -> None:
    folder = trained(store)
    (store.runs_dir / INDEX).write_text(text, encoding="utf-8")
    assert [run.run_id for run in RunStore(store.runs_dir).list()] == [folder.name]


@pytest.fixture
def without_sft() -> Iterator[Callable[[], object]]:
    """Takes a method away when called, and puts all back in their order."""
    before = dict(METHODS)
    yield lambda: METHODS.pop("sft")
    METHODS.clear()
    METHODS.update(before)


def test_an_index_of_other_methods_is_not_believed(store: RunStore, without_sft: Callable[[], object]) -> None:
    trained(store)
    store.list()
    kept = json.loads((store.runs_dir / INDEX).read_text(encoding="utf-8"))
    without_sft()
    assert RunStore(store.runs_dir).list()[0].problem is not None
    assert store.list()[0].problem is not None, "what this process has read before is not believed either"
    assert json.loads((store.runs_dir / INDEX).read_text(encoding="utf-8")) == kept, "a broken run is never kept"


def test_a_copied_or_deleted_run_is_seen(store: RunStore) -> None:
    folder = trained(store)
    store.list()
    shutil.copytree(folder, store.runs_dir / "copy")
    assert {run.run_id for run in RunStore(store.runs_dir).list()} == {folder.name, "copy"}
    shutil.rmtree(folder)
    assert [run.run_id for run in store.list()] == ["copy"]


def test_a_warning_after_the_end_is_not_the_end(store: RunStore) -> None:
    folder = trained(store)
    with EventLog(folder) as log:
        log.tell("warning", "the webhook did not answer")
    assert read_facts(folder).last == "finished"


def test_sizes_are_measured_once_and_again_after_a_change(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, usage = trained(store), Usage()
    assert usage.known(folder) is None
    first = usage.measure(folder)
    assert first == sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) == usage.known(folder)
    with monkeypatch.context() as patch:
        patch.setattr("studio.runs.usage.folder_bytes", lambda _: pytest.fail("measured again"))
        assert usage.measure(folder) == first
    (folder / "checkpoints" / "checkpoint-4").mkdir()
    (folder / "checkpoints" / "checkpoint-4" / "weights").write_bytes(b"x" * 1000)
    assert usage.measure(folder) == first + 1000
    (folder / "link").symlink_to("/")
    assert folder_bytes(folder) < first + 2000, "what a link names is not counted"


def test_a_thousand_runs_are_listed_at_once(store: RunStore) -> None:
    """Read once, a run costs a few microseconds more than its `stat`."""
    first = trained(store)
    for number in range(999):
        shutil.copytree(first, store.runs_dir / f"run-{number}")
    known = read_facts(first)
    for folder in store.runs_dir.iterdir():
        store._index._read[folder.name] = (signature_of(folder), known)
    store.list()
    other = RunStore(store.runs_dir)
    began = time.monotonic()
    assert len(other.list()) == 1000
    assert time.monotonic() - began < 1.0
