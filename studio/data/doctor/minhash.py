"""Token ids -> fingerprints of rows: one for rows that are equal, eight for rows that are much alike. Compares nothing.

MinHash over runs of four tokens (Broder, "On the resemblance and containment of documents", 1997): two rows that share
the part s of their runs have one of 8 bands of 4 minima in common with probability 1 - (1 - s^4)^8, which is 0.985 at
s = 0.8. Runs that many rows share, as a system prompt or a template makes them, do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    U32 = npt.NDArray[np.uint32]
    U64 = npt.NDArray[np.uint64]
    Offsets = npt.NDArray[np.int64]

RUN = 4  # tokens in a run
BANDS, MINIMA = 8, 4
COMMON_SHARE = 0.1  # a run in more of the rows than this says nothing about what they have of their own
FEWEST_COMMON = 8  # nor does a run in no more rows than this count as common
TABLE_BITS = 17
NO_BAND = 0  # of a row too short to have runs of its own


def fingerprints(ids: npt.NDArray[np.int32], offsets: Offsets) -> U64:
    """64 bits for each row's tokens in their order; equal rows have equal ones."""
    import numpy as np

    place = np.arange(len(ids), dtype=np.uint32) - np.repeat(offsets[:-1], np.diff(offsets)).astype(np.uint32)
    mixed = _mix(ids.astype(np.uint32) * np.uint32(0x9E3779B1) + place * np.uint32(0x85EBCA77))
    low = _sums(mixed, offsets)
    high = _sums(_mix(mixed ^ np.uint32(0x5BD1E995)), offsets)
    sizes = np.diff(offsets).astype(np.uint64)
    return (high << np.uint64(32)) ^ low ^ (sizes * np.uint64(0xD6E8FEB86659FD93))


def bands(ids: npt.NDArray[np.int32], offsets: Offsets, prints: U64) -> U32:
    """(rows, 8): rows that agree in one of them may be much alike."""
    import numpy as np

    rows = len(offsets) - 1
    runs, starts = runs_of(ids, offsets)
    own = ~common(runs, starts, prints)[runs >> np.uint32(32 - TABLE_BITS)]
    counted = np.concatenate([[0], np.cumsum(own)])
    starts = counted[starts]
    runs = runs[own]
    sizes = np.diff(starts)
    some = np.flatnonzero(sizes)
    found = np.full((rows, BANDS), NO_BAND, dtype=np.uint32)
    if not len(some):
        return found
    begins = starts[:-1][some]
    for band in range(BANDS):
        joined = np.full(len(some), band + 1, dtype=np.uint32)
        for number in range(MINIMA):
            factor = np.uint32(_FACTORS[band * MINIMA + number])
            joined = _mix(joined * np.uint32(0x9E3779B1) + np.minimum.reduceat(runs * factor, begins))
        found[some, band] = np.maximum(joined, 1)
    return found


def runs_of(ids: npt.NDArray[np.int32], offsets: Offsets) -> tuple[U32, Offsets]:
    """A hash of every run of four tokens that lies in one row, and where each row's begin."""
    import numpy as np

    empty = np.zeros(len(offsets), dtype=np.int64)
    if len(ids) < RUN:
        return np.empty(0, dtype=np.uint32), empty
    tokens = ids.view(np.uint32) if ids.dtype == np.int32 else ids.astype(np.uint32)
    pairs = tokens[:-1] * np.uint32(0x9E3779B1) + tokens[1:]
    runs = _mix(_mix(pairs[:-2]) * np.uint32(0x85EBCA77) + pairs[2:])
    sizes = np.diff(offsets)
    counts = np.maximum(sizes - RUN + 1, 0)
    inside = np.ones(len(ids), dtype=bool)
    for back in range(1, RUN):  # the last three tokens of each row begin no run
        ends = offsets[1:][sizes >= back] - back
        inside[ends] = False
    return runs[inside[: len(runs)]], np.concatenate([[0], np.cumsum(counts)])


def common(runs: U32, starts: Offsets, prints: U64, *, fewest: int = FEWEST_COMMON) -> npt.NDArray[np.bool_]:
    """Which places of a table, by a hash's highest bits, hold runs that many of these rows share.

    Rows that are equal count once: copies make nothing common.
    """
    import numpy as np

    _, first = np.unique(prints, return_index=True)
    limit = max(len(first) * COMMON_SHARE, fewest)
    places = runs >> np.uint32(32 - TABLE_BITS)
    counts = np.bincount(places, minlength=1 << TABLE_BITS)
    hot = np.flatnonzero(counts > limit)
    found = np.zeros(1 << TABLE_BITS, dtype=bool)
    if len(hot):  # a row that says the same again and again counts once as well
        number = np.full(1 << TABLE_BITS, -1, dtype=np.int32)
        number[hot] = np.arange(len(hot))
        numbers = number[places]
        often = numbers >= 0
        seen = np.zeros((len(prints), len(hot)), dtype=bool)
        seen[np.repeat(np.arange(len(prints)), np.diff(starts))[often], numbers[often]] = True
        found[hot] = seen[first].sum(axis=0) > limit
    return found


def _mix(values: U32) -> U32:
    """Spread every bit over all of them (the finalizer of MurmurHash3, with one multiplication less)."""
    import numpy as np

    values = values ^ (values >> np.uint32(16))
    values *= np.uint32(0xC2B2AE35)
    values ^= values >> np.uint32(15)
    return values


def _sums(values: U32, offsets: Offsets) -> U64:
    import numpy as np

    found = np.zeros(len(offsets) - 1, dtype=np.uint64)
    some = np.flatnonzero(np.diff(offsets))
    if len(some):
        found[some] = np.add.reduceat(values, offsets[:-1][some], dtype=np.uint64)
    return found


def _odd_numbers(count: int) -> list[int]:
    """Odd factors that permute 32-bit hashes, from a fixed linear congruential sequence."""
    state, found = 0x2545F491, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        found.append(state | 1)
    return found


_FACTORS: list[Any] = _odd_numbers(BANDS * MINIMA)
