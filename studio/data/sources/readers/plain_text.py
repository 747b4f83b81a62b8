"""A text file -> one row a line, in the column `text`. Knows nothing of paragraphs or markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.data.sources.base import Row, Rows, sampled_columns
from studio.data.sources.readers.encoding import check_text, no_utf8
from studio.data.sources.readers.lines import Lines, index_lines
from studio.data.sources.readers.odd_characters import is_odd, refuse_odd
from studio.data.sources.readers.spans import SpanRows
from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.data.sources.readers import Reading

COLUMN = "text"


class TextRows(SpanRows):
    """Lines that are not blank, without their ends."""

    def __init__(self, file: SteadyFile, lines: Lines) -> None:
        super().__init__(file, lines.marks)
        self._lines = lines

    def line(self, index: int) -> int:
        return self._lines.number(index)

    def parse(self, piece: bytes, index: int) -> Row:
        if is_odd(piece):
            refuse_odd(piece, name=self.file.name, line=self.line(index))
        try:
            return {COLUMN: piece.splitlines()[0].decode()}
        except UnicodeDecodeError as error:
            raise no_utf8(error, name=self.file.name, line=self.line(index)) from error


def read_text(file: SteadyFile, reading: Reading) -> Rows:
    """Each line as it is; how many blank ones are passed over is noted."""
    lines = index_lines(file, start=check_text(file, may_be_markup=True))
    rows = TextRows(file, lines)
    notes: tuple[DataError, ...] = ()
    if lines.blank:
        notes = (
            DataError(
                "{file}: one row a line; blank lines, passed over: {count}.",
                file=file.name,
                count=f"{lines.blank:,}",
            ),
        )
    return Rows(rows, sampled_columns(rows), lines.numbers, notes)
