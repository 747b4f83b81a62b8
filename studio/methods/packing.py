"""Which pieces of which rows share a packed block, reckoned from lengths alone as TRL packs (1.16, `pack_dataset`).

The trainer packs the tokens itself; a test holds the two together. Knows nothing of tokens.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Strategy = Literal["bfd", "bfd_split", "wrapped"]
Piece = tuple[int, int, int]  # row position, start, end of its tokens
Block = list[Piece]

AT_ONCE = 1000  # rows that `datasets.map` hands to the packing at a time: no block spans two such batches


def packed(
    lengths: Sequence[int] | npt.NDArray[np.integer[Any]], *, max_length: int, strategy: Strategy
) -> Iterator[Block]:
    """The blocks of rows of these lengths, in the trainer's order."""
    for start in range(0, len(lengths), AT_ONCE):
        batch = [int(length) for length in lengths[start : start + AT_ONCE]]
        if strategy == "wrapped":
            yield from _wrapped(batch, first=start, size=max_length)
        else:
            yield from _fitted(batch, first=start, size=max_length, split=strategy == "bfd_split")


def _wrapped(lengths: Sequence[int], *, first: int, size: int) -> Iterator[Block]:
    """All tokens one after the other, cut at every `size`, wherever that is in a row."""
    block: Block = []
    room = size
    for row, length in enumerate(lengths, first):
        start = 0
        while start < length:
            end = min(length, start + room)
            block.append((row, start, end))
            room -= end - start
            start = end
            if room == 0:
                yield block
                block, room = [], size
    if block:
        yield block


def _fitted(lengths: Sequence[int], *, first: int, size: int, split: bool) -> Iterator[Block]:
    """Best fit, the longest first: each piece goes into the fullest block that still has room for it."""
    pieces: list[Piece] = []
    block: Block
    for row, length in enumerate(lengths, first):
        for start in range(0, length if split else min(length, 1), size):
            pieces.append((row, start, min(start + size, length)))
    pieces.sort(key=lambda piece: piece[1] - piece[2])  # stable: rows of one length stay in their order
    blocks: list[Block] = []
    with_room: defaultdict[int, deque[Block]] = defaultdict(deque)
    rooms: list[int] = []  # sorted, each once, those with a block
    for piece in pieces:
        length = piece[2] - piece[1]
        at = bisect_left(rooms, length)
        if at == len(rooms):
            block, room = [], size
            blocks.append(block)
        else:
            room = rooms[at]
            block = with_room[room].popleft()
            if not with_room[room]:
                del rooms[at]
        block.append(piece)
        left = room - length
        if left:
            if not with_room[left]:
                insort(rooms, left)
            with_room[left].append(block)
    yield from blocks
