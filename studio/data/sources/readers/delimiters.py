"""Which character separates the cells of a text table: as it is named, or as the first rows show. Reads no file."""

from __future__ import annotations

import csv
import io

from studio.errors import DataError

CANDIDATES = (",", "\t", ";", "|")
NAMES = {"comma": ",", "tab": "\t", "\\t": "\t", "semicolon": ";", "pipe": "|", "bar": "|", "space": " "}
RECORDS = 100  # that are looked at


def read_delimiter(text: str | None) -> str | None:
    """The character that a setting means; None where it is to be found out."""
    if text is None or text == "auto":
        return None
    found = NAMES.get(text.strip().lower(), text)
    if len(found) != 1 or found in '"\r\n\0':
        raise DataError(
            "data.delimiter is {delimiter!r}. It is one character, or one of {names}.",
            delimiter=text,
            names=", ".join(("auto", *NAMES)),
        )
    return found


def shown(delimiter: str) -> str:
    """What a sentence calls it."""
    return {"\t": "tab", " ": "space"}.get(delimiter, delimiter)


def find_delimiter(head: str, *, usual: str, whole: bool) -> str:
    """The candidate by which most rows have as many cells as the header, two at least; else the usual one.

    `head` is the beginning of a file, `whole` whether it is all of it.
    """
    best, score = usual, (0.0, 0, False)
    for one in CANDIDATES:
        rows = _rows(head, one, whole=whole)
        if not rows or len(rows[0]) < 2:
            continue
        width = len(rows[0])
        like = sum(len(row) == width for row in rows) / len(rows)
        if like >= 0.5 and (found := (round(like, 1), width, one == usual)) > score:
            best, score = one, found
    return best


def _rows(head: str, delimiter: str, *, whole: bool) -> list[list[str]]:
    """The first records that are whole."""
    rows: list[list[str]] = []
    try:
        for cells in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
            if cells:
                rows.append(cells)
            if len(rows) > RECORDS:
                return rows[:RECORDS]
    except csv.Error:
        return rows
    return rows if whole else rows[:-1]
