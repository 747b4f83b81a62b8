"""What a source gives: rows as they are, before any format reads them. Knows nothing of formats or settings."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, overload

from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from studio.settings import Settings

    Lines = Sequence[int] | npt.NDArray[np.int64]

Row = dict[str, Any]

MOST_ROWS = 10_000_000
SAMPLE_ROWS = 1000  # what a lazy table's columns are taken from
ITERATED_AT_ONCE = 64
PROBES, PROBED_AT_ONCE = 64, 16  # places all over a table, and the rows at each, where the first rows are damaged
MOST_DAMAGED = 20_000  # rows looked at one after another for one that can be read


class LazyRows(Sequence[Row]):
    """Rows that are each made only when they are looked at. One that cannot be read keeps its number."""

    @abstractmethod
    def read(self, start: int, stop: int) -> list[Row | DataError]:
        """The rows start <= index < stop, all within the length; a DataError in the place of each damaged one."""

    def row(self, index: int) -> Row:
        """The row at 0 <= index < len; its DataError where it is damaged."""
        return _sound(self.read(index, index + 1)[0])

    def place(self, index: int) -> str | None:
        """What a sentence calls the row, where it is not just its number and line."""
        return None

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return [_sound(one) for one in self.read(start, max(start, stop))]
            return [self.row(one) for one in range(start, stop, step)]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.row(index % len(self))

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self), ITERATED_AT_ONCE):
            yield from map(_sound, self.read(start, min(start + ITERATED_AT_ONCE, len(self))))


def _sound(found: Row | DataError) -> Row:
    if isinstance(found, DataError):
        raise found
    return found


class ListRows(LazyRows):
    """Rows that are in memory already."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, start: int, stop: int) -> list[Row | DataError]:
        return list(self._rows[start:stop])


@dataclass(frozen=True)
class Rows:
    """What a reader makes of a file. `lines` holds each row's line number where it differs from the row's own.

    `columns` are named by the file itself; without them they are taken from the first rows.
    """

    rows: LazyRows
    columns: tuple[str, ...] = ()
    lines: Lines | None = None
    notes: tuple[DataError, ...] = ()


@dataclass(frozen=True)
class Origin:
    """The rows start <= index < stop of a file, or of a split on the Hub."""

    of: str
    start: int
    stop: int


def name_rows_twice(origins: Iterable[Origin]) -> bool:
    """Whether some row is in two of them."""
    found = sorted((one.of, one.start, one.stop) for one in origins if one.start < one.stop)
    return any(one[0] == after[0] and after[1] < one[2] for one, after in pairwise(found))


def share_rows(some: Iterable[Origin], others: Iterable[Origin]) -> bool:
    """Whether some row is in both."""
    found: dict[str, list[Origin]] = {}
    for one in some:
        found.setdefault(one.of, []).append(one)
    return any(
        max(one.start, other.start) < min(one.stop, other.stop) for other in others for one in found.get(other.of, ())
    )


def origins_between(origins: Sequence[Origin], start: int, stop: int) -> Iterator[Origin]:
    """Where the rows start <= index < stop lie, of a table with these origins."""
    begin = 0
    for one in origins:
        first, last = max(start - begin, 0), min(stop - begin, one.stop - one.start)
        if first < last:
            yield Origin(one.of, one.start + first, one.start + last)
        begin += one.stop - one.start


