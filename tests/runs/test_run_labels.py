"""What people write on a run stays beside its run.yaml, whoever writes at once, and never becomes more than text."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.errors import ConfigError, WorkspaceError
from studio.runs import RunStore
from studio.runs.labels import LABELS, LONGEST_NAME, MOST_TAGS, annotate, read_labels, rename, tag, tag_as

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def run_dir(store: RunStore) -> Path:
    return store.create(RunConfig(name="first"))


def test_labels_are_kept_and_the_config_is_untouched(store: RunStore, run_dir: Path) -> None:
    before = (run_dir / "run.yaml").read_bytes()
    rename(run_dir, f"  {MARKUP}\n best ")
    annotate(run_dir, "a line\r\nanother\x1b[31m one")
    tag(run_dir, add=["good", "论文, slow", "good", " "])
    record = RunStore(store.runs_dir).open(run_dir.name)
    assert record.name == f"{MARKUP} best"
    assert record.notes == "a line\nanother[31m one"
    assert record.tags == ("good", "论文", "slow")
    assert (run_dir / "run.yaml").read_bytes() == before
    assert {"notes", "tags", "data", "bytes"} < set(record.as_json())


def test_empty_text_takes_back(store: RunStore, run_dir: Path) -> None:
    rename(run_dir, "other")
    annotate(run_dir, "words")
    tag_as(run_dir, ["a", "b"])
    rename(run_dir, "")
    annotate(run_dir, "")
    tag(run_dir, add=["c"], remove=["a", "never there"])
    record = store.open(run_dir.name)
    assert (record.name, record.notes, record.tags) == ("first", "", ("b", "c"))


def test_what_is_too_long_is_told_and_nothing_changes(run_dir: Path) -> None:
    tag_as(run_dir, ["kept"])
    with pytest.raises(ConfigError, match="81 characters"):
        rename(run_dir, "x" * (LONGEST_NAME + 1))
    with pytest.raises(ConfigError, match="Shorten"):
        annotate(run_dir, "x" * 10_001)
    with pytest.raises(ConfigError, match="too long"):
        tag(run_dir, add=["x" * 33])
    with pytest.raises(ConfigError, match="at most"):
        tag(run_dir, add=[str(number) for number in range(MOST_TAGS)])
    labels = read_labels(run_dir)
    assert (labels.name, labels.notes, labels.tags) == (None, "", ("kept",))


def test_two_who_write_at_once_lose_nothing(run_dir: Path) -> None:
    threads = [threading.Thread(target=tag, args=(run_dir,), kwargs={"add": [f"t{n}"]}) for n in range(12)]
    for thread in threads:
        thread.start()
    rename(run_dir, "meanwhile")
    for thread in threads:
        thread.join()
    labels = read_labels(run_dir)
    assert set(labels.tags) == {f"t{n}" for n in range(12)} and labels.name == "meanwhile"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"tags": 3}', '{"name": 5, "tags": ["a"]}', "\x00"])
def test_a_damaged_file_hides_no_run(store: RunStore, run_dir: Path, text: str) -> None:
    (run_dir / LABELS).write_text(text, encoding="utf-8")
    assert [run.run_id for run in store.list()] == [run_dir.name]
    assert isinstance(store.open(run_dir.name).name, str)


def test_a_run_that_is_gone_is_told(run_dir: Path) -> None:
    with pytest.raises(WorkspaceError, match="Cannot write on the run"):
        rename(run_dir.parent / "gone", "x")
