"""CSV and TSV -> rows. Every cell stays the text it is: no numbers, no dates, no null."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.data.sources.base import Row, Rows, no_rows, sound_rows
from studio.data.sources.readers.cells import STAND_IN, split_text
from studio.data.sources.readers.delimiters import (
    CANDIDATES,
    SUGGESTED,
    find_delimiter,
    read_delimiter,
    shown,
    suggest_delimiter,
)
from studio.data.sources.readers.encoding import check_text, no_utf8
from studio.data.sources.readers.odd_characters import is_odd, refuse_odd
from studio.data.sources.readers.records import Records, index_records
from studio.data.sources.readers.spans import LARGEST_ROW, SpanRows
from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.data.sources.readers import Reading

HEAD = 1 << 18  # bytes that show what separates the cells
_EXCEL = re.compile(r'"?sep=([^\r\n])"?(?:\r\n|\r|\n)', re.IGNORECASE)  # the line that Excel writes and takes out


@dataclass(frozen=True)
class _Layout:
    """What separates the cells, as `chosen` by a person or as found; where the header begins and on which line.

    `head` is the text from there on, `whole` whether it is all of it.
    """

    delimiter: str
    chosen: bool
    start: int
    line: int
    head: str
    whole: bool


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
        if is_odd(block) or (len(self._delimiter) > 1 and STAND_IN.encode() in block):
            return super().parse_block(block, marks, first)
        try:
            found = [cells for cells in split_text(block.decode(), self._delimiter) if cells]
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
                "Fix the line; a cell that holds the separator ({separator}) or a line break needs double quotes.",
                file=self.file.name,
                line=self.line(index),
                found=len(cells),
                wanted=len(self._header),
                separator=shown(self._delimiter),
            )
        return dict(zip(self._header, cells, strict=True))


def read_csv(file: SteadyFile, reading: Reading) -> Rows:
    return _read(file, reading, usual=",")


def read_tsv(file: SteadyFile, reading: Reading) -> Rows:
    return _read(file, reading, usual="\t")


def _read(file: SteadyFile, reading: Reading, *, usual: str) -> Rows:
    layout, note = _layout(file, reading, usual)
    records = index_records(file, layout.delimiter, start=layout.start, line=layout.line)
    if len(records.lines) < 2:
        raise no_rows(file.name)
    header, unnamed = _header(file, records, layout)
    rows = DelimitedRows(file, records, header, layout.delimiter)
    other = _suggested(file, header, layout)
    try:
        sound_rows(rows)
    except DataError as error:
        if other is not None:
            raise other from error
        raise
    return Rows(rows, header, rows.lines, tuple(one for one in (note, other, unnamed) if one))


def _layout(file: SteadyFile, reading: Reading, usual: str) -> tuple[_Layout, DataError | None]:
    """How the file is laid out, and what is worth knowing of that."""
    start = check_text(file)
    chosen = read_delimiter(reading.delimiter)
    head = file.read(start, start + HEAD).decode("utf-8", "replace")
    whole = start + HEAD >= file.size
    excel = _EXCEL.match(head)
    if excel:
        layout = _Layout(
            chosen or excel[1], True, start + len(excel[0].encode()), 2, head=head[excel.end() :], whole=whole
        )
        return layout, DataError(
            "{file}: the first line, {line}, says what separates the cells. It is not read as a row.",
            file=file.name,
            line=excel[0].strip(),
        )
    delimiter = chosen or find_delimiter(head, usual=usual, whole=whole)
    layout = _Layout(delimiter, chosen is not None, start, 1, head=head, whole=whole)
    if layout.chosen or delimiter == usual:
        return layout, None
    return layout, DataError(
        "{file}: cells are separated by {delimiter}, as its header and first rows show. "
        "Another separator can be set in data.delimiter.",
        file=file.name,
        delimiter=shown(delimiter),
    )


def _header(file: SteadyFile, records: Records, layout: _Layout) -> tuple[tuple[str, ...], DataError | None]:
    """The names of the columns, and which of them the file leaves out."""
    begin, end = int(records.marks[0]), int(records.marks[1])
    piece = file.read(begin, min(end, begin + LARGEST_ROW))
    cells = split_record(piece, layout.delimiter, name=file.name, line=int(records.lines[0]))
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, start=1)]
    twice = [one for one, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            "{file}: the column {column!r} is in the header twice. Give each column its own name.",
            file=file.name,
            column=twice[0],
        )
    other = next((one for one in CANDIDATES if one != layout.delimiter and one in names[0]), None)
    if layout.chosen and len(names) == 1 and other:
        raise DataError(
            "{file}: the header {header!r} is separated by {other!r}, not by {wanted!r}. "
            "Set data.delimiter: auto, or to that separator.",
            file=file.name,
            header=names[0][:60],
            other=shown(other),
            wanted=shown(layout.delimiter),
        )
    unnamed = [number for number, cell in enumerate(cells, start=1) if not cell.strip()]
    if not unnamed:
        return tuple(names), None
    return tuple(names), DataError(
        "{file}: the header has no name for column {columns}; it is called by its number.",
        file=file.name,
        columns=", ".join(str(number) for number in unnamed[:5]) + (", ..." if len(unnamed) > 5 else ""),
    )


def _suggested(file: SteadyFile, header: tuple[str, ...], layout: _Layout) -> DataError | None:
    """A separator that is only taken where it is set, but that the rows share with the header."""
    first, twice = layout.head.lstrip("\r\n").partition("\n")[0], layout.delimiter * 2
    doubled = twice in SUGGESTED and first.count(layout.delimiter) == 2 * first.count(twice)
    if layout.chosen or not (len(header) == 1 or doubled):
        return None
    other = suggest_delimiter(layout.head, whole=layout.whole)
    if other is None:
        return None
    return DataError(
        "{file}: the header {header!r} and the rows share the separator {other}. "
        "If it separates the cells, set data.delimiter to it.",
        file=file.name,
        header=first.strip()[:60],
        other=shown(other),
    )


def split_record(piece: bytes, delimiter: str, *, name: str, line: int) -> list[str]:
    """The cells of one record; a DataError that names its first line where it is none."""
    refuse_odd(piece, name=name, line=line, more=STAND_IN.encode() if len(delimiter) > 1 else b"")
    try:
        return next((cells for cells in split_text(piece.decode(), delimiter) if cells), [])
    except UnicodeDecodeError as error:
        raise no_utf8(error, name=name, line=line) from error
    except csv.Error as error:
        used = delimiter if len(delimiter) == 1 else STAND_IN
        raise DataError(
            "{file}: the row that begins on line {line} is not valid CSV ({problem}). Check its double quotes.",
            file=name,
            line=line,
            problem=str(error).replace(f"'{used}'", shown(delimiter)),
        ) from error
