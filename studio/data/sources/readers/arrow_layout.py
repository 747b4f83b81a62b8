"""Where the messages of an Arrow file or stream lie and what they would unpack to. Unpacks nothing.

The layout is that of https://arrow.apache.org/docs/format/Columnar.html: each message is a length, a flatbuffer
and a body; a file is a stream between a mark and a footer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

FILE_MARK = b"ARROW1\0\0"
LARGEST_HEAD = 64 * 1024**2  # bytes of one message's flatbuffer
SCHEMA, DICTIONARY, BATCH = 1, 2, 3


@dataclass(frozen=True)
class Message:
    """One message from byte `start` to `stop`; `rows` and `unpacked` bytes for batches."""

    kind: int
    start: int
    stop: int
    rows: int
    unpacked: int


def messages(file: SteadyFile) -> Iterator[Message]:
    """The messages in order. DataError where the file is none, or ends within one."""
    position = len(FILE_MARK) if file.read(0, len(FILE_MARK)) == FILE_MARK else 0
    try:
        while position < file.size:
            first, second = struct.unpack("<ii", file.read(position, position + 8).ljust(8, b"\0"))
            length, skipped = (second, 8) if first == -1 else (first, 4)
            if length == 0:
                return
            begin = position + skipped
            if not 0 < length <= LARGEST_HEAD or begin + length > file.size:
                raise invalid(file.name, "it ends within a message" if length > 0 else "a length is negative")
            head = Flat(file.read(begin, begin + length))
            kind, body = head.number(head.root, 1, "B"), head.number(head.root, 3, "q")
            stop = begin + length + body
            if body < 0 or stop > file.size:
                raise invalid(file.name, "it ends within a message")
            rows, unpacked = _batch(file, head, kind, begin + length) if kind in (DICTIONARY, BATCH) else (0, 0)
            yield Message(kind, position, stop, rows, unpacked)
            position = stop
    except (struct.error, IndexError) as error:
        raise invalid(file.name, "a message cannot be read") from error


def _batch(file: SteadyFile, head: Flat, kind: int, body: int) -> tuple[int, int]:
    """(rows, bytes when unpacked) of the batch that a message holds."""
    table = head.table(head.root, 2)
    if kind == DICTIONARY:
        table = head.table(table, 1)
    buffers, count = head.vector(table, 2)
    packed = head.place(table, 3) is not None
    unpacked = 0
    for number in range(count):
        offset, length = struct.unpack_from("<qq", head.data, buffers + 16 * number)
        if packed and length >= 8:
            stated = struct.unpack("<q", file.read(body + offset, body + offset + 8))[0]
            length = length if stated < 0 else stated
        unpacked += length
    return max(0, head.number(table, 0, "q")), unpacked


class Flat:
    """The little of a flatbuffer that is needed: tables, numbers, vectors."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.root = self._at("I", 0)

    def _at(self, kind: str, position: int) -> int:
        if position < 0:
            raise IndexError(position)
        return int(struct.unpack_from(f"<{kind}", self.data, position)[0])

    def place(self, table: int, field: int) -> int | None:
        """Where a table's field lies; None where it is left out."""
        fields = table - self._at("i", table)
        entry = 4 + 2 * field
        offset = self._at("H", fields + entry) if entry < self._at("H", fields) else 0
        return table + offset if offset else None

    def number(self, table: int, field: int, kind: str) -> int:
        place = self.place(table, field)
        return 0 if place is None else self._at(kind, place)

    def table(self, table: int, field: int) -> int:
        place = self.place(table, field)
        if place is None:
            raise IndexError(field)
        return place + self._at("I", place)

    def vector(self, table: int, field: int) -> tuple[int, int]:
        """(where its first element lies, how many there are)."""
        place = self.place(table, field)
        if place is None:
            return 0, 0
        begin = place + self._at("I", place)
        return begin + 4, self._at("I", begin)


def invalid(name: str, problem: str) -> DataError:
    return DataError(
        "{file} is not a valid Arrow file ({problem}). Download or save it again; if it is of another kind, give its "
        "name the ending of that kind.",
        file=name,
        problem=problem,
    )
