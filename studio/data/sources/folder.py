"""The data files of a folder as one table, or as one for each split. Parses no file itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from studio.data.sources.base import MOST_ROWS, ListRows, Origin, Row, Table, digest_of, no_rows, too_many_rows
from studio.data.sources.data_files import Found, notes_of, some_of
from studio.data.sources.slices import PickedRows
from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

ALIKE_SHOWN = 3  # notes
Opener = Callable[[SteadyFile], Table]


def join_files(found: Found, opener: Opener) -> Mapping[str, Table]:
    """Split -> its files' rows one after another. A file that cannot be read is one damaged row."""
    notes = list(notes_of(found))
    opened: dict[str, list[Table]] = {}
    problem: DataError | None = None
    for split, files in found.by_split().items():
        try:
            opened[split], empty = _opened(found.folder, files, opener)
            notes += empty
        except DataError as error:
            problem = problem or error
            notes.append(
                DataError(
                    "{folder}: the split {split} cannot be read. {problem}",
                    folder=found.folder.name,
                    split=split,
                    problem=error,
                )
            )
    if problem is not None and not opened:
        raise problem
    return {split: _joined(found, split, tables, tuple(notes)) for split, tables in opened.items()}


class FileRows(PickedRows):
    """The rows of several files, called by file and row."""

    def __init__(self, tables: list[Table]) -> None:
        super().__init__([one.rows for one in tables], [(n, 0, len(one.rows)) for n, one in enumerate(tables)])
        self._tables = tables

    def place(self, index: int) -> str:
        which, row, _ = self.origin(index)
        table = self._tables[which]
        return f"{table.name}, row {table.where(row)}"


class UnreadRows(ListRows):
    """The one row that stands for a file that cannot be read."""

    def __init__(self, error: DataError) -> None:
        super().__init__([{}])
        self._error = error

    def read(self, start: int, stop: int) -> list[Row | DataError]:
        return [self._error] * (stop - start)


def _gathered(notes: list[DataError]) -> list[DataError]:
    """What the files' readers note; of many alike, the first and how many more."""
    made: list[DataError] = []
    for template in dict.fromkeys(note.template for note in notes):
        alike = [note for note in notes if note.template == template]
        if len(alike) <= ALIKE_SHOWN:
            made.extend(alike)
        else:
            more = len(alike) - 1
            made.append(DataError("{problem} The same holds for other files: {count}.", problem=alike[0], count=more))
    return made


def _unread(file: SteadyFile, error: DataError) -> Table:
    here = Origin(file.origin, 0, 1)
    return Table(name=file.name, rows=UnreadRows(error), columns=(), identity=lambda: _digest(file), origins=[here])


def _digest(file: SteadyFile) -> str:
    """The content's hash, or that of the stamp where nobody may read the content."""
    try:
        return file.digest
    except DataError:
        return digest_of(file.name, repr(file.stamp))


def _opened(folder: Path, files: list[SteadyFile], opener: Opener) -> tuple[list[Table], list[DataError]]:
    """A split's files, and a note of those without rows; DataError where none can be read or none has rows."""
    tables: list[Table] = []
    empty: list[str] = []
    errors: list[DataError] = []
    for file in files:
        try:
            tables.append(opener(file))
        except DataError as error:
            if error.template == no_rows("").template:
                empty.append(file.name)
                continue
            errors.append(error)
            tables.append(_unread(file, error))
    if errors and len(errors) == len(tables):
        raise errors[0]
    if not tables:
        raise no_rows(folder.name)
    if not empty:
        return tables, []
    note = DataError(
        "{folder}: files without rows: {count} ({files}).",
        folder=folder.name,
        count=len(empty),
        files=some_of(empty),
    )
    return tables, [note]


def _joined(found: Found, split: str, tables: list[Table], notes: tuple[DataError, ...]) -> Table:
    files = found.by_split()[split]
    total = sum(len(one.rows) for one in tables)
    if total > MOST_ROWS:
        raise too_many_rows(found.folder.name, total)
    return Table(
        name=found.folder.name,
        rows=FileRows(tables),
        columns=tuple(dict.fromkeys(column for table in tables for column in table.columns)),
        identity=lambda: digest_of(*(f"{table.name} {table.identity}" for table in tables)),
        size_bytes=sum(file.size for file in files),
        notes=(*notes, *_gathered([note for table in tables for note in table.notes])),
        changed=lambda: any(file.changed() for file in files),
        origins=[one for table in tables for one in table.origins],
    )
