"""The data files of a folder as one table, or as one for each split that their names show. Parses no file itself.

A folder that `datasets` saved (`save_to_disk`) is read in the order it was saved in.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.data.sources.base import MOST_ROWS, ListRows, Row, Table, digest_of, no_rows, too_many_rows
from studio.data.sources.readers import suffix_of
from studio.data.sources.slices import PickedRows
from studio.data.sources.steady import SteadyFile, stamp_of, unreadable
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.settings import Settings

MOST_FILES = 10_000
ALIKE_SHOWN = 3  # notes
MOST_ENTRIES = 100_000  # looked at; a folder with more is none of data
NO_DATA = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json"}
# The words by which `datasets` tells splits apart.
SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}

Opener = Callable[[SteadyFile], Table]


@dataclass(frozen=True)
class Found:
    """A folder's data files in order, and the split of each."""

    folder: Path
    files: tuple[SteadyFile, ...]
    splits: tuple[str, ...]
    left_out: tuple[str, ...] = ()  # text files beside data


def find_files(folder: Path, *, settings: Settings) -> Found:
    """What lies in a folder and below it; hidden files, and those that only describe data, do not count."""
    saved = _saved(folder)
    names = saved if saved is not None else dict.fromkeys(sorted(_names(folder)), "")
    left_out: tuple[str, ...] = ()
    if any(suffix_of(name)[:4] != ".txt" for name in names):
        left_out = tuple(name for name in names if suffix_of(name)[:4] == ".txt")
    kept = [name for name in names if name not in left_out]
    if not kept:
        raise DataError(
            "{path} is a folder without data files. Name a file, or a folder of JSONL, JSON, CSV, Parquet, Arrow or "
            "text files.",
            path=folder,
        )
    if len(kept) > MOST_FILES:
        raise _too_many(folder)
    files = tuple(_steady(folder, name, settings) for name in kept)
    splits = tuple(names[name] for name in kept) if saved is not None else _splits_of(kept)
    return Found(folder, files, splits, left_out)


def _names(folder: Path) -> Iterator[str]:
    """Data files below a folder, as paths from there."""
    looked = 0
    for here, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".")]
        looked += len(files) + len(folders)
        if looked > MOST_ENTRIES:
            raise _too_many(folder)
        for name in files:
            if not name.startswith(".") and name not in NO_DATA and suffix_of(name):
                yield (Path(here) / name).relative_to(folder).as_posix()


def _too_many(folder: Path) -> DataError:
    return DataError(
        "{path} holds too many files to be a folder of data. Name the folder in it that holds the data.", path=folder
    )


def _steady(folder: Path, name: str, settings: Settings) -> SteadyFile:
    path = folder / name
    try:
        if not settings.allows_local_paths and not path.resolve().is_relative_to(settings.uploads_dir.resolve()):
            raise DataError(
                "This is a public Space, which reads no paths of its machine. "
                "Upload the file, or name a data set on the Hub as owner/name."
            )
        facts = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    if not path.is_file():
        raise DataError("{path} is not a regular file.", path=path)
    return SteadyFile(path, name, stamp_of(facts))


def _saved(folder: Path) -> dict[str, str] | None:
    """Name -> split of the files that `save_to_disk` wrote; None for any other folder."""
    splits = _listed(folder / "dataset_dict.json", "splits")
    if splits is not None:
        parts = {split: _listed(folder / split / "state.json", "_data_files") for split in splits}
        return {f"{split}/{name}": split for split, names in parts.items() for name in names or []}
    names = _listed(folder / "state.json", "_data_files")
    return dict.fromkeys(names, "train") if names is not None else None


def _listed(path: Path, key: str) -> list[str] | None:
    """The names that one of the files of `save_to_disk` lists; only plain names are taken."""
    try:
        if path.stat().st_size > 1 << 24:
            return None
        found = json.loads(path.read_bytes())[key]
        names = [one if isinstance(one, str) else one["filename"] for one in found]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return names if all(isinstance(name, str) and Path(name).name == name for name in names) else None


def _splits_of(names: list[str]) -> tuple[str, ...]:
    """The split that each name shows; `train` where it shows none, and for all where all show the same."""
    shown = [_split_of(name) for name in names]
    if len(set(shown) - {"train"} - {""}) == 0 or len(set(shown)) == 1:
        return ("train",) * len(names)
    return tuple(one or "train" for one in shown)


