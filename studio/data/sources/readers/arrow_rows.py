"""Batches of an Arrow or Parquet file as rows, unpacked a batch at a time. Knows nothing of either's layout."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING, Any

from studio.data.sources.base import LazyRows, Row
from studio.data.sources.readers.arrow_values import row_sizes, rows_of
from studio.data.sources.readers.spans import LARGEST_ROW
from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

KEPT_BYTES = 96 * 1024**2  # of batches that were looked at last

# What making Python's values can fail with: damaged text, a date beyond the calendar, a type that has none.
FAULTS = (ValueError, OverflowError, LookupError, NotImplementedError, TypeError)


class BatchRows(LazyRows):
    """Batch n has `counts[n]` rows. The last batches looked at are kept; safe to use from several threads."""

    def __init__(self, file: SteadyFile, counts: list[int]) -> None:
        self.file = file
        self._ends = list(accumulate(counts))
        self._kept: OrderedDict[int, _Batch] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @abstractmethod
    def batch(self, number: int) -> pa.Table:
        """The batch, read from the file. Called by one thread at a time."""

    def read(self, start: int, stop: int) -> list[Row | DataError]:
        found: list[Row | DataError] = []
        position = start
        while position < stop:
            number = bisect_right(self._ends, position)
            begin = self._ends[number - 1] if number else 0
            end = min(stop, self._ends[number])
            found.extend(self._slice(number, position - begin, end - position))
            position = end
        return found

    def _slice(self, number: int, offset: int, count: int) -> list[Row | DataError]:
        try:
            with self._lock:
                batch = self._kept.get(number)
                if batch is None:
                    batch = self._kept[number] = _Batch.of(self.batch(number))
                self._kept.move_to_end(number)
                while len(self._kept) > 1 and sum(one.table.nbytes for one in self._kept.values()) > KEPT_BYTES:
                    self._kept.popitem(last=False)
        except DataError as error:
            return [error] * count
        begin = self._ends[number - 1] if number else 0
        places = range(offset, offset + count)
        if not any(place in batch.too_large for place in places):
            with suppress(*FAULTS):  # of some row; each is then looked at by itself
                return list(rows_of(batch.table.slice(offset, count)))
        return [_one(batch, place, name=self.file.name, row=begin + place) for place in places]


@dataclass(frozen=True)
class _Batch:
    """A batch in memory, and the bytes of those of its rows that are larger than a row may be."""

    table: pa.Table
    too_large: Mapping[int, int]

    @classmethod
    def of(cls, table: pa.Table) -> _Batch:
        import numpy as np

        try:
            sizes = row_sizes(table)
        except FAULTS:  # for a type that is not read; each row says so
            return cls(table, {})
        return cls(table, {int(place): int(sizes[place]) for place in np.flatnonzero(sizes > LARGEST_ROW)})


def _one(batch: _Batch, place: int, *, name: str, row: int) -> Row | DataError:
    """A row of those among which some row cannot be made into Python's values."""
    if place in batch.too_large:
        return DataError(
            "{file}, row {row}: the row unpacks to {size} MB; at most {limit} MB are read. Split it into several rows "
            "or remove it.",
            file=name,
            row=row + 1,
            size=batch.too_large[place] // 1024**2,
            limit=LARGEST_ROW // 1024**2,
        )
    try:
        return rows_of(batch.table.slice(place, 1))[0]
    except FAULTS as error:
        return DataError(
            "{file}, row {row}: a value cannot be read ({problem}). Fix the row or remove it.",
            file=name,
            row=row + 1,
            problem=first_line(error),
        )


def column_names(schema: pa.Schema, name: str) -> tuple[str, ...]:
    """The columns; two of one name are refused."""
    names = tuple(str(column) for column in schema.names)
    if len(set(names)) < len(names):
        raise DataError(
            "{file}: two columns have the same name. Give each column its own name.",
            file=name,
        )
    return names


def check_size(name: str, *, rows: int, unpacked: int, most: tuple[int, int]) -> None:
    """Refuse what would unpack to more than `most` (rows, bytes), before anything is unpacked."""
    if rows > most[0] or unpacked > most[1]:
        raise DataError(
            "{file} unpacks to {rows} rows and {size} GB; at most {most} rows and {limit} GB are read. "
            "Save a part of it as a smaller file.",
            file=name,
            rows=f"{rows:,}",
            size=f"{unpacked / 1024**3:.1f}",
            most=f"{most[0]:,}",
            limit=most[1] // 1024**3,
        )


def first_line(error: Any) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
