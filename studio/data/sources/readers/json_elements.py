"""The elements of a list, or the cells of columns, in a JSON file -> rows. Is told where they lie.

A damaged element is a damaged row, with its line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.data.sources.base import LazyRows, Row
from studio.data.sources.readers.encoding import no_utf8
from studio.data.sources.readers.json_lines import invalid, no_object
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


class ColumnRows(LazyRows):
    """Columns of equal length, seen as rows."""

    def __init__(self, columns: dict[str, CellRows]) -> None:
        self._columns = columns
        self._length = min(len(cells) for cells in columns.values())

    def __len__(self) -> int:
        return self._length

    def read(self, start: int, stop: int) -> list[Row | DataError]:
        found: list[Row | DataError] = [{} for _ in range(start, stop)]
        for name, cells in self._columns.items():
            for place, cell in enumerate(cells.read(start, stop)):
                row = found[place]
                if isinstance(row, dict):
                    if isinstance(cell, DataError):
                        found[place] = cell
                    else:
                        row[name] = cell[""]
        return found


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
