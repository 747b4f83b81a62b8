"""A JSON file -> rows: a list of objects, `{"data": [...]}`, columns, one object, or JSON lines under that name.

Only where the elements lie is found at once; each is parsed when it is looked at, and a damaged one has its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.data.sources.base import MOST_ROWS, ListRows, Rows, no_rows, sampled_columns, too_many_rows
from studio.data.sources.readers.encoding import check_text
from studio.data.sources.readers.json_elements import (
    SPACE,
    CellRows,
    ColumnRows,
    ElementRows,
    first_byte,
    json_problem,
    json_value,
)
from studio.data.sources.readers.json_lines import read_json_lines
from studio.data.sources.readers.json_structure import Structure, find_structure
from studio.data.sources.readers.json_values import parse_value
from studio.data.sources.readers.spans import LARGEST_ROW
from studio.data.sources.steady import LineCounter, SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    from studio.data.sources.readers import Reading

HEAD = 1 << 20  # bytes in which a line that is an object by itself shows JSON lines
LONGEST_KEY = 1 << 16  # bytes
MOST_MEMBERS = 10_000  # of an object that is looked at as columns


def read_json(file: SteadyFile, reading: Reading) -> Rows:
    """Whichever of its forms the file has."""
    start = check_text(file)
    position, first = first_byte(file, start)
    if first is None:
        raise no_rows(file.name)
    if first not in b"[{" or (first == ord("{") and _begins_like_lines(file, start)):
        return read_json_lines(file, reading)
    if first == ord("["):
        found = find_structure(file, position, levels=1)
        rows = _elements(file, found, level=1, opening=position, closing=found.end)
        return Rows(rows, sampled_columns(rows))
    found = find_structure(file, position, levels=2)
    lost = found.end is None or first_byte(file, found.end + 1)[1] is not None
    if lost and _mostly_lines(file, start):
        return read_json_lines(file, reading)
    return _wrapped(file, found)


def _elements(file: SteadyFile, found: Structure, *, level: int, opening: int, closing: int | None) -> ElementRows:
    """The elements of the list from `opening` to `closing`; a tail where the file does not end as it should."""
    import numpy as np

    commas = found.commas[level]
    end = file.size if closing is None else closing
    marks = np.concatenate([[opening], commas[(commas > opening) & (commas < end)], [end]]).astype(np.int64)
    if len(marks) - 1 > MOST_ROWS:
        raise too_many_rows(file.name, len(marks) - 1)
    blank = all(not piece.strip(SPACE) for piece in file.chunks(int(marks[-2]) + 1, end))
    if blank and (len(marks) == 2 or closing is None):
        marks = marks[:-1]
    if closing is not None:
        return ElementRows(file, marks, found.lines, tail=_after(file, found, closing))
    if len(marks) > 1:
        rows = ElementRows(file, marks, found.lines, tail=None, broken=True)
        if isinstance(rows.read(len(rows) - 1, len(rows))[0], DataError):
            return rows
    open_list = json_problem(file, "the list is not closed", found.lines.line(file.size))
    return ElementRows(file, marks, found.lines, tail=open_list)


def _after(file: SteadyFile, found: Structure, closing: int) -> DataError | None:
    """What is wrong behind the last element, if anything is."""
    if file.read(closing, closing + 1) != b"]":
        return json_problem(file, "the list is closed by }", found.lines.line(closing))
    if found.end is None:
        return json_problem(file, "the outermost { is not closed", found.lines.line(file.size))
    after, more = first_byte(file, found.end + 1)
    if more is not None:
        return json_problem(file, "there is more after the end of the list", found.lines.line(after))
    return None


def _wrapped(file: SteadyFile, found: Structure) -> Rows:
    """One object: rows under "data", columns, or one row."""
    members = _members(file, found)
    lists = {name: value for name, value in members.items() if value.kind == ord("[")}
    data = lists.get("data")
    if data is not None and (data.inner == ord("{") or len(lists) < len(members) or len(members) == 1):
        rows = _elements(file, found, level=2, opening=data.start, closing=data.close(found))
        if rows.tail is None and len(members) > 1:
            rows = ElementRows(file, rows.marks, found.lines, tail=_others(file, found, members, skip="data"))
        return Rows(rows, sampled_columns(rows)) if len(rows) else _none(file)
    if members and len(lists) == len(members) and all(value.inner != ord("{") for value in lists.values()):
        return _columns(file, found, lists)
    if found.end is None or found.end - found.start > LARGEST_ROW:
        raise _lost(file, found)
    row = json_value(file, file.read(found.start, found.end + 1), found.start, found.lines)
    after, more = first_byte(file, found.end + 1)
    if more is not None:
        raise json_problem(file, "there is more after the first value", found.lines.line(after))
    return Rows(ListRows([row]), tuple(row)) if row else Rows(ListRows([row]))


class _Member:
    """A key's value in the outermost object: where it begins, its first byte, and that of its first element."""

    def __init__(self, file: SteadyFile, start: int, stop: int) -> None:
        self.start, self.kind = first_byte(file, start)
        self.stop = stop
        self.inner = first_byte(file, self.start + 1)[1] if self.kind == ord("[") else None

    def close(self, found: Structure) -> int | None:
        """Where its bracket closes."""
        closes = found.closes[2]
        after = closes[closes > self.start]
        return int(after[0]) if len(after) else None


