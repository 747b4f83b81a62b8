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
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)

Stamp = tuple[int, int, int, int, int]


def stamp_of(facts: os.stat_result) -> Stamp:
    """Size, times and number: what tells one version of a file from another without reading it."""
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_dev


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
    def is_settled(self) -> bool:
        """Whether a later version must have another stamp: not so for one that was just being written."""
        return max(self.stamp[1], self.stamp[2]) + SETTLED < self.taken

    def changed(self) -> bool:
        """Whether another version lies there now, by its stamp alone."""
        try:
            return stamp_of(self.path.stat()) != self.stamp
        except OSError:
            return True

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


class LineCounter:
    """Byte position -> line number, without counting from the start each time."""

    def __init__(self, file: SteadyFile, marks: list[int], counts: list[int]) -> None:
        """`counts[n]` line breaks (LF) lie before the byte `marks[n]`; both ascend from 0."""
        self._file, self._marks, self._counts = file, marks, counts

    def line(self, position: int) -> int:
        found = bisect_right(self._marks, position) - 1
        pieces = self._file.chunks(self._marks[found], position)
        return self._counts[found] + sum(piece.count(b"\n") for piece in pieces) + 1


def unreadable(path: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError("Cannot read {path}: {reason}.", path=path, reason=reason)
