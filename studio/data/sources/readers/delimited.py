"""CSV and TSV -> rows. Every cell stays the text it is: no numbers, no dates, no null."""

from __future__ import annotations

import csv
import io
from collections import Counter

from studio.data.sources.base import Row, Rows
from studio.data.sources.readers.encoding import decode
from studio.errors import DataError

LARGEST_CELL = 2**31 - 1  # characters; csv's own limit of 131,072 is shorter than a long document


def read_csv(content: bytes, name: str) -> Rows:
    return _read(content, name, delimiter=",")


def read_tsv(content: bytes, name: str) -> Rows:
    return _read(content, name, delimiter="\t")


def _read(content: bytes, name: str, *, delimiter: str) -> Rows:
    csv.field_size_limit(LARGEST_CELL)
    reader = csv.reader(io.StringIO(decode(content, name), newline=""), delimiter=delimiter, strict=True)
    header: tuple[str, ...] = ()
    rows: list[Row] = []
    lines: list[int] = []
    start = 1  # the line on which a row begins; a quoted cell may run over several
    try:
        for cells in reader:
            if not cells:
                pass  # a blank line
            elif not header:
                header = _header(cells, name, delimiter=delimiter)
            else:
                if len(cells) != len(header):
                    raise DataError(
                        "{file}, line {line}: {found} cells where the header has {wanted}. "
                        "Fix the line; a cell that holds the separator or a line break needs double quotes.",
                        file=name,
                        line=start,
                        found=len(cells),
                        wanted=len(header),
                    )
                rows.append(dict(zip(header, cells, strict=True)))
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            "{file}: the row that begins on line {line} is not valid CSV ({problem}). Check its double quotes.",
            file=name,
            line=start,
            problem=error,
        ) from error
    return Rows(rows, header, lines)


def _header(cells: list[str], name: str, *, delimiter: str) -> tuple[str, ...]:
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, start=1)]
    twice = [one for one, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            "{file}: the column {column!r} is in the header twice. Give each column its own name.",
            file=name,
            column=twice[0],
        )
    other = ";" if delimiter == "," else ","
    if len(names) == 1 and other in names[0]:
        raise DataError(
            "{file}: the header {header!r} is separated by {other!r}, not by {wanted!r}. Save it with that separator.",
            file=name,
            header=names[0][:60],
            other=other,
            wanted="tab" if delimiter == "\t" else delimiter,
        )
    return tuple(names)
