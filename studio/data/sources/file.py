"""A file on this machine -> Table, read again only when it changed. Knows nothing of what the rows mean."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from studio.data.sources.base import Table, no_rows, only_train
from studio.data.sources.readers import READERS
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.settings import Settings

LARGEST_FILE = 2 * 1024**3  # bytes
ALWAYS_HASHED = 32 * 1024**2  # bytes; up to here an unchanged time stamp is not trusted
KEPT_TABLES = 4

_PATH = re.compile(r"^(?:[~./\\]|[A-Za-z]:[\\/])|\\|/.*/")
_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Kept:
    stamp: _Stamp
    table: Table


_tables: OrderedDict[Path, _Kept] = OrderedDict()
_lock = Lock()


class FileSource:
    """A path to a JSONL, JSON, CSV, TSV or Parquet file. In a Space only what was uploaded there is read."""

    def claims(self, source: str) -> bool:
        return bool(_PATH.search(source)) or Path(source).suffix.lower() in READERS or _exists(Path(source))

    def open(self, source: str, *, split: str, settings: Settings) -> Table:
        try:
            path = Path(source).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise DataError("{source!r} is not a path that can be read.", source=source) from error
        if not settings.allows_local_paths and not path.is_relative_to(settings.uploads_dir.resolve()):
            raise DataError(
                "This is a public Space, which reads no paths of its machine. "
                "Upload the file, or name a data set on the Hub as owner/name."
            )
        only_train(path.name, split)
        return read_table(path)


def read_table(path: Path) -> Table:
    """The file's rows; from memory where the file is still the one that was read."""
    stamp = _stamp(path)
    with _lock:
        kept = _tables.get(path)
    if kept and kept.stamp == stamp and _same_content(path, kept):
        return kept.table
    table = _read(path)
    with _lock:
        _tables[path] = _Kept(stamp, table)
        _tables.move_to_end(path)
        while len(_tables) > KEPT_TABLES:
            _tables.popitem(last=False)
    return table


def _same_content(path: Path, kept: _Kept) -> bool:
    """A time stamp can be set, or be too coarse to tell; where reading is cheap, the content decides."""
    return kept.stamp[0] > ALWAYS_HASHED or _digest(_bytes(path)) == kept.table.identity


def _read(path: Path) -> Table:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            "{file} is not of a kind that can be read. There are: {kinds}. Save it as one of these.",
            file=path.name,
            kinds=", ".join(READERS),
        )
    content = _bytes(path)
    found = reader(content, path.name)
    if not len(found.rows):
        raise no_rows(path.name)
    return Table(
        name=path.name,
        rows=found.rows,
        columns=found.columns,
        identity=_digest(content),
        size_bytes=len(content),
        lines=found.lines,
    )


def _stamp(path: Path) -> _Stamp:
    """What the file system says of a file: size, times, number. Refuses what is missing, too large or no file."""
    try:
        found = path.stat()
        if path.is_dir():
            raise DataError(
                "{path} is a folder. Name a file in it{near}.", path=path, near=_listed(": ", _readable(path)[:5])
            )
        if not path.is_file():
            raise DataError("{path} is not a regular file.", path=path)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if found.st_size > LARGEST_FILE:
        raise DataError(
            "{file} is larger than {limit} GB. Split it, or save it as a smaller file.",
            file=path.name,
            limit=LARGEST_FILE // 1024**3,
        )
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError("Cannot read {path}: {reason}.", path=path, reason=reason)


def _missing(path: Path) -> DataError:
    names = _readable(path.parent)
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if near:
        return DataError("There is no file {path}. Did you mean {near}?", path=path, near=" or ".join(near))
    return DataError("There is no file {path}. Check the path (data.source).", path=path)


def _readable(folder: Path) -> list[str]:
    """The names in a folder that some reader takes."""
    try:
        return sorted(one.name for one in folder.iterdir() if one.suffix.lower() in READERS)
    except OSError:
        return []


def _listed(before: str, names: list[str]) -> str:
    return before + ", ".join(names) if names else ""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
