"""Rows that are each a stretch of bytes of a text file, read and parsed when looked at. Knows no file format."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from studio.data.sources.base import LazyRows, Row
from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Offsets = npt.NDArray[np.int64]

LARGEST_ROW = 64 * 1024**2  # bytes
READ_AT_ONCE = 8 * 1024**2  # bytes of the file in memory at one time


class SpanRows(LazyRows):
    """Row n is what lies from `marks[n] + gap` to `marks[n + 1]`; `tail` stands for a damaged end of the file."""

    gap = 0

    def __init__(self, file: SteadyFile, marks: Offsets, *, tail: DataError | None = None) -> None:
        self.file, self.marks, self.tail = file, marks, tail
        self._spans = max(0, len(marks) - 1)

    def __len__(self) -> int:
        return self._spans + (self.tail is not None)

    @abstractmethod
    def parse(self, piece: bytes, index: int) -> Row:
        """The row that these bytes hold; a DataError that names their line where they hold none."""

    @abstractmethod
    def line(self, index: int) -> int:
        """The line on which the row begins."""

    def read(self, start: int, stop: int) -> list[Row | DataError]:
        found: list[Row | DataError] = []
        last = min(stop, self._spans)
        first = start
        while first < last:
            end = int(self.marks.searchsorted(self.marks[first] + READ_AT_ONCE, side="right")) - 1
            end = min(max(end, first + 1), last)
            found.extend(self._block(first, end))
            first = end
        if stop > self._spans and self.tail is not None:
            found.append(self.tail)
        return found

    def _block(self, first: int, last: int) -> list[Row | DataError]:
        """Neighbours that are read at once."""
        marks: list[int] = self.marks[first : last + 1].tolist()
        begin = marks[0]
        if marks[-1] - begin > LARGEST_ROW and last - first == 1:
            return [self.too_long(first)]
        block = self.file.read(begin, marks[-1])
        return self.parse_block(block, [mark - begin for mark in marks], first)

    def too_long(self, index: int) -> DataError:
        """The sentence for a row that is not even read."""
        return DataError(
            "{file}, line {line}: one row is {size} MB long; at most {limit} MB are read. "
            "Split it into several rows or remove it.",
            file=self.file.name,
            line=self.line(index),
            size=int(self.marks[index + 1] - self.marks[index]) // 1024**2,
            limit=LARGEST_ROW // 1024**2,
        )

    def parse_block(self, block: bytes, marks: list[int], first: int) -> list[Row | DataError]:
        found: list[Row | DataError] = []
        for index in range(len(marks) - 1):
            try:
                found.append(self.parse(block[marks[index] + self.gap : marks[index + 1]], first + index))
            except DataError as error:
                found.append(error)
        return found
