"""A folder is its files in order; names that show splits keep them apart; a broken file costs one row."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.data.sources import data_files, open_source
from studio.errors import DataError
from studio.settings import Settings


def fill(folder: Path, files: dict[str, Any]) -> Path:
    """Lists are written as JSON lines, other values as they are."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_text(content)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(
        tmp_path / "rows",
        {
            "b.jsonl": [{"a": 3}, {"b": "4"}],
            "a/z.json": '[{"a": 1},\n{"a": 2}]',
            "c.csv": "a,c\n\nx,y\n",
            "notes.txt": "not data",
            ".hidden.jsonl": [{"a": 9}],
            ".cache/x.jsonl": [{"a": 9}],
            "README.md": "# no data",
            "dataset_info.json": "{}",
        },
    )


def test_files_are_joined_in_order_and_rows_called_by_file(folder: Path, settings: Settings) -> None:
    table = open_source(str(folder), settings=settings)
    assert list(table.rows) == [{"a": 1}, {"a": 2}, {"a": 3}, {"b": "4"}, {"a": "x", "c": "y"}]
    assert (table.columns, table.name) == (("a", "b", "c"), "rows")
    assert [table.where(n) for n in (0, 3, 4)] == ["a/z.json, row 1", "b.jsonl, row 2", "c.csv, row 1 (line 3)"]
    assert table.rows[1:4] == [{"a": 2}, {"a": 3}, {"b": "4"}]
    assert [str(note) for note in table.notes] == ["rows: text files beside the data files, left out: 1 (notes.txt)."]
    assert len(open_source(str(folder), split="train[:60%]", settings=settings).rows) == 3


def test_the_table_is_kept_until_a_file_changes_comes_or_goes(folder: Path, settings: Settings) -> None:
    for path in folder.rglob("*.*"):
        os.utime(path, (1, 1))
    first = open_source(str(folder), settings=settings)
    identity = first.identity
    assert not first.changed()
    fill(folder, {"b.jsonl": [{"a": 3}]})
    assert first.changed()
    with pytest.raises(DataError, match=r"b\.jsonl has changed since"):
        first.rows[2]
    second = open_source(str(folder), settings=settings)
    assert len(second.rows) == 4 and second.identity != identity
    fill(folder, {"d.jsonl": [{"a": 5}]})
    assert len(open_source(str(folder), settings=settings).rows) == 5
    (folder / "d.jsonl").unlink()
    assert len(open_source(str(folder), settings=settings).rows) == 4


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["data-train.jsonl", "data-test.jsonl"], {"train": 1, "test": 1}),
        (["train/0.jsonl", "train/1.jsonl", "dev/0.jsonl"], {"train": 2, "validation": 1}),
        (["rows.jsonl", "rows_test.jsonl"], {"train": 1, "test": 1}),
        (["training_a.jsonl", "rows.jsonl"], {"train": 2}),
        (["valid.jsonl", "val_2.jsonl"], {"train": 2}),
        (["latest.jsonl", "contest.jsonl"], {"train": 2}),
    ],
)
def test_splits_are_told_apart(names: list[str], splits: dict[str, int], tmp_path: Path, settings: Settings) -> None:
    folder = fill(tmp_path / "rows", {name: [{"a": name}] for name in names})
    for split, rows in splits.items():
        table = open_source(str(folder), split=split, settings=settings)
        assert len(table.rows) == rows
        assert bool(table.notes) == (len(splits) > 1)
    with pytest.raises(DataError, match=r"no split 'other'"):
        open_source(str(folder), split="other", settings=settings)


def test_a_broken_file_is_one_damaged_row_and_an_empty_one_is_noted(tmp_path: Path, settings: Settings) -> None:
    files = {"a.jsonl": [{"a": 1}], "b.jsonl": "<html>login</html>", "c.jsonl": "", "d.jsonl": [{"a": 2}]}
    table = open_source(str(fill(tmp_path / "rows", files)), settings=settings)
    found = table.rows.read(0, 3)
    assert (found[0], found[2]) == ({"a": 1}, {"a": 2})
    assert isinstance(found[1], DataError) and "b.jsonl is a web page" in str(found[1])
    assert table.where(1) == "b.jsonl, row 1"
    assert [str(note) for note in table.notes] == ["rows: files without rows: 1 (c.jsonl)."]
    assert len(table.sample(10)) == 2


def test_notes_that_are_alike_are_gathered(tmp_path: Path, settings: Settings) -> None:
    folder = fill(tmp_path / "rows", {f"{n}.txt": "a\n\nb" for n in range(9)})
    notes = open_source(str(folder), settings=settings).notes
    assert [str(note) for note in notes] == [
        "0.txt: one row a line; blank lines, passed over: 1. The same holds for other files: 8."
    ]


