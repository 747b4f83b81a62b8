"""CSV and TSV -> rows. Every cell stays the text it is: no numbers, no dates, no null."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from studio.data.sources.base import Row, Rows, no_rows
from studio.data.sources.readers.delimiters import CANDIDATES, find_delimiter, read_delimiter, shown
from studio.data.sources.readers.encoding import check_text, no_utf8
from studio.data.sources.readers.records import LARGEST_CELL, Records, index_records
from studio.data.sources.readers.spans import LARGEST_ROW, SpanRows
from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.data.sources.readers import Reading

HEAD = 1 << 18  # bytes that show what separates the cells


class DelimitedRows(SpanRows):
    """The records after the header. One with too many or too few cells is a damaged row."""

    def __init__(self, file: SteadyFile, records: Records, header: tuple[str, ...], delimiter: str) -> None:
        super().__init__(file, records.marks[1:])
        self.lines = records.lines[1:]
        self._header, self._delimiter = header, delimiter

    def line(self, index: int) -> int:
        return int(self.lines[index])

    def parse_block(self, block: bytes, marks: list[int], first: int) -> list[Row | DataError]:
        """All at once where all is well, which is much faster; else one by one."""
        count, width = len(marks) - 1, len(self._header)
        try:
            found = [cells for cells in _split(block.decode(), self._delimiter) if cells]
        except (UnicodeDecodeError, csv.Error):
            return super().parse_block(block, marks, first)
        if len(found) != count or any(len(cells) != width for cells in found):
            return super().parse_block(block, marks, first)
        return [dict(zip(self._header, cells, strict=True)) for cells in found]

    def parse(self, piece: bytes, index: int) -> Row:
        cells = split_record(piece, self._delimiter, name=self.file.name, line=self.line(index))
        if len(cells) != len(self._header):
            raise DataError(
                "{file}, line {line}: {found} cells where the header has {wanted}. "
                "Fix the line; a cell that holds the separator or a line break needs double quotes.",
                file=self.file.name,
                line=self.line(index),
                found=len(cells),
                wanted=len(self._header),
            )
        return dict(zip(self._header, cells, strict=True))


def read_csv(file: SteadyFile, reading: Reading) -> Rows:
    return _read(file, reading, usual=",")


def read_tsv(file: SteadyFile, reading: Reading) -> Rows:
    return _read(file, reading, usual="\t")


def _read(file: SteadyFile, reading: Reading, *, usual: str) -> Rows:
    start = check_text(file)
    chosen = read_delimiter(reading.delimiter)
    delimiter = chosen or _found(file, start, usual)
    records = index_records(file, delimiter, start=start)
    if len(records.lines) < 2:
        raise no_rows(file.name)
    header, notes = _header(file, records, delimiter, is_chosen=chosen is not None)
    if chosen is None and delimiter != usual:
        notes.append(
            DataError(
                "{file}: cells are separated by {delimiter}, as its header and first rows show. "
                "Another separator can be set in data.delimiter.",
                file=file.name,
                delimiter=shown(delimiter),
            )
        )
    rows = DelimitedRows(file, records, header, delimiter)
    first = rows.read(0, min(len(rows), 100))
    if all(isinstance(one, DataError) for one in first):
        raise next(one for one in first if isinstance(one, DataError))
    return Rows(rows, header, rows.lines, tuple(notes))


def _found(file: SteadyFile, start: int, usual: str) -> str:
    head = file.read(start, start + HEAD)
    return find_delimiter(head.decode("utf-8", "replace"), usual=usual, whole=start + len(head) == file.size)


def _header(
    file: SteadyFile, records: Records, delimiter: str, *, is_chosen: bool
) -> tuple[tuple[str, ...], list[DataError]]:
    """The names of the columns, and what is worth knowing of them."""
    begin, end = int(records.marks[0]), int(records.marks[1])
    piece = file.read(begin, min(end, begin + LARGEST_ROW))
    cells = split_record(piece, delimiter, name=file.name, line=int(records.lines[0]))
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, start=1)]
    twice = [one for one, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            "{file}: the column {column!r} is in the header twice. Give each column its own name.",
            file=file.name,
            column=twice[0],
        )
    other = next((one for one in CANDIDATES if one != delimiter and one in names[0]), None)
    if is_chosen and len(names) == 1 and other:
        raise DataError(
            "{file}: the header {header!r} is separated by {other!r}, not by {wanted!r}. "
            "Set data.delimiter: auto, or to that separator.",
            file=file.name,
            header=names[0][:60],
            other=shown(other),
            wanted=shown(delimiter),
        )
    unnamed = [number for number, cell in enumerate(cells, start=1) if not cell.strip()]
    if not unnamed:
        return tuple(names), []
    note = DataError(
        "{file}: the header has no name for column {columns}; it is called by its number.",
        file=file.name,
        columns=", ".join(str(number) for number in unnamed[:5]) + (", ..." if len(unnamed) > 5 else ""),
    )
    return tuple(names), [note]


def split_record(piece: bytes, delimiter: str, *, name: str, line: int) -> list[str]:
    """The cells of one record; a DataError that names its first line where it is none."""
    try:
        return next((cells for cells in _split(piece.decode(), delimiter) if cells), [])
    except UnicodeDecodeError as error:
        raise no_utf8(error, name=name, line=line) from error
    except csv.Error as error:
        raise DataError(
            "{file}: the row that begins on line {line} is not valid CSV ({problem}). Check its double quotes.",
            file=name,
            line=line,
            problem=error,
        ) from error


def _split(text: str, delimiter: str) -> Sequence[list[str]]:
    csv.field_size_limit(LARGEST_CELL)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
