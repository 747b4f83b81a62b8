"""Where the records of a CSV file begin: a quoted cell may run over lines. Splits no cells.

Files whose quotes all stand where they should are looked through in chunks with numpy; from the first that does not,
Python's own `csv` says where records end, line by line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.data.sources.base import MOST_ROWS, too_many_rows
from studio.data.sources.readers.cells import split_lines, stood_in
from studio.data.sources.readers.spans import LARGEST_ROW
from studio.data.sources.steady import SteadyFile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Offsets = npt.NDArray[np.int64]
    Bytes = npt.NDArray[np.uint8]

CHUNK = 1 << 20  # bytes
PATIENCE = 8 * CHUNK  # bytes, besides a few times the file's, that may be read over again for damaged records
_LF, _CR, _QUOTE = 10, 13, 34


@dataclass(frozen=True)
class Records:
    """Where each record that is not blank begins and on which line; the last mark is the end of the file."""

    marks: Offsets
    lines: Offsets


def index_records(file: SteadyFile, delimiter: str, *, start: int = 0, line: int = 1) -> Records:
    """Records end at a line break outside double quotes; lines end by LF, CRLF or CR alone.

    `line` is the number of the one that begins at `start`.
    """
    import numpy as np

    found = _Found(start, line)
    if len(delimiter.encode()) > 1 or not _fast(file, ord(delimiter), found):
        _slow(file, delimiter, found)
    marks, lines = np.concatenate(found.starts), np.concatenate(found.lines)
    if len(marks) > MOST_ROWS:
        raise too_many_rows(file.name, len(marks))
    return Records(np.append(marks, file.size), lines)


class _Found:
    """Records so far; everything before `position` is known, and `position` begins a record on `line`."""

    def __init__(self, start: int, line: int) -> None:
        import numpy as np

        self.starts: list[Offsets] = [np.zeros(0, dtype=np.int64)]
        self.lines: list[Offsets] = [np.zeros(0, dtype=np.int64)]
        self.position, self.line = start, line


def _fast(file: SteadyFile, delimiter: int, found: _Found) -> bool:
    """All records where every quote stands at the edge of a cell; False where one does not."""
    import numpy as np

    quoted = False
    begin, before = found.position, _LF  # the byte before the chunk
    line = found.line  # of the chunk's first byte
    while begin < file.size:
        end = min(begin + CHUNK, file.size)
        chunk = np.frombuffer(file.read(begin, end + 1), dtype=np.uint8)
        count = end - begin
        quotes = np.flatnonzero(chunk[:count] == _QUOTE)
        if not _at_edges(chunk, quotes, _Edges(delimiter, before, quoted)):
            return False
        breaks = _breaks(chunk, count)
        outside = (np.searchsorted(quotes, breaks) + quoted) % 2 == 0
        ends, numbers = breaks[outside] + 1 + begin, np.flatnonzero(outside) + 1 + line
        _take(found, ends, numbers, _first_bytes(file, found, ends, (chunk, begin)))
        line += len(breaks)
        quoted = bool((len(quotes) + quoted) % 2)
        before = int(chunk[count - 1])
        begin = end
    if quoted:
        return False
    if found.position < file.size:
        head = np.frombuffer(file.read(found.position, found.position + 1), dtype=np.uint8)
        _take(found, np.array([file.size]), np.array([line]), head)
    return True


def _first_bytes(file: SteadyFile, found: _Found, ends: Offsets, chunk: tuple[Bytes, int]) -> Bytes:
    """The first byte of each record that ends at `ends`; only the first of them may begin before the chunk."""
    import numpy as np

    head = np.frombuffer(file.read(found.position, found.position + 1), dtype=np.uint8)
    return np.concatenate([head, chunk[0][ends[:-1] - chunk[1]]]) if len(ends) else head[:0]


def _take(found: _Found, ends: Offsets, numbers: Offsets, heads: Bytes) -> None:
    """Add the records that end at `ends`; `numbers` are the lines after them, `heads` their first bytes."""
    import numpy as np

    if not len(ends):
        return
    starts = np.concatenate([[found.position], ends[:-1]])
    lines = np.concatenate([[found.line], numbers[:-1]])
    solid = (heads != _LF) & (heads != _CR)  # what begins with its line break is a blank line
    found.starts.append(starts[solid])
    found.lines.append(lines[solid])
    found.position, found.line = int(ends[-1]), int(numbers[-1])


@dataclass(frozen=True)
class _Edges:
    """What is known at the start of a chunk."""

    delimiter: int
    before: int
    quoted: bool


def _at_edges(chunk: Bytes, quotes: Offsets, edges: _Edges) -> bool:
    """Whether each quote opens a cell, closes one, or is doubled within one."""
    import numpy as np

    if not len(quotes):
        return True
    opening = (np.arange(len(quotes)) + edges.quoted) % 2 == 0
    previous = np.where(quotes > 0, chunk[np.maximum(quotes - 1, 0)], edges.before)
    following = np.where(quotes + 1 < len(chunk), chunk[np.minimum(quotes + 1, len(chunk) - 1)], _LF)
    edge = np.array([edges.delimiter, _LF, _CR, _QUOTE], dtype=np.uint8)
    return bool(np.isin(np.where(opening, previous, following), edge).all())


def _breaks(chunk: Bytes, count: int) -> Offsets:
    """The last byte of each line break that ends within the first `count` bytes."""
    import numpy as np

    found = np.flatnonzero(chunk[:count] == _LF)
    returns = np.flatnonzero(chunk[:count] == _CR)
    if len(returns):
        followed = np.where(returns + 1 < len(chunk), chunk[np.minimum(returns + 1, len(chunk) - 1)] == _LF, False)
        found = np.sort(np.concatenate([found, returns[~followed]]))
    return found


def _slow(file: SteadyFile, delimiter: str, found: _Found) -> None:
    """The records from `found.position` on, as `csv` reads them. A damaged one is its first line alone.

    So a quote that is never closed costs its own line, not the rest of the file. Where far too many are not, every
    line from there on is a record.
    """
    import numpy as np

    starts: list[int] = []
    lines: list[int] = []
    patience = 4 * file.size + PATIENCE
    feed = _Lines(file, found.position, delimiter)
    while found.position < file.size:
        try:
            for cells in split_lines(feed, delimiter):
                if cells:
                    starts.append(found.position)
                    lines.append(found.line)
                found.line += len(feed.taken)
                found.position += feed.size
                feed.take()
        except csv.Error:
            starts.append(found.position)
            lines.append(found.line)
            patience -= feed.size
            found.position += len(feed.taken[0])
            found.line += 1
            feed.take(1)
            if patience < 0:
                break
    for line in feed.rest():
        if line.strip(b"\r\n"):
            starts.append(found.position)
            lines.append(found.line)
        found.position += len(line)
        found.line += 1
    found.starts.append(np.array(starts, dtype=np.int64))
    found.lines.append(np.array(lines, dtype=np.int64))


class _Lines:
    """The file's lines from a position on, as `csv` is to see them. Bytes that are no text pass through.

    `taken` are those of the record at hand, `size` their bytes; what turns out to be of no record is given again.
    """

    def __init__(self, file: SteadyFile, position: int, delimiter: str) -> None:
        self._lines, self._delimiter = _split(file, position), delimiter
        self._encoding = ("latin-1", "strict") if delimiter.isascii() else ("utf-8", "surrogateescape")
        self._again: deque[bytes] = deque()
        self.taken: list[bytes] = []
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.size > LARGEST_ROW:
            raise csv.Error("the row is too long")
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        self.size += len(line)
        return stood_in(line.decode(*self._encoding), self._delimiter)

    def take(self, count: int | None = None) -> None:
        """Be done with the record at hand, or with its first lines only."""
        if count is not None:
            self._again.extendleft(reversed(self.taken[count:]))
        self.taken, self.size = [], 0

    def rest(self) -> Iterator[bytes]:
        """The lines that no record has taken."""
        yield from self._again
        yield from self._lines


def _split(file: SteadyFile, position: int) -> Iterator[bytes]:
    """Lines by LF, CRLF or CR, with their ends."""
    rest: list[bytes] = []
    for piece in file.chunks(position, size=CHUNK):
        lines = piece.splitlines(keepends=True)
        if len(lines) > 1 or (rest and rest[-1].endswith((b"\n", b"\r"))):
            lines = b"".join([*rest, piece]).splitlines(keepends=True)
            yield from lines[:-1]
            rest = lines[-1:]
        else:
            rest.append(piece)
    if rest:
        yield from b"".join(rest).splitlines(keepends=True)