class Table:
    """Raw rows, their columns in order of appearance, and the sha256 of the content they came from.

    `identity` is worked out when it is first asked for. `notes` are sentences worth knowing of how it was read.
    `origins` say where the rows lie, in order: the same row of a file is the same one under whatever name.
    """

    def __init__(
        self,
        *,
        name: str,
        rows: Sequence[Row],
        columns: tuple[str, ...],
        identity: str | Callable[[], str],
        size_bytes: int | None = None,
        lines: Lines | None = None,
        notes: tuple[DataError, ...] = (),
        changed: Callable[[], bool] = lambda: False,
        origins: Sequence[Origin] = (),
    ) -> None:
        self.name, self.columns, self.size_bytes, self.lines, self.notes = name, columns, size_bytes, lines, notes
        self.rows: LazyRows = rows if isinstance(rows, LazyRows) else ListRows(rows)
        self.changed = changed  # whether the source is no longer what it was when it was opened; cheap to ask
        self.origins = tuple(origins) or (Origin(name, 0, len(self.rows)),)
        self._identity = identity
        self._lock = Lock()

    @property
    def identity(self) -> str:
        """The content's hash; a DataError where the source changed since it was opened."""
        with self._lock:
            if not isinstance(self._identity, str):
                self._identity = self._identity()
            return self._identity

    def sample(self, count: int) -> list[Row]:
        """The rows among the first `count` that can be read; where none of them can, some from further on."""
        found = _sound_rows(self.rows.read(0, min(count, len(self.rows))))
        return found or next(_sound_further_on(self.rows), [])[:count]

    def where(self, index: int) -> str:
        """What a sentence calls a row: counted from 1 as in the file, with its line where that differs."""
        place = self.rows.place(index)
        if place is not None:
            return place
        if self.lines is None or self.lines[index] == index + 1:
            return f"{index + 1}"
        return f"{index + 1} (line {self.lines[index]})"


class Source(Protocol):
    """A kind of source: whether a text in `data.source` is meant for it, and how it is opened."""

    def claims(self, source: str) -> bool: ...

    def open(self, source: str, *, split: str, settings: Settings, delimiter: str | None = None) -> Table: ...


def columns_of(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Every column that some row has, in order of first appearance."""
    found: dict[str, None] = {}
    for row in rows:
        if row.keys() - found.keys():
            found.update(dict.fromkeys(row))
    return tuple(found)


def sampled_columns(rows: LazyRows) -> tuple[str, ...]:
    """The columns of the first rows, or of some further on; the first row's DataError where none can be read."""
    found: dict[str, None] = {}
    for start in range(0, min(SAMPLE_ROWS, len(rows)), PROBED_AT_ONCE):
        some = _sound_rows(rows.read(start, min(start + PROBED_AT_ONCE, SAMPLE_ROWS, len(rows))))
        found.update(dict.fromkeys(columns_of(some)))
    if found or not len(rows):
        return tuple(found)
    return columns_of(sound_rows(rows))


def sound_rows(rows: LazyRows) -> list[Row]:
    """Some rows that can be read, wherever they lie; the first row's DataError where none can."""
    some = _sound_rows(rows.read(0, 1)) or next(_sound_further_on(rows), [])
    if not some:
        rows.row(0)
    return some


def _sound_rows(found: Iterable[Row | DataError]) -> list[Row]:
    return [one for one in found if not isinstance(one, DataError)]


def _sound_further_on(rows: LazyRows) -> Iterator[list[Row]]:
    """Rows that can be read, of places all over a table first, then one stretch after another up to MOST_DAMAGED."""
    spread = (*range(0, len(rows), max(1, len(rows) // PROBES)), max(0, len(rows) - PROBED_AT_ONCE))
    looked = ((start, PROBED_AT_ONCE) for start in spread)
    in_turn = ((start, ITERATED_AT_ONCE) for start in range(0, min(len(rows), MOST_DAMAGED), ITERATED_AT_ONCE))
    for start, count in chain(looked, in_turn):
        some = _sound_rows(rows.read(start, min(start + count, len(rows))))
        if some:
            yield some


def no_rows(name: str) -> DataError:
    return DataError("{file} holds no rows. Choose one with at least one row of data.", file=name)


def too_many_rows(name: str, rows: int) -> DataError:
    return DataError(
        "{file} holds {rows} rows; at most {most} are read. Save a part of it as a smaller file.",
        file=name,
        rows=f"{rows:,}",
        most=f"{MOST_ROWS:,}",
    )


def digest_of(*parts: str) -> str:
    """One identity of several."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