def test_what_is_no_folder_of_data(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="a folder without data files"):
        open_source(str(fill(tmp_path / "a", {"x.md": "x", "config.json": "{}"})), settings=settings)
    with pytest.raises(DataError, match="b holds no rows"):
        open_source(str(fill(tmp_path / "b", {"x.jsonl": "", "y.json": "[]"})), settings=settings)
    monkeypatch.setattr(data_files, "MOST_ENTRIES", 3)
    with pytest.raises(DataError, match="too many files"):
        open_source(str(fill(tmp_path / "c", {f"{n}.jsonl": "{}" for n in range(9)})), settings=settings)


def test_a_space_reads_no_link_out_of_its_uploads(tmp_path: Path, settings: Settings) -> None:
    space = replace(settings, mode="space")
    fill(tmp_path, {"secret.jsonl": [{"a": 1}]})
    folder = fill(space.uploads_dir / "mine", {"x.jsonl": [{"a": 1}]})
    assert len(open_source(str(folder), settings=space).rows) == 1
    (folder / "y.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(DataError, match="public Space"):
        open_source(str(folder), settings=space)


def test_what_datasets_saved(tmp_path: Path, settings: Settings) -> None:
    from datasets import Dataset, DatasetDict

    rows = [{"text": f"row {n}", "n": n} for n in range(25)]
    whole = Dataset.from_list(rows)
    whole.select(range(24, -1, -1)).save_to_disk(tmp_path / "one", num_shards=12)
    assert list(open_source(str(tmp_path / "one"), settings=settings).rows) == rows[::-1]
    DatasetDict(train=whole.select(range(20)), test=whole.select(range(20, 25))).save_to_disk(tmp_path / "two")
    assert list(open_source(str(tmp_path / "two"), settings=settings).rows) == rows[:20]
    assert list(open_source(str(tmp_path / "two"), split="test", settings=settings).rows) == rows[20:]


def refuse(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Folders of these names cannot be listed, as for somebody who may not: root may do everything."""
    scandir = os.scandir

    def guarded(path: Any) -> Any:
        if Path(path).name in names:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)


def test_a_folder_that_cannot_be_read_is_told(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "a")
    table = open_source(str(folder), settings=settings)
    assert len(table.rows) == 3
    assert str(table.notes[-1]) == "rows: folders in it that cannot be read, left out: 1 (a: Permission denied)."
    refuse(monkeypatch, "rows")
    with pytest.raises(DataError, match=r"Cannot read .*/rows: Permission denied"):
        open_source(str(folder), settings=settings)


def test_links_to_folders_are_not_followed_and_told(folder: Path, tmp_path: Path, settings: Settings) -> None:
    fill(tmp_path / "elsewhere", {"x.jsonl": [{"a": 7}]})
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    table = open_source(str(folder), settings=settings)
    assert len(table.rows) == 5
    assert str(table.notes[-1]).startswith("rows: links to other folders, not followed: 1 (linked).")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "only").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"only links to other folders \(only\)"):
        open_source(str(tmp_path / "links"), settings=settings)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_cannot_be_opened_is_one_damaged_row(folder: Path, settings: Settings) -> None:
    (folder / "d.jsonl").symlink_to(folder / "gone.jsonl")
    (folder / "e.jsonl").symlink_to(folder / "e.jsonl")
    os.mkfifo(folder / "f.jsonl")
    table = open_source(str(folder), settings=settings)
    found = table.rows.read(0, len(table.rows))
    wrong = [str(row) for row in found if isinstance(row, DataError)]
    assert len(found) - len(wrong) == 5 and len(wrong) == 3
    assert "d.jsonl is a link to" in wrong[0] and "which is not there" in wrong[0]
    assert "e.jsonl" in wrong[1] and "f.jsonl is not a regular file" in wrong[2]
    assert len(table.identity) == 64 and not table.changed()
    fill(folder, {"gone.jsonl": [{"a": 8}]})
    assert table.changed() and {"a": 8} in list(open_source(str(folder), settings=settings).rows.read(0, 8))


def test_a_split_that_cannot_be_read_leaves_the_others(tmp_path: Path, settings: Settings) -> None:
    folder = fill(tmp_path / "rows", {"train.jsonl": [{"a": 1}]})
    (folder / "test.jsonl").symlink_to(folder / "gone.jsonl")
    table = open_source(str(folder), settings=settings)
    assert list(table.rows) == [{"a": 1}]
    assert "rows: the split test cannot be read." in str(table.notes[-1]) and "gone.jsonl" in str(table.notes[-1])
    with pytest.raises(DataError, match=r"no split 'test'"):
        open_source(str(folder), split="test", settings=settings)
