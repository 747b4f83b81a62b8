"""Fingerprints -> groups of rows that are much alike, each pair verified on its tokens. Knows nothing of what is done.

Candidates share a band; each is compared with the first of its band and with the one before it, so that the work
grows with the rows and not with their pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from studio.data.doctor.base import distinct
from studio.data.doctor.minhash import NO_BAND, TABLE_BITS, common, runs_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from studio.data.doctor.base import Rows

    Positions = npt.NDArray[np.int64]

ALIKE = 0.8  # the share of runs that two rows must have in common
SAMPLED = 1000  # rows that tell which runs are common
AT_ONCE = 1024  # pairs verified at once
FEWEST_RUNS = 4  # of its own that a row must have to be compared


def groups(
    bands: npt.NDArray[np.uint32],
    prints: npt.NDArray[np.uint64],
    kinds: npt.NDArray[np.int8],
    rows: Rows,
) -> Positions:
    """For each position the first position of those it is much alike, itself where there are none.

    Rows with equal `prints` are equal, and only the first of them is compared; rows of other `kinds` never are.
    """
    import numpy as np

    _, first, inverse = np.unique(prints, return_index=True, return_inverse=True)
    firsts = np.sort(first[(bands[first] != NO_BAND).any(axis=1)])
    parent = np.arange(len(prints), dtype=np.int64)
    if len(firsts) < 2:
        return np.asarray(first[inverse])
    table = _common_of(firsts, rows)
    for band in range(bands.shape[1]):
        for pairs in _pairs(bands[firsts, band], firsts):
            parent = _roots(parent)
            one, other = pairs.T
            apart = pairs[(parent[one] != parent[other]) & (kinds[one] == kinds[other])]
            for start in range(0, len(apart), AT_ONCE):
                some = apart[start : start + AT_ONCE]
                for earlier, later in some[_alike(some, rows, table)]:
                    _unite(parent, int(earlier), int(later))
    return np.asarray(_roots(parent)[first[inverse]])


def _common_of(firsts: Positions, rows: Rows) -> npt.NDArray[np.bool_]:
    """The runs that many rows share, seen in some rows drawn evenly from all that differ."""
    import numpy as np

    drawn = np.sort(np.random.default_rng(0).permutation(firsts)[:SAMPLED])
    ids, offsets = rows(drawn)
    runs, starts = runs_of(ids, offsets)
    return common(runs, starts, np.arange(len(drawn), dtype=np.uint64), fewest=3)


def _pairs(band: npt.NDArray[np.uint32], firsts: Positions) -> Iterator[npt.NDArray[np.int64]]:
    """Pairs of positions that share a band: with the band's first, then with the neighbour."""
    import numpy as np

    some = np.flatnonzero(band != NO_BAND)
    order = some[np.argsort(band[some], kind="stable")]
    values = band[order]
    begins = np.concatenate([[True], values[1:] != values[:-1]]) if len(values) else np.empty(0, dtype=bool)
    head = np.maximum.accumulate(np.where(begins, np.arange(len(values)), 0))
    others = np.flatnonzero(~begins)
    positions = firsts[order]
    yield np.stack([positions[head[others]], positions[others]], axis=1)
    chained = others[head[others] != others - 1]
    yield np.stack([positions[chained - 1], positions[chained]], axis=1)


def _alike(
    pairs: npt.NDArray[np.int64],
    rows: Rows,
    table: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Which pairs share enough of the runs that are their own (Jaccard index of the two sets)."""
    import numpy as np

    positions, inverse = np.unique(pairs, return_inverse=True)
    runs, starts = runs_of(*rows(positions))
    owner = np.repeat(np.arange(len(positions), dtype=np.uint64), np.diff(starts))
    own = ~table[runs >> np.uint32(32 - TABLE_BITS)]
    keys = distinct((owner[own] << np.uint64(32)) | runs[own])
    counts = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(positions))
    begins = np.concatenate([[0], np.cumsum(counts)])
    left, right = inverse.reshape(-1, 2).T
    shared = np.zeros(len(pairs), dtype=np.int64)
    hashes = keys & np.uint64(0xFFFFFFFF)
    both = [_gathered(hashes, begins, side, counts) for side in (left, right)]
    joined = np.sort(np.concatenate(both))
    same = joined[1:][joined[1:] == joined[:-1]]
    np.add.at(shared, (same >> np.uint64(32)).astype(np.int64), 1)
    either = counts[left] + counts[right] - shared
    enough = np.minimum(counts[left], counts[right]) >= FEWEST_RUNS
    found: npt.NDArray[np.bool_] = enough & (shared >= ALIKE * either)
    return found


def _gathered(
    hashes: npt.NDArray[np.uint64], begins: Positions, chosen: npt.NDArray[np.intp], counts: Positions
) -> npt.NDArray[np.uint64]:
    """The hashes of each chosen row, with the number of its pair in the upper half."""
    import numpy as np

    sizes = counts[chosen]
    pair = np.repeat(np.arange(len(chosen), dtype=np.uint64), sizes)
    inner = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return (pair << np.uint64(32)) | hashes[np.repeat(begins[:-1][chosen], sizes) + inner]


def _roots(parent: Positions) -> Positions:
    """Every position's group as the first position in it."""
    import numpy as np

    while True:
        higher = parent[parent]
        if np.array_equal(higher, parent):
            return parent
        parent = higher


def _unite(parent: Positions, one: int, other: int) -> None:
    while parent[one] != one:
        one = int(parent[one])
    while parent[other] != other:
        other = int(parent[other])
    parent[max(one, other)] = min(one, other)
