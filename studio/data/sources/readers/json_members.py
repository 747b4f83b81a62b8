"""One JSON object that fills a file -> rows: a list of rows under a key, columns, or one row.

Is told where the object's parts lie.
"""

from __future__ import annotations

from itertools import pairwise

from studio.data.sources.base import ListRows, Rows, no_rows, sampled_columns
from studio.data.sources.readers.json_elements import (
    SPACE,
    CellRows,
    ColumnRows,
    ElementRows,
    IndexedCells,
    elements_of,
    first_byte,
    json_problem,
    json_value,
)
from studio.data.sources.readers.json_structure import Structure
from studio.data.sources.readers.spans import LARGEST_ROW
from studio.data.sources.steady import LineCounter, SteadyFile
from studio.errors import DataError

LONGEST_KEY = 1 << 16  # bytes
MOST_MEMBERS = 10_000  # of an object that is looked at as columns
# The keys under which rows are kept; other lists of objects, such as messages, are the value of a column.
HOLDERS = ("data", "rows", "examples", "instances", "items", "records", "samples")
SPLITS = ("train", "training", "validation", "valid", "val", "dev", "test", "eval", "evaluation")


def read_object(file: SteadyFile, found: Structure) -> Rows:
    """The rows of the object at `found.start`."""
    members = _members(file, found)
    lists = {name: value for name, value in members.items() if value.kind == ord("[")}
    holder = _holder(file, members, lists)
    if holder is not None:
        rows = elements_of(file, found, level=2, opening=lists[holder].start, closing=lists[holder].close(found))
        if rows.tail is None and len(members) > 1:
            rows = ElementRows(file, rows.marks, found.lines, tail=_others(file, found, members, skip=holder))
        if not len(rows):
            raise no_rows(file.name)
        return Rows(rows, sampled_columns(rows), notes=_left_out(file, lists, holder))
    if members and len(lists) == len(members) and all(value.inner != ord("{") for value in lists.values()):
        return _columns(file, found, lists)
    if members and found.end is not None and all(_is_indexed(file, one, found.lines) for one in members.values()):
        return _columns(file, found, members)
    return _one_row(file, found)


def _one_row(file: SteadyFile, found: Structure) -> Rows:
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
        self.inner = first_byte(file, self.start + 1)[1] if self.kind in (ord("["), ord("{")) else None

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


def _holder(file: SteadyFile, members: dict[str, _Member], lists: dict[str, _Member]) -> str | None:
    """The key whose list is the rows; several such lists are refused."""
    known = (*HOLDERS, *SPLITS)
    names = [name for name, value in lists.items() if value.inner == ord("{") and name.lower() in known]
    if len(names) > 1:
        raise DataError(
            "{file}: its keys {keys} hold a list of rows each. Save each list as a file of its own in one folder, such "
            "as train.jsonl and test.jsonl, and name the folder in data.source.",
            file=file.name,
            keys=", ".join(names[:8]),
        )
    if names:
        return names[0]
    return "data" if "data" in lists and (len(lists) < len(members) or len(members) == 1) else None


def _others(file: SteadyFile, found: Structure, members: dict[str, _Member], *, skip: str) -> DataError | None:
    """What is wrong with the members beside the rows."""
    for name, member in members.items():
        if name != skip and member.stop - member.start <= LARGEST_ROW:
            try:
                json_value(file, file.read(member.start, member.stop), member.start, found.lines)
            except DataError as error:
                return error
    return None


def _left_out(file: SteadyFile, lists: dict[str, _Member], holder: str) -> tuple[DataError, ...]:
    """Other lists that might have been meant as rows."""
    others = [name for name, value in lists.items() if name != holder and value.inner == ord("{")]
    if not others:
        return ()
    note = DataError(
        "{file}: the rows are those under the key {key}; left out are the lists under: {others}.",
        file=file.name,
        key=holder,
        others=", ".join(others[:8]),
    )
    return (note,)


def _is_indexed(file: SteadyFile, member: _Member, lines: LineCounter) -> bool:
    """Whether a value is an object whose first key is a number, as of a column that pandas wrote."""
    if member.kind != ord("{") or member.inner != ord('"'):
        return False
    begin = member.start + 1
    return _key(file, file.read(begin, min(member.stop, begin + LONGEST_KEY)), begin, lines)[0].isdecimal()


def _columns(file: SteadyFile, found: Structure, members: dict[str, _Member]) -> Rows:
    """Cells for each column, in a list or in an object with the rows' numbers as its keys."""
    if found.end is None:
        raise _lost(file, found)
    columns: dict[str, ElementRows] = {}
    for name, member in members.items():
        kind, bracket = (CellRows, b"]") if member.kind == ord("[") else (IndexedCells, b"}")
        cells = elements_of(file, found, level=2, opening=member.start, closing=member.close(found), bracket=bracket)
        if cells.tail is not None:
            raise cells.tail
        columns[name] = kind(file, cells.marks, found.lines, tail=None)
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            "{file}: the columns differ in length ({lengths}). Every column needs a value for every row.",
            file=file.name,
            lengths=", ".join(f"{name} {length}" for name, length in lengths.items()),
        )
    if not next(iter(lengths.values())):
        raise no_rows(file.name)
    return Rows(ColumnRows(columns, file.name), tuple(columns))


def _lost(file: SteadyFile, found: Structure) -> DataError:
    """Why the one object that the file should be is none."""
    piece = file.read(found.start, min(file.size, found.start + LARGEST_ROW))
    try:
        json_value(file, piece, found.start, found.lines)
    except DataError as error:
        return error
    return json_problem(file, "the outermost { is not closed", found.lines.line(file.size))
