"""Raw rows -> rendered rows of one data set type, with every row that cannot be rendered named. Tokenizes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.data.columns import Mapped
from studio.data.formats import FORMATS
from studio.data.formats.base import NothingToTrain
from studio.data.sources import Table
from studio.errors import DataError
from studio.methods.base import DatasetType

if TYPE_CHECKING:
    from datasets import Dataset, Features

Rendered = dict[str, Any]
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
    """Row number -> rendered row, in the order asked for; which were left out; and what is worth knowing."""

    rows: dict[int, Rendered]
    left_out: tuple[int, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Renderer:
    """How the rows of one table are rendered."""

    table: Table
    mapped: Mapped
    system_prompt: str | None
    dataset_type: DatasetType

    def row(self, index: int, remarks: list[DataError] | None = None) -> Rendered:
        """One rendered row; a DataError without its number where it cannot be."""
        return FORMATS[self.mapped.format].render(
            self.table.rows[index],
            columns=self.mapped.columns,
            system_prompt=self.system_prompt or None,
            dataset_type=self.dataset_type,
            remarks=remarks,
        )

    def rows(self, indexes: Iterable[int], *, of: int, most: int | None = None) -> Batch:
        """These rows, `most` at the most; one DataError for all that cannot be rendered.

        Rows with nothing to train are left out and noted. `of` is how many rows are in use.
        """
        rendered: dict[int, Rendered] = {}
        left_out: list[int] = []
        bad: list[tuple[int, DataError]] = []
        remarked: dict[str, list[tuple[int, DataError]]] = {}
        for index in indexes:
            remarks: list[DataError] = []
            try:
                made = self.row(index, remarks)
                _check_same_kind(made, rendered)
                rendered[index] = made
            except NothingToTrain as reason:
                remarks = [reason]
                left_out.append(index)
            except DataError as error:
                bad.append((index, error))
                continue
            for remark in remarks:
                remarked.setdefault(remark.template, []).append((index, remark))
            if len(rendered) == most:
                break
        if bad:
            raise self._refused(bad, of=of)
        return Batch(rendered, tuple(left_out), tuple(self._note(found) for found in remarked.values()))

    def _refused(self, bad: list[tuple[int, DataError]], *, of: int) -> DataError:
        """The first fault with all its rows, and how many rows have others."""
        first = bad[0][1]
        alike = [index for index, error in bad if error.template == first.template]
        if len(alike) < len(bad):
            return DataError(
                "{file}: {count} of {total} rows cannot be used. {problem} Rows: {rows} (counting from 1). "
                "{others} more have other faults. Fix these rows or remove them.",
                file=self.table.name,
                count=len(bad),
                total=of,
                rows=self.named(alike),
                problem=first,
                others=len(bad) - len(alike),
            )
        return DataError(
            "{file}: {count} of {total} rows cannot be used. {problem} Rows: {rows} (counting from 1). "
            "Fix these rows or remove them.",
            file=self.table.name,
            count=len(bad),
            total=of,
            rows=self.named(alike),
            problem=first,
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


def is_conversational(row: Rendered) -> bool:
    """Whether a rendered row holds turns, which need a chat template, or plain text."""
    return not isinstance(next(iter(row.values())), str)


def _check_same_kind(made: Rendered, before: dict[int, Rendered]) -> None:
    if before and is_conversational(made) != is_conversational(next(iter(before.values()))):
        raise DataError("The row mixes plain text and conversations with the rows before it.")


def to_dataset(rendered: list[Rendered]) -> Dataset:
    """Rendered rows as a `datasets.Dataset` in memory, its types stated and not guessed."""
    from datasets import Dataset

    return Dataset.from_list(rendered, features=_features(rendered[0]))


def _features(row: Rendered) -> Features:
    from datasets import Features, List, Value

    turns = List({"role": Value("string"), "content": Value("string")})
    return Features({name: Value("string") if isinstance(value, str) else turns for name, value in row.items()})
