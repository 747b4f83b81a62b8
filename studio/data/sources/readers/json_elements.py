"""The elements of a list, values one after another, or the cells of columns in a JSON file -> rows.

Is told where they lie. A damaged element is a damaged row, with its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio.data.sources.base import MOST_ROWS, LazyRows, Row, too_many_rows
from studio.data.sources.readers.encoding import no_utf8
from studio.data.sources.readers.json_lines import invalid, no_object
from studio.data.sources.readers.json_structure import Structure
from studio.data.sources.readers.json_values import RefusedError, parse_value
from studio.data.sources.readers.spans import LARGEST_ROW, SpanRows
from studio.data.sources.steady import LineCounter, SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Offsets = npt.NDArray[np.int64]

SPACE = b" \t\n\r"


class ElementRows(SpanRows):
    """The elements of a list, between its commas."""

    gap = 1

    def __init__(
        self, file: SteadyFile, marks: Offsets, lines: LineCounter, *, tail: DataError | None, broken: bool = False
    ) -> None:
        super().__init__(file, marks, tail=tail)
        self._lines, self._broken = lines, broken

    def line(self, index: int) -> int:
        return self._lines.line(int(self.marks[index]) + 1)

    def parse(self, piece: bytes, index: int) -> Row:
        value = self.value(piece, index)
        if isinstance(value, dict):
            return value
        first = int(self.marks[index]) + 1 + len(piece) - len(piece.lstrip(SPACE))
        raise no_object(value, name=self.file.name, line=self._lines.line(first), row=index + 1)

    def value(self, piece: bytes, index: int) -> Any:
        """The element, whatever it is."""
        try:
            return json_value(self.file, piece, int(self.marks[index]) + self.gap, self._lines)
        except DataError as error:
            if not self._broken or index < self._spans - 1 or "problem" not in error.details:
                raise
            raise DataError(
                "{file}, line {line}: not valid JSON ({problem}), and from there on it is lost where rows begin and "
                "end. Fix the line, or save the file as JSON lines.",
                **error.details,
            ) from error

    def too_long(self, index: int) -> DataError:
        if not self._broken or index < self._spans - 1:
            return super().too_long(index)
        first = int(self.marks[index]) + self.gap
        try:
            self.value(self.file.read(first, first + LARGEST_ROW), index)
        except DataError as error:
            return error
        return super().too_long(index)


class CellRows(ElementRows):
    """A column of a file that has them one after another; its cells may be anything."""

    def parse(self, piece: bytes, index: int) -> Row:
        return {"": self.value(piece, index)}


class ValueRows(ElementRows):
    """Objects that follow one another with nothing between them."""

    gap = 0


class IndexedCells(ElementRows):
    """A column whose cells have the number of their row before them: `"0": ...`, as pandas writes them."""

    def parse(self, piece: bytes, index: int) -> Row:
        value = json_value(self.file, b"{%s}" % piece, int(self.marks[index]), self._lines)
        if not value:
            raise json_problem(self.file, "a key and a value are missing", self.line(index))
        return {str(key): cell for key, cell in value.items()}


class ColumnRows(LazyRows):
    """Columns of equal length, seen as rows. The cells of a row have one key, the same in each column."""

    def __init__(self, columns: Mapping[str, ElementRows], name: str) -> None:
        self._columns, self._name = columns, name
        self._length = min(len(cells) for cells in columns.values())

    def __len__(self) -> int:
        return self._length

    def read(self, start: int, stop: int) -> list[Row | DataError]:
        found: list[Row | DataError] = [{} for _ in range(start, stop)]
        keys: list[str | None] = [None] * (stop - start)
        for name, cells in self._columns.items():
            for place, cell in enumerate(cells.read(start, stop)):
                row = found[place]
                if isinstance(row, DataError):
                    continue
                if isinstance(cell, DataError):
                    found[place] = cell
                    continue
                ((key, row[name]),) = cell.items()
                if keys[place] not in (None, key):
                    found[place] = self._other_key(start + place, key, keys[place])
                keys[place] = key
        return found

    def _other_key(self, index: int, key: str, before: str | None) -> DataError:
        return DataError(
            "{file}: row {row} is {key!r} in one column and {before!r} in another. Every column needs the same rows "
            "in the same order.",
            file=self._name,
            row=index + 1,
            key=key,
            before=before,
        )


def elements_of(
    file: SteadyFile, found: Structure, *, level: int, opening: int, closing: int | None, bracket: bytes = b"]"
) -> ElementRows:
    """The elements from `opening` to `closing`, a `bracket`; a tail where the file does not end as it should."""
    import numpy as np

    commas = found.commas[level]
    end = file.size if closing is None else closing
    marks = np.concatenate([[opening], commas[(commas > opening) & (commas < end)], [end]]).astype(np.int64)
    if len(marks) - 1 > MOST_ROWS:
        raise too_many_rows(file.name, len(marks) - 1)
    blank = all(not piece.strip(SPACE) for piece in file.chunks(int(marks[-2]) + 1, end))
    if blank and (len(marks) == 2 or closing is None):
        marks = marks[:-1]
    if closing is not None:
        return ElementRows(file, marks, found.lines, tail=_after(file, found, closing, bracket))
    if len(marks) > 1:
        rows = ElementRows(file, marks, found.lines, tail=None, broken=True)
        if isinstance(rows.read(len(rows) - 1, len(rows))[0], DataError):
            return rows
    open_list = json_problem(file, "the list is not closed", found.lines.line(file.size))
    return ElementRows(file, marks, found.lines, tail=open_list)


def _after(file: SteadyFile, found: Structure, closing: int, bracket: bytes) -> DataError | None:
    """What is wrong behind the last element, if anything is."""
    if file.read(closing, closing + 1) != bracket:
        problem = "the list is closed by }" if bracket == b"]" else "an object is closed by ]"
        return json_problem(file, problem, found.lines.line(closing))
    if found.end is None:
        return json_problem(file, "the outermost { is not closed", found.lines.line(file.size))
    after, more = first_byte(file, found.end + 1)
    if more is not None:
        return json_problem(file, "there is more after the end of the list", found.lines.line(after))
    return None


def json_value(file: SteadyFile, piece: bytes, position: int, lines: LineCounter) -> Any:
    """The value in the bytes at `position`; a DataError with its line otherwise."""
    try:
        return parse_value(piece)
    except UnicodeDecodeError as error:
        inner = piece.strip(SPACE)
        raise no_utf8(error, name=file.name, line=lines.line(position + piece.find(inner))) from error
    except RefusedError as error:
        begin = position + len(piece) - len(piece.lstrip(SPACE))
        text = piece.strip(SPACE).decode()
        within = len(text[: error.position or 0].encode())
        raise invalid(file.name, lines.line(begin + within), error) from error


def json_problem(file: SteadyFile, problem: str, line: int) -> DataError:
    return invalid(file.name, line, RefusedError(problem))


def first_byte(file: SteadyFile, start: int) -> tuple[int, int | None]:
    """Where the first byte that is no white space lies, and which it is; None at the end of the file."""
    position = start
    for piece in file.chunks(start):
        rest = piece.lstrip(SPACE)
        if rest:
            return position + len(piece) - len(rest), rest[0]
        position += len(piece)
    return file.size, None
