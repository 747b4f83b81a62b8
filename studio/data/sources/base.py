"""What a source gives: rows as they are, before any format reads them. Knows nothing of formats or settings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, overload

from studio.errors import DataError

if TYPE_CHECKING:
    from studio.settings import Settings

Row = dict[str, Any]


class LazyRows(Sequence[Row]):
    """Rows that are each made only when they are looked at."""

    @abstractmethod
    def row(self, index: int) -> Row:
        """The row at 0 <= index < len."""

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self.row(one) for one in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.row(index % len(self))


@dataclass(frozen=True)
class Rows:
    """What a reader makes of a file. `lines` holds each row's line number where it differs from the row's own."""

    rows: Sequence[Row]
    columns: tuple[str, ...]
    lines: Sequence[int] | None = None


@dataclass(frozen=True)
class Table:
    """Raw rows, their columns in order of appearance, and the sha256 of the content they came from."""

    name: str
    rows: Sequence[Row]
    columns: tuple[str, ...]
    identity: str
    size_bytes: int | None
    lines: Sequence[int] | None = None

    def where(self, index: int) -> str:
        """What a sentence calls a row: counted from 1 as in the file, with its line where that differs."""
        if self.lines is None or self.lines[index] == index + 1:
            return f"{index + 1}"
        return f"{index + 1} (line {self.lines[index]})"


class Source(Protocol):
    """A kind of source: whether a text in `data.source` is meant for it, and how it is opened."""

    def claims(self, source: str) -> bool: ...

    def open(self, source: str, *, split: str, settings: Settings) -> Table: ...


def columns_of(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Every column that some row has, in order of first appearance."""
    found: dict[str, None] = {}
    for row in rows:
        if row.keys() - found.keys():
            found.update(dict.fromkeys(row))
    return tuple(found)


def no_rows(name: str) -> DataError:
    return DataError("{file} holds no rows. Choose one with at least one row of data.", file=name)


def only_train(name: str, split: str) -> None:
    """A single file has no splits: a split that is asked for must not be ignored in silence."""
    if split != "train":
        raise DataError(
            "{file} has no split {split!r}: only data sets from the Hub have splits. Set data.split: train.",
            file=name,
            split=split,
        )