def _split_of(name: str) -> str:
    for part in reversed(Path(name).parts):
        words = re.split(r"[-._ 0-9]+", part.lower())
        for split, known in SPLIT_WORDS.items():
            if any(word in known for word in words):
                return split
    return ""


def join_files(found: Found, opener: Opener) -> Mapping[str, Table]:
    """Split -> its files' rows one after another. A file that cannot be read is one damaged row."""
    notes = _notes(found)
    tables: dict[str, Table] = {}
    for split in dict.fromkeys(found.splits):
        files = [file for file, its in zip(found.files, found.splits, strict=True) if its == split]
        tables[split] = _joined(found.folder, files, opener, notes)
    return tables


def _notes(found: Found) -> tuple[DataError, ...]:
    notes = []
    names = list(dict.fromkeys(found.splits))
    if len(names) > 1:
        notes.append(
            DataError(
                "{folder}: the names of its files show the splits {splits}; data.split says which is read.",
                folder=found.folder.name,
                splits=", ".join(f"{name} ({found.splits.count(name)})" for name in names),
            )
        )
    if found.left_out:
        notes.append(
            DataError(
                "{folder}: text files beside the data files, left out: {count} ({files}).",
                folder=found.folder.name,
                count=len(found.left_out),
                files=_some(found.left_out),
            )
        )
    return tuple(notes)


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


class FileRows(PickedRows):
    """The rows of several files, called by file and row."""

    def __init__(self, tables: list[Table]) -> None:
        super().__init__([one.rows for one in tables], [(n, 0, len(one.rows)) for n, one in enumerate(tables)])
        self._tables = tables

    def place(self, index: int) -> str:
        which, row, _ = self.origin(index)
        table = self._tables[which]
        return f"{table.name}, row {table.where(row)}"


class UnreadRows(ListRows):
    """The one row that stands for a file that cannot be read."""

    def __init__(self, error: DataError) -> None:
        super().__init__([{}])
        self._error = error

    def read(self, start: int, stop: int) -> list[Row | DataError]:
        return [self._error] * (stop - start)


def _gathered(notes: list[DataError]) -> list[DataError]:
    """What the files' readers note; of many alike, the first and how many more."""
    made: list[DataError] = []
    for template in dict.fromkeys(note.template for note in notes):
        alike = [note for note in notes if note.template == template]
        if len(alike) <= ALIKE_SHOWN:
            made.extend(alike)
        else:
            more = len(alike) - 1
            made.append(DataError("{problem} The same holds for other files: {count}.", problem=alike[0], count=more))
    return made


def _unread(file: SteadyFile, error: DataError) -> Table:
    return Table(name=file.name, rows=UnreadRows(error), columns=(), identity=lambda: file.digest)


def _joined(folder: Path, files: list[SteadyFile], opener: Opener, notes: tuple[DataError, ...]) -> Table:
    tables: list[Table] = []
    empty: list[str] = []
    errors: list[DataError] = []
    for file in files:
        try:
            tables.append(opener(file))
        except DataError as error:
            if error.template == no_rows("").template:
                empty.append(file.name)
                continue
            errors.append(error)
            tables.append(_unread(file, error))
    if errors and len(errors) == len(tables):
        raise errors[0]
    if not tables:
        raise no_rows(folder.name)
    if empty:
        empty_note = DataError(
            "{folder}: files without rows: {count} ({files}).",
            folder=folder.name,
            count=len(empty),
            files=_some(empty),
        )
        notes = (*notes, empty_note)
    total = sum(len(one.rows) for one in tables)
    if total > MOST_ROWS:
        raise too_many_rows(folder.name, total)
    return Table(
        name=folder.name,
        rows=FileRows(tables),
        columns=tuple(dict.fromkeys(column for table in tables for column in table.columns)),
        identity=lambda: digest_of(*(f"{table.name} {table.identity}" for table in tables)),
        size_bytes=sum(file.size for file in files),
        notes=(*notes, *_gathered([note for table in tables for note in table.notes])),
        changed=lambda: any(file.changed() for file in files),
    )
