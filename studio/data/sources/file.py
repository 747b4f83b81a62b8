"""A file or folder on this machine -> Table, opened again only when it changed. Knows nothing of what rows mean."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from studio.data.sources.base import Origin, Table, digest_of, no_rows
from studio.data.sources.data_files import Found, find_files
from studio.data.sources.folder import join_files
from studio.data.sources.readers import PACKED, READERS, TEXT, Reading, suffix_of
from studio.data.sources.refused import missing, no_reader, refuse_address
from studio.data.sources.slices import take_split
from studio.data.sources.steady import SteadyFile, no_regular_file, shortened, stamp_of, unreadable
from studio.data.sources.unpack import plain
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.settings import Settings

LARGEST_FILE = 20 * 1024**3  # bytes
ALWAYS_HASHED = 32 * 1024**2  # bytes; up to here the content itself is compared where a time stamp says too little
KEPT_TABLES = 6

_PATH = re.compile(r"^(?:[~./\\]|[A-Za-z]:[\\/])|\\|/.*/")
Splits = Mapping[str, Table]


@dataclass(frozen=True)
class _Kept:
    """Tables with the versions of the files that they were made of."""

    files: tuple[SteadyFile, ...]
    splits: Splits
    content: str | None  # the hash of a small file that was too young to trust its stamp


_tables: OrderedDict[tuple[Path, str | None], _Kept] = OrderedDict()
_lock = Lock()


class FileSource:
    """A path to a file of one of SUFFIXES, or to a folder of such. In a Space only what was uploaded there is read."""

    def claims(self, source: str) -> bool:
        return bool(_PATH.search(source)) or bool(suffix_of(source)) or _exists(Path(source))

    def open(self, source: str, *, split: str, settings: Settings, delimiter: str | None = None) -> Table:
        refuse_address(source)
        try:
            path = Path(source).expanduser().absolute()
            real = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise DataError("{source!r} is not a path that can be read.", source=shortened(source)) from error
        if not settings.allows_local_paths and not real.is_relative_to(settings.uploads_dir.resolve()):
            raise DataError(
                "This is a public Space, which reads no paths of its machine. "
                "Upload the file, or name a data set on the Hub as owner/name."
            )
        splits = read_splits(path, settings=settings, delimiter=delimiter)
        return take_split(splits, split, name=path.name)


def read_splits(path: Path, *, settings: Settings, delimiter: str | None = None) -> Splits:
    """A file's one split, `train`; those of a folder where its files' names show some."""
    found = find_files(path, settings=settings) if _is_folder(path) else None
    files = found.files if found else (_steady(path, path.name),)
    key = (path, delimiter)
    with _lock:
        kept = _tables.get(key)
    if kept is not None and _is_same(kept, files):
        _keep(key, replace(kept, files=files))  # by now the stamp may be old enough to be trusted
        return kept.splits
    splits = _opened(found, files, Reading(delimiter), settings)
    only = files[0] if len(files) == 1 else None
    doubtful = only is not None and not only.is_settled and only.size <= ALWAYS_HASHED
    _keep(key, _Kept(files, splits, only.digest if only is not None and doubtful else None))
    return splits


def _keep(key: tuple[Path, str | None], made: _Kept) -> None:
    with _lock:
        _tables[key] = made
        _tables.move_to_end(key)
        while len(_tables) > KEPT_TABLES:
            _tables.popitem(last=False)


def _is_same(kept: _Kept, files: tuple[SteadyFile, ...]) -> bool:
    """A time stamp can be too coarse to tell two versions apart; for a file just written the content decides."""
    if [(one.path, one.stamp) for one in kept.files] != [(one.path, one.stamp) for one in files]:
        return False
    if all(one.is_settled for one in kept.files):
        return True
    return kept.content is not None and files[0].digest == kept.content


def _opened(found: Found | None, files: tuple[SteadyFile, ...], reading: Reading, settings: Settings) -> Splits:
    if found is None:
        return {"train": open_file(files[0], reading, settings)}
    return join_files(found, lambda file: open_file(file, reading, settings))


def open_file(file: SteadyFile, reading: Reading, settings: Settings) -> Table:
    """One file, by the reader that its name asks for."""
    suffix = suffix_of(file.path.name)
    if not suffix:
        raise no_reader(file.name)
    if file.size > LARGEST_FILE:
        raise DataError(
            "{file} is larger than {limit} GB. Split it, or save it as a smaller file.",
            file=file.name,
            limit=LARGEST_FILE // 1024**3,
        )
    packed = next((one for one in PACKED if suffix.endswith(one)), "")
    kind = suffix.removesuffix(packed)
    reader = READERS[kind]
    rows = reader(plain(file, packed=packed, settings=settings) if kind in TEXT else file, reading)
    if not len(rows.rows):
        raise no_rows(file.name)
    chosen = reading.delimiter if kind in (".csv", ".tsv") and reading.delimiter not in (None, "auto") else None
    return Table(
        name=file.name,
        rows=rows.rows,
        columns=rows.columns,
        identity=lambda: digest_of(file.digest, chosen) if chosen else file.digest,
        size_bytes=file.size,
        lines=rows.lines,
        notes=rows.notes,
        changed=file.changed,
        origins=[Origin(file.origin, 0, len(rows.rows))],
    )


def _steady(path: Path, name: str) -> SteadyFile:
    """The version of a file that lies there now. Refuses what is missing or no file."""
    try:
        facts = path.stat()
        if not path.is_file():
            raise no_regular_file(path)
    except FileNotFoundError as error:
        raise missing(path) from error
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return SteadyFile(path, name, stamp_of(facts))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
