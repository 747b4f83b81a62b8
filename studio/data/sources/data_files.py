"""Which files of a folder hold data, and the split that each name shows. Opens none of them.

A folder that `datasets` saved (`save_to_disk`) is known by the files that list its own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from studio.data.sources.readers import suffix_of
from studio.data.sources.steady import (
    SteadyFile,
    UnreadableFile,
    broken_link,
    no_regular_file,
    shortened,
    stamp_of,
    unreadable,
)
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.settings import Settings

MOST_FILES = 10_000
MOST_ENTRIES = 100_000  # looked at; a folder with more is none of data
NO_DATA = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json"}
# The words by which `datasets` tells splits apart.
SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}


@dataclass(frozen=True)
class Passed:
    """Folders within a folder that are not looked into: links, and what the system does not let be read."""

    links: list[str] = field(default_factory=list)
    errors: list[OSError] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """A folder's data files in order and the split of each; text files beside data are `left_out`."""

    folder: Path
    files: tuple[SteadyFile, ...]
    splits: tuple[str, ...]
    left_out: tuple[str, ...]
    passed: Passed

    def by_split(self) -> dict[str, list[SteadyFile]]:
        """The files of each split, in order."""
        made: dict[str, list[SteadyFile]] = {}
        for file, split in zip(self.files, self.splits, strict=True):
            made.setdefault(split, []).append(file)
        return made


def find_files(folder: Path, *, settings: Settings) -> Found:
    """What lies in a folder and below it; hidden files, and those that only describe data, do not count."""
    saved = _saved(folder)
    passed = Passed()
    names = saved if saved is not None else dict.fromkeys(sorted(_names(folder, passed)), "")
    left_out: tuple[str, ...] = ()
    if any(suffix_of(name)[:4] != ".txt" for name in names):
        left_out = tuple(name for name in names if suffix_of(name)[:4] == ".txt")
    kept = [name for name in names if name not in left_out]
    if not kept:
        raise _no_files(folder, passed)
    if len(kept) > MOST_FILES:
        raise _too_many(folder)
    files = tuple(_steady(folder, name, settings) for name in kept)
    splits = tuple(names[name] for name in kept) if saved is not None else _splits_of(kept)
    return Found(folder, files, splits, left_out, passed)


def _no_files(folder: Path, passed: Passed) -> DataError:
    if passed.errors:
        return unreadable(Path(passed.errors[0].filename or folder), passed.errors[0])
    if passed.links:
        return DataError(
            "{path} holds no data files, only links to other folders ({folders}), which are not followed. "
            "Name the folder itself that holds the data.",
            path=shortened(folder),
            folders=some_of(passed.links),
        )
    return DataError(
        "{path} is a folder without data files. Name a file, or a folder of JSONL, JSON, CSV, Parquet, Arrow or "
        "text files.",
        path=shortened(folder),
    )


def _names(folder: Path, passed: Passed) -> Iterator[str]:
    """Data files below a folder, as paths from there; what is not looked into is added to `passed`."""
    looked = 0
    for here, folders, files in os.walk(folder, onerror=passed.errors.append):
        folders[:] = [one for one in folders if not one.startswith(".")]
        links = [Path(here) / one for one in folders if (Path(here) / one).is_symlink()]
        passed.links.extend(one.relative_to(folder).as_posix() for one in links)
        looked += len(files) + len(folders)
        if looked > MOST_ENTRIES:
            raise _too_many(folder)
        for name in files:
            if not name.startswith(".") and name not in NO_DATA and suffix_of(name):
                yield (Path(here) / name).relative_to(folder).as_posix()


def _too_many(folder: Path) -> DataError:
    return DataError(
        "{path} holds too many files to be a folder of data. Name the folder in it that holds the data.",
        path=shortened(folder),
    )


def _steady(folder: Path, name: str, settings: Settings) -> SteadyFile:
    """The version of a file that lies there now; one that cannot be opened is known by its error."""
    path = folder / name
    try:
        real = path.resolve()
        facts = path.stat()
    except (OSError, RuntimeError) as error:  # a link that leads in a circle is the one or the other
        return UnreadableFile.at(path, name, broken_link(path) or unreadable(path, error))
    if not settings.allows_local_paths and not real.is_relative_to(settings.uploads_dir.resolve()):
        raise DataError(
            "This is a public Space, which reads no paths of its machine. "
            "Upload the file, or name a data set on the Hub as owner/name."
        )
    if not path.is_file():
        return UnreadableFile.at(path, name, no_regular_file(path))
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


def notes_of(found: Found) -> tuple[DataError, ...]:
    """What is worth knowing of how the files were found."""
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
                files=some_of(found.left_out),
            )
        )
    if found.passed.links:
        notes.append(
            DataError(
                "{folder}: links to other folders, not followed: {count} ({folders}). Name such a folder itself to "
                "read it.",
                folder=found.folder.name,
                count=len(found.passed.links),
                folders=some_of(found.passed.links),
            )
        )
    if found.passed.errors:
        notes.append(
            DataError(
                "{folder}: folders in it that cannot be read, left out: {count} ({folders}: {reason}).",
                folder=found.folder.name,
                count=len(found.passed.errors),
                folders=some_of([_below(found.folder, one) for one in found.passed.errors]),
                reason=found.passed.errors[0].strerror,
            )
        )
    return tuple(notes)


def _below(folder: Path, error: OSError) -> str:
    """The folder that an error is about, as a path from `folder`."""
    path = Path(error.filename or folder)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else shortened(path)


def some_of(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