def _members(file: SteadyFile, found: Structure) -> dict[str, _Member]:
    """The outermost object's keys in order; a key that is there twice, or no key at all, is refused."""
    if len(found.commas[1]) > MOST_MEMBERS:
        return {}
    edges = [found.start, *found.commas[1].tolist(), file.size if found.end is None else found.end]
    members: dict[str, _Member] = {}
    for begin, end in pairwise(edges):
        piece = file.read(begin + 1, min(end, begin + LONGEST_KEY))
        if not piece.strip(SPACE) and len(edges) == 2:
            break
        name, size = _key(file, piece, begin + 1, found.lines)
        if name in members:
            raise json_problem(file, f"the key {name!r} is there twice", found.lines.line(begin + 1))
        members[name] = _Member(file, begin + 1 + size, end)
    return members


def _key(file: SteadyFile, piece: bytes, position: int, lines: LineCounter) -> tuple[str, int]:
    """The key that a member begins with, and how many bytes it takes with its colon."""
    begin = len(piece) - len(piece.lstrip(SPACE))
    end = piece.find(b'"', begin + 1)
    while end > 0 and (len(piece[begin:end]) - len(piece[begin:end].rstrip(b"\\"))) % 2:
        end = piece.find(b'"', end + 1)
    colon = end + 1 + len(piece[end + 1 :]) - len(piece[end + 1 :].lstrip(SPACE))
    if piece[begin : begin + 1] != b'"' or end < 0 or piece[colon : colon + 1] != b":":
        raise json_problem(file, "a key in double quotes and a colon are missing", lines.line(position + begin))
    return str(json_value(file, piece[begin : end + 1], position + begin, lines)), colon + 1


def _others(file: SteadyFile, found: Structure, members: dict[str, _Member], *, skip: str) -> DataError | None:
    """What is wrong with the members beside the rows."""
    for name, member in members.items():
        if name != skip and member.stop - member.start <= LARGEST_ROW:
            try:
                json_value(file, file.read(member.start, member.stop), member.start, found.lines)
            except DataError as error:
                return error
    return None


def _columns(file: SteadyFile, found: Structure, members: dict[str, _Member]) -> Rows:
    """A list of cells for each column."""
    if found.end is None:
        raise _lost(file, found)
    columns: dict[str, CellRows] = {}
    for name, member in members.items():
        cells = _elements(file, found, level=2, opening=member.start, closing=member.close(found))
        if cells.tail is not None:
            raise cells.tail
        columns[name] = CellRows(file, cells.marks, found.lines, tail=None)
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            "{file}: the columns differ in length ({lengths}). Every column needs a value for every row.",
            file=file.name,
            lengths=", ".join(f"{name} {length}" for name, length in lengths.items()),
        )
    return Rows(ColumnRows(columns), tuple(columns)) if next(iter(lengths.values())) else _none(file)


def _none(file: SteadyFile) -> Rows:
    raise no_rows(file.name)


def _lost(file: SteadyFile, found: Structure) -> DataError:
    """Why the one object that the file should be is none."""
    piece = file.read(found.start, min(file.size, found.start + LARGEST_ROW))
    try:
        json_value(file, piece, found.start, found.lines)
    except DataError as error:
        return error
    return json_problem(file, "the outermost { is not closed", found.lines.line(file.size))


def _whole_lines(file: SteadyFile, start: int) -> Sequence[bytes]:
    """The lines of the file's head that are there in full and not blank."""
    head = file.read(start, start + HEAD)
    lines = head.replace(b"\r", b"\n").split(b"\n")
    whole = lines if start + len(head) >= file.size else lines[:-1]
    return [line for line in whole if line.strip(SPACE)]


def _begins_like_lines(file: SteadyFile, start: int) -> bool:
    """Whether the first line is an object by itself, and another begins after it."""
    lines = _whole_lines(file, start)[:2]
    return len(lines) == 2 and _is_object(lines[0]) and lines[1].lstrip(SPACE).startswith(b"{")


def _mostly_lines(file: SteadyFile, start: int) -> bool:
    """Whether most of the first lines are objects by themselves."""
    lines = _whole_lines(file, start)[:100]
    return 2 * sum(map(_is_object, lines)) > len(lines)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse_value(line), dict)
    except ValueError:  # RefusedError and UnicodeDecodeError
        return False
