"""How the rows of one table are rendered, and how sentences name them. Tokenizes nothing."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from studio.data.columns import Mapped
from studio.data.formats import FORMATS
from studio.data.formats.base import Rendered, Rendering, Row
from studio.data.sources import Table
from studio.errors import DataError, StudioError

ROWS_NAMED = 5  # how many rows a sentence lists before "and N more"


class Note(str):
    """A sentence worth knowing. Like a StudioError it keeps template and details, so that it can be translated."""

    template: str
    details: dict[str, object]

    def __new__(cls, sentence: StudioError) -> Note:
        note = super().__new__(cls, str(sentence))
        note.template, note.details = sentence.template, sentence.details
        return note


@dataclass(frozen=True)
class Renderer:
    """One table with its format, its columns and what the method wants of its rows."""

    table: Table
    mapped: Mapped
    how: Rendering

    def render(self, row: Row) -> Rendered:
        """A raw row as the method takes it; a DataError without its number where it cannot be."""
        return FORMATS[self.mapped.format].render(row, self.how)


def named(places: Sequence[str], total: int) -> str:
    """`4, 9, 12, +7`: the first rows by name, and how many more of `total` there are."""
    shown = ", ".join(places[:ROWS_NAMED])
    more = total - min(len(places), ROWS_NAMED)
    return f"{shown}, +{more}" if more > 0 else shown


@dataclass
class Remarks:
    """Sentences about rows, gathered by their template: the first one's details, and every position it is about."""

    found: dict[str, tuple[dict[str, object], array[int]]]

    @classmethod
    def empty(cls) -> Remarks:
        return cls({})

    def add(self, position: int, sentence: DataError) -> None:
        """One sentence about one row. Details are kept as plain values, so that they can be written down."""
        if sentence.template not in self.found:
            details: dict[str, object] = {
                name: value if isinstance(value, int | float) else _writable(str(value))
                for name, value in sentence.details.items()
            }
            self.found[sentence.template] = (details, array("q"))
        self.found[sentence.template][1].append(position)

    def join(self, other: Remarks) -> None:
        """Take in what a later part of the rows has; the first details stay."""
        for template, (details, positions) in other.found.items():
            self.found.setdefault(template, (details, array("q")))[1].extend(positions)

    def positions(self) -> set[int]:
        return {one for _, positions in self.found.values() for one in positions}

    def as_json(self) -> list[list[object]]:
        return [[template, details, list(positions)] for template, (details, positions) in self.found.items()]

    @classmethod
    def from_json(cls, told: list[list[object]]) -> Remarks:
        made: dict[str, tuple[dict[str, object], array[int]]] = {}
        for template, details, positions in told:
            if not (isinstance(template, str) and isinstance(details, dict) and isinstance(positions, list)):
                raise ValueError("not what was written")
            made[template] = (details, array("q", positions))
        return cls(made)


def _writable(text: str) -> str:
    """A text with halves of surrogate pairs replaced: rows may hold them, UTF-8 may not."""
    return text.encode("utf-8", "replace").decode("utf-8")
