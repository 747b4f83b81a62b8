"""The text of CSV records -> their cells, by the rules of Python's `csv`, and a separator of any length.

Knows nothing of files, and nothing of what the first row means.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

LARGEST_CELL = 16 * 1024**2  # characters; csv's own limit of 131,072 is shorter than a long document
STAND_IN = "\x1f"  # stands for a separator of several characters while `csv`, which knows only short ones, reads


def split_lines(lines: Iterable[str], delimiter: str, *, strict: bool = True) -> Iterator[list[str]]:
    """The cells of each record; csv.Error where one is none. Lines with a stand-in are as `stood_in` gives them."""
    csv.field_size_limit(LARGEST_CELL)
    return csv.reader(lines, delimiter=delimiter if len(delimiter) == 1 else STAND_IN, strict=strict)


def split_text(text: str, delimiter: str, *, strict: bool = True) -> Iterator[list[str]]:
    """The same for a text, which must not hold the stand-in where the separator needs it."""
    if len(delimiter) == 1:
        yield from split_lines(io.StringIO(text, newline=""), delimiter, strict=strict)
        return
    lines = io.StringIO(text.replace(delimiter, STAND_IN), newline="")
    for cells in split_lines(lines, delimiter, strict=strict):
        yield [cell.replace(STAND_IN, delimiter) for cell in cells]


def stood_in(line: str, delimiter: str) -> str:
    """A line in which the stand-in is the separator, and nothing else is."""
    if len(delimiter) == 1:
        return line
    return line.replace(STAND_IN, "?").replace(delimiter, STAND_IN)
