"""A file that must stay as it was when it was opened. Knows nothing of what is in it."""

from __future__ import annotations

import hashlib
import os
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from studio.errors import DataError

AT_ONCE = 1 << 20
SETTLED = 3 * 10**9  # ns; a younger time stamp may be too coarse to tell two versions apart
NOWHERE = (0, 0, 0, 0, 0)  # the stamp of what cannot be opened
LONGEST_PATH = 160  # characters that a sentence shows
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)

Stamp = tuple[int, int, int, int, int]


def stamp_of(facts: os.stat_result) -> Stamp:
    """Size, times and number: what tells one version of a file from another without reading it."""
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_dev


def _stamp_at(path: Path) -> Stamp:
    try:
        return stamp_of(path.stat())
    except OSError:
        return NOWHERE


@dataclass(frozen=True)
class SteadyFile:
    """One version of a file. `name` is what sentences call it; reads of any other version are refused."""

    path: Path
    name: str
    stamp: Stamp
    taken: int = field(default_factory=time.time_ns)

    @property
    def size(self) -> int:
        return self.stamp[0]

    @property
    def origin(self) -> str:
        """What names the file however its path is written."""
        return str(self.path.resolve())

    @property
    def is_settled(self) -> bool:
        """Whether a later version must have another stamp: not so for one that was just being written."""
        return max(self.stamp[1], self.stamp[2]) + SETTLED < self.taken

    def changed(self) -> bool:
        """Whether another version lies there now, by its stamp alone."""
        return _stamp_at(self.path) != self.stamp

    def read(self, start: int, stop: int) -> bytes:
        """These bytes of this version; fewer only at its end."""
        try:
            handle = os.open(self.path, _FLAGS)
        except OSError as error:
            raise self._changed() if isinstance(error, FileNotFoundError) else unreadable(self.path, error) from error
        try:
            self.check(handle)
            os.lseek(handle, start, os.SEEK_SET)
            pieces: list[bytes] = []
            left = min(stop, self.size) - start
            while left > 0:
                piece = os.read(handle, left)
                if not piece:
                    break
                pieces.append(piece)
                left -= len(piece)
            self.check(handle)  # a write between the first look and the read is caught by the second
        except OSError as error:
            raise unreadable(self.path, error) from error
        finally:
            os.close(handle)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def chunks(self, start: int = 0, stop: int | None = None, *, size: int = AT_ONCE) -> Iterator[bytes]:
        """The bytes from `start` to `stop`, a piece at a time."""
        end = self.size if stop is None else min(stop, self.size)
        for first in range(start, end, size):
            yield self.read(first, min(first + size, end))

    def check(self, handle: int) -> None:
        """DataError unless the open file is this version."""
        if stamp_of(os.fstat(handle)) != self.stamp:
            raise self._changed()

    @cached_property
    def digest(self) -> str:
        """The sha256 of the content."""
        found = hashlib.sha256()
        for piece in self.chunks(size=4 * AT_ONCE):
            found.update(piece)
        return found.hexdigest()

    def _changed(self) -> DataError:
        return DataError(
            "{file} has changed since it was opened. Open it again to read it as it is now.", file=self.name
        )


@dataclass(frozen=True)
class UnreadableFile(SteadyFile):
    """What is named like a data file but cannot be opened, such as a broken link or a pipe. Reads give its error."""

    error: DataError = field(kw_only=True)

    @classmethod
    def at(cls, path: Path, name: str, error: DataError) -> UnreadableFile:
        return cls(path, name, _stamp_at(path), error=error)

    @property
    def origin(self) -> str:
        return str(self.path.absolute())  # a link may lead in a circle

    def read(self, start: int, stop: int) -> bytes:
        raise self.error


class LineCounter:
    """Byte position -> line number, without counting from the start each time."""

    def __init__(self, file: SteadyFile, marks: list[int], counts: list[int]) -> None:
        """`counts[n]` line breaks (LF) lie before the byte `marks[n]`; both ascend from 0."""
        self._file, self._marks, self._counts = file, marks, counts

    def line(self, position: int) -> int:
        found = bisect_right(self._marks, position) - 1
        pieces = self._file.chunks(self._marks[found], position)
        return self._counts[found] + sum(piece.count(b"\n") for piece in pieces) + 1


def shortened(path: Path | str) -> str:
    """A path or address as a sentence shows it: without its middle where it is long."""
    text = str(path)
    if len(text) <= LONGEST_PATH:
        return text
    return f"{text[: LONGEST_PATH // 4]}...{text[3 - LONGEST_PATH * 3 // 4 :]}"


def unreadable(path: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError("Cannot read {path}: {reason}.", path=shortened(path), reason=reason)


def no_regular_file(path: Path) -> DataError:
    return DataError("{path} is not a regular file.", path=shortened(path))


def broken_link(path: Path) -> DataError | None:
    """The sentence for a link whose target is gone; None where there is no link at all."""
    if not path.is_symlink():
        return None
    return DataError(
        "{path} is a link to {target}, which is not there. Mend the link, or name the file itself.",
        path=shortened(path),
        target=shortened(path.readlink()),
    )
