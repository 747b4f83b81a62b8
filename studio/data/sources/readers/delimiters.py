"""What separates the cells of a text table: as it is named, or as the first rows show. Reads no file."""

from __future__ import annotations

import csv

from studio.data.sources.readers.cells import STAND_IN, split_text
from studio.errors import DataError

CANDIDATES = (",", "\t", ";", "|")
SUGGESTED = ("||", "::", "^", "~", ":", "¦", "§", "\x01")  # too rare to be taken without being asked for
NAMES = {"comma": ",", "tab": "\t", "\\t": "\t", "semicolon": ";", "pipe": "|", "bar": "|", "space": " "}
RECORDS = 100  # that are looked at
MOST_LIKE = 0.9  # of the rows have as many cells as the header where a separator is suggested


def read_delimiter(text: str | None) -> str | None:
    """The separator that a setting means; None where it is to be found out."""
    if text is None or text == "auto":
        return None
    found = NAMES.get(text.strip().lower(), text)
    if not found or any(one in '"\r\n\0' for one in found) or (STAND_IN in found and len(found) > 1):
        raise DataError(
            "data.delimiter is {delimiter!r}. It is one character or several, but no quote and no line break, or one "
            "of {names}.",
            delimiter=text,
            names=", ".join(("auto", *NAMES)),
        )
    return found


def shown(delimiter: str) -> str:
    """What a sentence calls it."""
    named = {"\t": "tab", " ": "space"}.get(delimiter, delimiter)
    return named if named.isprintable() else repr(named)[1:-1]


def find_delimiter(head: str, *, usual: str, whole: bool) -> str:
    """The candidate by which most rows have as many cells as the header, two at least; else the usual one.

    `head` is the beginning of a file, `whole` whether it is all of it.
    """
    best, score = usual, (0.0, 0, False)
    for one in CANDIDATES:
        width, like = _fit(head, one, whole=whole)
        if width >= 2 and like >= 0.5 and (found := (round(like, 1), width, one == usual)) > score:
            best, score = one, found
    return best


def suggest_delimiter(head: str, *, whole: bool) -> str | None:
    """What nearly all rows share with the header, where none of the candidates separates cells."""
    for one in SUGGESTED:
        width, like = _fit(head, one, whole=whole)
        if width >= 2 and like >= MOST_LIKE:
            return one
    return None


def _fit(head: str, delimiter: str, *, whole: bool) -> tuple[int, float]:
    """(cells of the header, share of the first rows that have as many)."""
    rows = _rows(head, delimiter, whole=whole)
    width = len(rows[0]) if rows else 0
    return width, sum(len(row) == width for row in rows) / max(1, len(rows))


def _rows(head: str, delimiter: str, *, whole: bool) -> list[list[str]]:
    """The first records that are whole."""
    rows: list[list[str]] = []
    try:
        for cells in split_text(head, delimiter, strict=False):
            if cells:
                rows.append(cells)
            if len(rows) > RECORDS:
                return rows[:RECORDS]
    except csv.Error:
        return rows
    return rows if whole else rows[:-1]
