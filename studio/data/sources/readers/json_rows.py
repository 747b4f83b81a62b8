"""A JSON file -> rows, whichever form it has: one object a line, objects one after another, a list, or an object.

Only where the rows lie is found at once; each is parsed when it is looked at, and a damaged one has its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from studio.data.sources.base import MOST_ROWS, Rows, no_rows, sampled_columns, too_many_rows
from studio.data.sources.readers.encoding import check_text
from studio.data.sources.readers.json_elements import SPACE, ValueRows, elements_of, first_byte
from studio.data.sources.readers.json_lines import read_lines
from studio.data.sources.readers.json_members import read_object
from studio.data.sources.readers.json_structure import Structure, find_structure
from studio.data.sources.readers.json_values import parse_value
from studio.data.sources.readers.spans import LARGEST_ROW
from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.data.sources.readers import Reading

HEAD = 1 << 20  # bytes in which a line that is an object by itself shows JSON lines
LINES = 100  # of them that are looked at


def read_json(file: SteadyFile, reading: Reading) -> Rows:
    """Whichever of its forms the file has."""
    start = check_text(file)
    position, first = first_byte(file, start)
    if first is None:
        raise no_rows(file.name)
    if first == ord("["):
        return _read_list(file, find_structure(file, position, levels=1))
    lines = _whole_lines(file, start)
    if first != ord("{") or (len(lines) > 1 and _is_object(lines[0]) and lines[1].lstrip(SPACE).startswith(b"{")):
        return read_lines(file, start)
    found = find_structure(file, position, levels=2)
    follows = _follows(file, found)
    if (found.end is None or follows is not None) and _are_mostly_objects(lines):
        return read_lines(file, start)
    if follows == ord("{") and _runs_over_lines(file, found):
        return _read_values(file, found)
    return read_object(file, found)


def read_json_lines(file: SteadyFile, reading: Reading) -> Rows:
    """One object a line; JSON of another form under that name is read as what it is, with a note."""
    start = check_text(file)
    position, first = first_byte(file, start)
    lines = _whole_lines(file, start)
    if first == ord("[") and not _are_mostly_objects(lines):
        found = find_structure(file, position, levels=1)
        over_lines = any(b"\n" in piece for piece in file.chunks(found.start, found.end))
        if over_lines or found.end is None or _follows(file, found) is None:
            return _noted(file, _read_list(file, found))
    # A line that is longer than the head is no part of an object that is laid out over several.
    if first == ord("{") and lines and not _is_object(lines[0]) and not _are_mostly_objects(lines):
        found = find_structure(file, position, levels=2)
        if _runs_over_lines(file, found):
            follows = _follows(file, found)
            if follows is None:
                return _noted(file, read_object(file, found))
            if follows == ord("{"):
                return _read_values(file, found)
    return read_lines(file, start)


def _noted(file: SteadyFile, rows: Rows) -> Rows:
    note = DataError(
        "{file} is one JSON value, not one object a line. It is read as a .json file is.",
        file=file.name,
    )
    return replace(rows, notes=(note, *rows.notes))


def _read_list(file: SteadyFile, found: Structure) -> Rows:
    rows = elements_of(file, found, level=1, opening=found.start, closing=found.end)
    return Rows(rows, sampled_columns(rows))


def _read_values(file: SteadyFile, first: Structure) -> Rows:
    """Objects laid out over lines, one after another, as `jq` writes them."""
    import numpy as np

    found = find_structure(file, first.start, levels=1, many=True)
    if len(found.opens[1]) > MOST_ROWS:
        raise too_many_rows(file.name, len(found.opens[1]))
    marks = np.append(found.opens[1], file.size)
    rows = ValueRows(file, marks, found.lines, tail=None, broken=found.end is None)
    note = DataError(
        "{file}: its objects run over several lines, one after another; each is read as a row.",
        file=file.name,
    )
    return Rows(rows, sampled_columns(rows), notes=(note,))


def _follows(file: SteadyFile, found: Structure) -> int | None:
    """The first byte after the value; None at the end of the file, or where the value does not end."""
    return None if found.end is None else first_byte(file, found.end + 1)[1]


def _runs_over_lines(file: SteadyFile, found: Structure) -> bool:
    """Whether the first value is a sound one of several lines."""
    if found.end is None or found.end - found.start > LARGEST_ROW:
        return False
    piece = file.read(found.start, found.end + 1)
    return (b"\n" in piece or b"\r" in piece) and _is_object(piece)


def _whole_lines(file: SteadyFile, start: int) -> Sequence[bytes]:
    """The first lines of the file's head that are there in full and not blank."""
    head = file.read(start, start + HEAD)
    lines = head.replace(b"\r", b"\n").split(b"\n")
    whole = lines if start + len(head) >= file.size else lines[:-1]
    return [line for line in whole if line.strip(SPACE)][:LINES]


def _are_mostly_objects(lines: Sequence[bytes]) -> bool:
    """Whether most lines are objects by themselves."""
    return 2 * sum(map(_is_object, lines)) > len(lines)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse_value(line), dict)
    except ValueError:  # RefusedError and UnicodeDecodeError
        return False
