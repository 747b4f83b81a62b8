"""JSON lines -> rows, each parsed when it is looked at. A damaged line is a damaged row, and no more.

Is told that there is one object a line.
"""

from __future__ import annotations

from typing import Any

from studio.data.sources.base import Row, Rows, sampled_columns
from studio.data.sources.readers.encoding import no_utf8
from studio.data.sources.readers.json_values import RefusedError, parse_value
from studio.data.sources.readers.lines import Lines, index_lines
from studio.data.sources.readers.spans import SpanRows
from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

_KINDS: dict[type, str] = {list: "list", str: "text", bool: "true or false", int: "number", float: "number"}


class JsonLineRows(SpanRows):
    """One object a line; blank lines are passed over."""

    def __init__(self, file: SteadyFile, lines: Lines) -> None:
        super().__init__(file, lines.marks)
        self._lines = lines

    def line(self, index: int) -> int:
        return self._lines.number(index)

    def parse(self, piece: bytes, index: int) -> Row:
        try:
            value = parse_value(piece)
        except UnicodeDecodeError as error:
            if error.end == len(error.object) and self._ends_within(piece, index):
                raise _cut_off(self.file.name, self.line(index), "the last character is not whole") from error
            raise no_utf8(error, name=self.file.name, line=self.line(index)) from error
        except RefusedError as error:
            if error.is_cut and self._ends_within(piece, index):
                raise _cut_off(self.file.name, self.line(index), str(error)) from error
            if str(error).startswith("a comma"):
                error = RefusedError("there is more after the first value")
            raise invalid(self.file.name, self.line(index), error) from error
        if isinstance(value, dict):
            return value
        raise no_object(value, name=self.file.name, line=self.line(index), row=index + 1)

    def _ends_within(self, piece: bytes, index: int) -> bool:
        """Whether the file ends without ending this line."""
        return index == self._spans - 1 and not piece.endswith((b"\n", b"\r"))


def read_lines(file: SteadyFile, start: int) -> Rows:
    """One object a line, from the byte `start` on."""
    lines = index_lines(file, start=start)
    rows = JsonLineRows(file, lines)
    return Rows(rows, sampled_columns(rows), lines.numbers)


def invalid(name: str, line: int, error: ValueError) -> DataError:
    return DataError(
        "{file}, line {line}: not valid JSON ({problem}). Fix the line or remove it.",
        file=name,
        line=line,
        problem=str(error),
    )


def _cut_off(name: str, line: int, problem: str) -> DataError:
    return DataError(
        "{file}, line {line}: not valid JSON ({problem}): the file ends within this line, so it seems to be cut off. "
        "Download or write the file again, or remove the line.",
        file=name,
        line=line,
        problem=problem,
    )


def no_object(value: Any, *, name: str, line: int, row: int) -> DataError:
    return DataError(
        "{file}, line {line}: row {row} is {kind}, not an object of columns such as {example}.",
        file=name,
        line=line,
        row=row,
        kind="null" if value is None else f"a JSON {_KINDS[type(value)]}",
        example='{"prompt": "...", "completion": "..."}',
    )
