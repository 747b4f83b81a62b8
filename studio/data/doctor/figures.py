"""What rows of given lengths cost a trainer: padding of random batches, blocks of packing, histograms. Exact sums.

Knows nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Lengths = npt.NDArray[np.int64]

BINS = 40
BATCH = 1000  # rows that TRL packs at a time
BATCHES = 50  # reckoned at the most
NICE = (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 40, 50, 64, 80, 100)


def edges(longest: int) -> list[int]:
    """The borders of about 40 equal bins from 0 to beyond the longest, at round numbers."""
    wanted = max(longest, 1) / BINS
    scale = 1
    while scale * NICE[-1] < wanted:
        scale *= 10
    width = next(scale * one for one in NICE if scale * one >= wanted)
    return [width * number for number in range(longest // width + 2)]


def histogram(values: Lengths, borders: Sequence[int]) -> list[int]:
    """How many values lie in each bin; a bin holds its lower border."""
    import numpy as np

    width = borders[1] - borders[0]
    return [int(one) for one in np.bincount(values // width, minlength=len(borders) - 1)]


def padded(widest: Lengths, batch_size: int) -> float:
    """The expected area (sequences times longest) of one epoch in random batches, the last one smaller.

    The chance that none of a batch's rows is longer than l is C(k, b) / C(n, b), k being the rows of at most l.
    """
    import numpy as np

    rows = len(widest)
    lengths, counts = np.unique(widest, return_counts=True)
    reached = np.cumsum(counts)
    full, rest = divmod(rows, batch_size)
    area = 0.0
    for size, batches in ((batch_size, full), (rest, 1)):
        if not (size and batches):
            continue
        drawn = np.arange(size)
        chance = np.ones(len(lengths))
        for number in drawn:
            chance *= np.maximum(reached - number, 0) / (rows - number)
        area += batches * size * float((lengths * np.diff(np.concatenate([[0.0], chance]))).sum())
    return area


def packed(lengths: Lengths, size: int, strategy: str) -> tuple[float, bool]:
    """How many blocks TRL's packing makes of rows in this order, and whether that is exact: of very many rows only
    some batches are reckoned, as no block spans two."""
    import numpy as np

    starts = np.arange(0, len(lengths), BATCH)
    chosen = starts if len(starts) <= BATCHES else starts[:: -(-len(starts) // BATCHES)]
    made = rows = 0
    for start in chosen:
        batch = lengths[start : start + BATCH]
        rows += len(batch)
        if strategy == "wrapped":
            made += -(-int(batch.sum()) // size)
        elif strategy == "bfd_split":
            whole, rest = np.divmod(batch, size)
            made += int(whole.sum()) + blocks(rest, size)
        else:
            made += blocks(np.minimum(batch, size), size)
    return (made * len(lengths) / rows if rows else 0.0), len(chosen) == len(starts)


def blocks(lengths: Lengths, size: int) -> int:
    """How many blocks of `size` best-fit-decreasing packing fills with rows that are no longer.

    As TRL packs, but by lengths and not row by row: bins with the same room left are all the same, and a bin takes
    as many rows of one length as fit before the next does, as the tightest fit is always the one just used.
    """
    import numpy as np

    counts = np.bincount(lengths[lengths > 0], minlength=size + 1)
    room = [0] * (size + 1)  # room[r]: opened blocks with r tokens left
    some = 0  # bit r is set where room[r] is not 0
    opened = 0
    for length in map(int, np.flatnonzero(counts)[::-1]):
        left = int(counts[length])
        while left:
            fitting = some >> length
            if fitting:
                space = length + (fitting & -fitting).bit_length() - 1
                available = room[space]
            else:
                space, available = size, left
            each = space // length
            used = min(available, left // each)
            if not used:  # too few rows are left to fill one block as far as it goes
                used, each = 1, left
            if fitting:
                room[space] -= used
                if not room[space]:
                    some &= ~(1 << space)
            else:
                opened += used
            rest = space - each * length
            if rest:
                room[rest] += used
                some |= 1 << rest
            left -= used * each
    return opened
