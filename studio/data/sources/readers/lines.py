"""Where the lines of a large text file begin, found in chunks by two threads. Reads no row."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.data.sources.base import MOST_ROWS, too_many_rows
from studio.data.sources.steady import SteadyFile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Offsets = npt.NDArray[np.int64]

CHUNK = 1 << 20  # bytes; the chunk and its masks stay in the processor's cache
THREADS = 2  # numpy works outside Python's lock
ALONE = 8 << 20  # bytes up to which one thread is as fast

_LF, _CR = 10, 13
_BLANK = (9, _LF, _CR, 32)
_SOLID, _EMPTY, _UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class Lines:
    """`marks[n]` is where the n-th line that is not blank begins, the last one the end of the file.

    A line's blank followers belong to its stretch. `numbers` are line numbers, None where they are 1, 2, 3, ...
    """

    marks: Offsets
    numbers: Offsets | None
    blank: int

    def number(self, index: int) -> int:
        return index + 1 if self.numbers is None else int(self.numbers[index])


def index_lines(file: SteadyFile, *, start: int = 0) -> Lines:
    """Lines end by LF, CRLF or CR alone: a text may hold any other line separator."""
    import numpy as np

    size = file.size
    parts = 1 if size - start <= ALONE else THREADS
    edges = [start + (size - start) * part // parts for part in range(parts + 1)]
    if parts == 1:
        found = [_part(file, start, size)]
    else:
        with ThreadPoolExecutor(parts, thread_name_prefix="lines") as pool:
            found = list(pool.map(lambda edge: _part(file, *edge), pairwise(edges)))
    head = file.read(start, start + 1)
    starts = np.concatenate([np.array([start] if head else [], dtype=np.int64), *(one[0] for one in found)])
    states = [np.array([_UNKNOWN if head[0] in _BLANK else _SOLID] if head else [], dtype=np.int8)]
    state = np.concatenate([*states, *(one[1] for one in found)])
    for one in np.flatnonzero(state == _UNKNOWN).tolist():
        end = int(starts[one + 1]) if one + 1 < len(starts) else size
        if all(not piece.strip(bytes(_BLANK)) for piece in file.chunks(int(starts[one]), end)):
            state[one] = _EMPTY
    solid = np.flatnonzero(state != _EMPTY)
    if len(solid) > MOST_ROWS:
        raise too_many_rows(file.name, len(solid))
    shifted = len(solid) > 0 and int(solid[-1]) != len(solid) - 1
    marks = np.append(starts[solid], size)
    return Lines(marks, solid + 1 if shifted else None, len(starts) - len(solid))


def _part(file: SteadyFile, first: int, last: int) -> tuple[Offsets, npt.NDArray[np.int8]]:
    """Where lines begin after the breaks from `first` to `last`, and whether each is blank."""
    import numpy as np

    starts: list[Offsets] = [np.zeros(0, dtype=np.int64)]
    states = [np.zeros(0, dtype=np.int8)]
    for begin in range(first, last, CHUNK):
        end = min(begin + CHUNK, last)
        block = file.read(begin, end + 1)  # one byte more: a CR there may have its LF, a break the line after it
        chunk = np.frombuffer(block, dtype=np.uint8)
        local = _breaks(chunk, block, end - begin) + 1
        local = local[local < len(chunk)]  # what would begin at the end of the file is no line
        if len(local):
            starts.append(local + begin)
            states.append(_states(chunk, local))
    return np.concatenate(starts), np.concatenate(states)


def _breaks(chunk: npt.NDArray[np.uint8], block: bytes, count: int) -> Offsets:
    """Where lines end among the first `count` bytes."""
    import numpy as np

    ends = np.flatnonzero(chunk[:count] == _LF)
    if block.find(b"\r", 0, count) < 0:
        return ends
    returns = np.flatnonzero(chunk[:count] == _CR)
    followed = returns + 1 < len(chunk)
    followed[followed] = chunk[returns[followed] + 1] == _LF
    return np.sort(np.concatenate([ends, returns[~followed]])) if not followed.all() else ends


def _states(chunk: npt.NDArray[np.uint8], starts: Offsets) -> npt.NDArray[np.int8]:
    """Of each line that begins in the chunk whether it is blank; unknown where it goes on after the chunk."""
    import numpy as np

    doubtful = np.isin(chunk[starts], np.array(_BLANK, dtype=np.uint8))
    state = np.full(len(starts), _SOLID, dtype=np.int8)
    if doubtful.any():
        blank = np.zeros(256, dtype=bool)
        blank[list(_BLANK)] = True
        state[~np.logical_or.reduceat(~blank[chunk], starts)] = _EMPTY
        if state[-1] == _EMPTY:
            state[-1] = _UNKNOWN
    return state
