"""Raw rows -> rendered rows, with every row that cannot be rendered named. Tokenizes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.data.columns import Mapped
from studio.data.formats import FORMATS
from studio.data.formats.base import NothingToTrain, Rendered, Rendering
from studio.data.sources import Table
from studio.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset, Features

Columns = dict[str, Any]  # a rendered row as the trainer takes it
ROWS_NAMED = 5  # how many rows a sentence lists before "and N more"


class Note(str):
    """A sentence worth knowing. Like a StudioError it keeps template and details, so that it can be translated."""

    template: str
    details: dict[str, object]

    def __new__(cls, sentence: DataError) -> Note:
        note = super().__new__(cls, str(sentence))
        note.template, note.details = sentence.template, sentence.details
        return note


@dataclass(frozen=True)
class Batch:
    """Row number -> rendered columns, in the order asked for; which were left out; and what is worth knowing."""

    rows: dict[int, Columns]
    left_out: tuple[int, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Renderer:
    """How the rows of one table are rendered."""

    table: Table
    mapped: Mapped
    how: Rendering

    def row(self, index: int) -> Rendered:
        """One rendered row; a DataError without its number where it cannot be."""
        return FORMATS[self.mapped.format].render(self.table.rows[index], self.how)

    def rows(self, indexes: Iterable[int], *, of: int, most: int | None = None) -> Batch:
        """These rows, `most` at the most; one DataError for all that cannot be rendered.

        Rows with nothing to train are left out and noted. `of` is how many rows are in use.
        """
        rendered: dict[int, Rendered] = {}
        left_out: list[int] = []
        bad: list[tuple[int, DataError]] = []
        remarked: dict[str, list[tuple[int, DataError]]] = {}
        for index in indexes:
            try:
                made = self.row(index)
                _check_same_kind(made, rendered)
            except NothingToTrain as reason:
                left_out.append(index)
                remarked.setdefault(reason.template, []).append((index, reason))
                continue
            except DataError as error:
                bad.append((index, error))
                continue
            rendered[index] = made
            for remark in made.remarks:
                remarked.setdefault(remark.template, []).append((index, remark))
            if len(rendered) == most:
                break
        if bad:
            raise self._refused(bad, of=of)
        rows = {index: made.columns for index, made in rendered.items()}
        return Batch(rows, tuple(left_out), tuple(self._note(found) for found in remarked.values()))

    def _refused(self, bad: list[tuple[int, DataError]], *, of: int) -> DataError:
        """The first fault with all its rows, and how many rows have others."""
        first = bad[0][1]
        alike = [index for index, error in bad if error.template == first.template]
        details = {
            "file": self.table.name,
            "count": len(bad),
            "total": of,
            "problem": first,
            "rows": self.named(alike),
        }
        if len(alike) == len(bad):
            return DataError(
                "{file}: {count} of {total} rows cannot be used. {problem} Rows: {rows} (counting from 1). "
                "Fix these rows or remove them.",
                **details,
            )
        return DataError(
            "{file}: {count} of {total} rows cannot be used. {problem} Rows: {rows} (counting from 1). "
            "{others} more have other faults. Fix these rows or remove them.",
            others=len(bad) - len(alike),
            **details,
        )

    def _note(self, found: list[tuple[int, DataError]]) -> Note:
        return Note(
            DataError(
                "{problem} Rows: {rows} ({count} in all).",
                problem=found[0][1],
                rows=self.named([index for index, _ in found]),
                count=len(found),
            )
        )

    def named(self, indexes: Sequence[int]) -> str:
        """`4, 9, 12`, with line numbers where they differ, and how many more there are."""
        shown = ", ".join(self.table.where(index) for index in indexes[:ROWS_NAMED])
        more = len(indexes) - ROWS_NAMED
        return f"{shown}, +{more}" if more > 0 else shown


def _check_same_kind(made: Rendered, before: Mapping[int, Rendered]) -> None:
    if before and made.is_conversational != next(iter(before.values())).is_conversational:
        raise DataError("The row mixes plain text and conversations with the rows before it.")


def to_dataset(rendered: list[Columns]) -> Dataset:
    """Rendered rows as a `datasets.Dataset` in memory, its types stated and not guessed."""
    from datasets import Dataset

    return Dataset.from_list(rendered, features=_features(rendered[0]))


def _features(row: Columns) -> Features:
    from datasets import Features, List, Value

    turns = List({"role": Value("string"), "content": Value("string")})
    return Features({name: Value("string") if isinstance(value, str) else turns for name, value in row.items()})
