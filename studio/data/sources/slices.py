"""`train[:5%]`, `train[100:200]+train[-50:]`: which rows of which split, as `datasets` has it. Opens nothing."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from studio.data.sources.base import LazyRows, Row, Table, digest_of, no_rows, origins_between
from studio.errors import DataError

ROUNDINGS = ("closest", "pct1_dropremainder")
_PART = re.compile(
    r"^(?P<split>\w+(?:\.\w+)*)"
    r"(?:\[(?:(?P<start>-?\d+(?:_\d+)*)(?P<start_percent>%)?)?:(?:(?P<stop>-?\d+(?:_\d+)*)(?P<stop_percent>%)?)?\])?"
    r"(?:\((?P<rounding>[^)]*)\))?$"
)


@dataclass(frozen=True)
class Slice:
    """One term of the sum. Bounds are rows, or hundredths where `percent`; None is the end on that side."""

    split: str
    start: int | None = None
    stop: int | None = None
    percent: bool = False
    rounding: str = "closest"

    def bounds(self, rows: int) -> tuple[int, int]:
        """The first row and the one after the last, of a split that has so many rows."""
        start, stop = self._bound(self.start, 0, rows), self._bound(self.stop, rows, rows)
        return min(start, rows), max(min(stop, rows), min(start, rows))

    def _bound(self, bound: int | None, default: int, rows: int) -> int:
        if bound is None:
            return default
        if self.percent and self.rounding == "closest":
            bound = round(bound * rows / 100.0)
        elif self.percent:
            bound *= math.trunc(rows / 100.0)
        return max(rows + bound, 0) if bound < 0 else bound


def parse_split(text: str) -> tuple[Slice, ...]:
    """The terms of `data.split`."""
    return tuple(_term(part.strip(), text) for part in text.split("+"))


def _term(part: str, text: str) -> Slice:
    found = _PART.match(part)
    start, stop = (_number(found[name]) if found else None for name in ("start", "stop"))
    marked = [bool(found[f"{name}_percent"]) for name in ("start", "stop") if found[name]] if found else []
    percent, mixed = any(marked), len(set(marked)) > 1
    beyond = percent and any(abs(bound) > 100 for bound in (start, stop) if bound is not None)
    rounding = found["rounding"] if found else None
    wrong = rounding is not None and (rounding not in ROUNDINGS or not percent)
    if found is None or mixed or beyond or wrong:
        raise DataError(
            "data.split is {split!r}. It is the name of a split, or some of its rows such as train[:5%], "
            "train[100:200] or train[:10%]+train[90%:].",
            split=text[:120],
        )
    return Slice(found["split"], start, stop, percent, rounding or "closest")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None else None


Stretch = tuple[int, int, int]  # (which of several, first row, one past the last)


class PickedRows(LazyRows):
    """Stretches of other rows, one after another."""

    def __init__(self, rows: Sequence[LazyRows], stretches: Sequence[Stretch]) -> None:
        self._rows, self._stretches = rows, stretches
        self._ends = list(accumulate(stop - start for _, start, stop in stretches))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def read(self, start: int, stop: int) -> list[Row | DataError]:
        found: list[Row | DataError] = []
        position = start
        while position < stop:
            which, row, left = self.origin(position)
            count = min(stop - position, left)
            found.extend(self._rows[which].read(row, row + count))
            position += count
        return found

    def origin(self, index: int) -> tuple[int, int, int]:
        """(which of the others, its row, how many of the stretch are left from there)."""
        number = bisect_right(self._ends, index)
        which, start, stop = self._stretches[number]
        row = start + index - (self._ends[number - 1] if number else 0)
        return which, row, stop - row


class _Picked(PickedRows):
    """Rows of tables, called as those tables call them."""

    def __init__(self, tables: Sequence[Table], stretches: Sequence[Stretch], names: Sequence[str]) -> None:
        super().__init__([table.rows for table in tables], stretches)
        self._tables, self._names = tables, names

    def place(self, index: int) -> str:
        which, row, _ = self.origin(index)
        place = self._tables[which].where(row)
        return f"{self._names[which]} {place}" if len(self._tables) > 1 else place


def take_split(splits: Mapping[str, Table], text: str, *, name: str) -> Table:
    """The rows of `splits` that a text such as `train[:5%]` names."""
    terms = parse_split(text)
    for term in terms:
        if term.split not in splits:
            raise _no_split(name, term.split, splits)
        if term.percent and term.rounding == "pct1_dropremainder" and len(splits[term.split].rows) < 100:
            raise DataError(
                "{file}: pct1_dropremainder takes whole hundredths, and the split {split} has only {rows} rows. "
                "Use the percentages without it.",
                file=name,
                split=term.split,
                rows=len(splits[term.split].rows),
            )
    if len(terms) == 1 and terms[0] == Slice(terms[0].split):
        return splits[terms[0].split]
    names = list(dict.fromkeys(term.split for term in terms))
    tables = [splits[one] for one in names]
    stretches = [(names.index(term.split), *term.bounds(len(splits[term.split].rows))) for term in terms]
    rows = _Picked(tables, stretches, names)
    if not len(rows):
        raise no_rows(f"{name}, {text},")
    return Table(
        name=name,
        rows=rows,
        columns=tuple(dict.fromkeys(column for table in tables for column in table.columns)),
        identity=lambda: digest_of(*(table.identity for table in tables), *map(repr, stretches)),
        size_bytes=sum(table.size_bytes or 0 for table in tables) or None,
        notes=tuple(note for table in tables for note in table.notes),
        changed=lambda: any(table.changed() for table in tables),
        origins=[one for which, *bounds in stretches for one in origins_between(tables[which].origins, *bounds)],
    )


def _no_split(name: str, split: str, splits: Mapping[str, Table]) -> DataError:
    if set(splits) == {"train"}:
        return DataError(
            "{file} has no split {split!r}: as a file it is one split, train. "
            "Set data.split to train, or to a part of it such as train[:90%].",
            file=name,
            split=split,
        )
    return DataError(
        "{file} has no split {split!r}. There are: {splits}. Set data.split to one of them, or to a part of one "
        "such as train[:5%].",
        file=name,
        split=split,
        splits=", ".join(splits),
    )
