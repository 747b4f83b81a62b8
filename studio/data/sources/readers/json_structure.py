"""Where the elements of a large JSON list or object lie, found in chunks without parsing any. Checks no value.

Only brackets, commas, quotes and backslashes are looked at; a text's own brackets and commas count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.data.sources.steady import LineCounter, SteadyFile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Offsets = npt.NDArray[np.int64]

CHUNK = 1 << 21  # bytes
_QUOTE, _BACKSLASH, _OPEN, _CLOSE, _COMMA = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Structure:
    """Positions of what matters in the first value of a file that begins with a bracket.

    `commas[level]`, `opens[level]` and `closes[level]` are those directly within level 1 (the outermost bracket), 2,
    ...; a bracket counts for the level it opens. `end` is where the outermost bracket is closed, if it is.
    """

    start: int
    end: int | None
    commas: dict[int, Offsets]
    opens: dict[int, Offsets]
    closes: dict[int, Offsets]
    lines: LineCounter


def find_structure(file: SteadyFile, start: int, *, levels: int, many: bool = False) -> Structure:
    """Look through the value whose bracket is at `start`, noting what lies in its `levels` outermost levels.

    With `many`, through the values that follow it as well; `end` is that of the last, if the last ends.
    """
    import numpy as np

    scanner = _Scanner(levels, many=many)
    marks, counts, breaks, position = [0], [0], 0, 0
    end: int | None = None
    for block in file.chunks(size=CHUNK):
        chunk = np.frombuffer(block, dtype=np.uint8)
        if end is None:
            skipped = max(0, start - position)
            end = scanner.look(chunk[skipped:], position + skipped)
        breaks += block.count(b"\n")
        position += len(block)
        marks.append(position)
        counts.append(breaks)
    closes = scanner.joined("close")
    if many and scanner.depth == 0 and len(closes[1]):
        end = int(closes[1][-1])
    return Structure(
        start=start,
        end=end,
        commas=scanner.joined("comma"),
        opens=scanner.joined("open"),
        closes=closes,
        lines=LineCounter(file, marks, counts),
    )


class _Scanner:
    """The state between chunks: depth, whether within a text, and whether its last byte escapes the next."""

    def __init__(self, levels: int, *, many: bool) -> None:
        self._levels, self._many = levels, many
        self.depth = 0
        self.in_text = False
        self._escaping = False
        self._found: dict[tuple[str, int], list[Offsets]] = {}

    def look(self, chunk: npt.NDArray[np.uint8], position: int) -> int | None:
        """Note what the chunk at `position` holds; where the outermost bracket closes, if it is the only one."""
        import numpy as np

        places = np.flatnonzero(_kinds()[chunk])
        kinds = _kinds()[chunk[places]]
        quotes = (kinds == _QUOTE) & ~self._escaped(places, kinds, len(chunk))
        within = np.cumsum(quotes, dtype=np.int64) + self.in_text
        self.in_text = bool(within[-1] & 1) if len(within) else self.in_text
        real = (kinds >= _OPEN) & (within & 1 == 0)
        places, kinds = places[real], kinds[real]
        depth = np.cumsum((kinds == _OPEN).astype(np.int32) - (kinds == _CLOSE), dtype=np.int32) + self.depth
        closed = np.flatnonzero((depth <= 0) & (not self._many))
        end = int(places[closed[0]]) + position if len(closed) else None
        if end is not None:
            last = int(closed[0]) + 1
            places, kinds, depth = places[:last], kinds[:last], depth[:last]
        self.depth = int(depth[-1]) if len(depth) else self.depth
        for level in range(1, self._levels + 1):
            self._note("comma", level, places[(kinds == _COMMA) & (depth == level)] + position)
            self._note("open", level, places[(kinds == _OPEN) & (depth == level)] + position)
            self._note("close", level, places[(kinds == _CLOSE) & (depth == level - 1)] + position)
        return end

    def _note(self, kind: str, level: int, places: Offsets) -> None:
        if len(places):
            self._found.setdefault((kind, level), []).append(places)

    def joined(self, kind: str) -> dict[int, Offsets]:
        import numpy as np

        empty = [np.zeros(0, dtype=np.int64)]
        return {level: np.concatenate(self._found.get((kind, level), empty)) for level in range(1, self._levels + 1)}

    def _escaped(self, places: Offsets, kinds: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.bool_]:
        """Which of these are preceded by an odd number of backslashes without a gap."""
        import numpy as np

        slashes = kinds == _BACKSLASH
        before = self._escaping
        escaped = np.zeros(len(places), dtype=bool)
        if before and len(places) and places[0] == 0 and not slashes[0]:
            escaped[0] = True
        if not slashes.any():
            self._escaping = before and size == 0
            return escaped
        order = np.arange(len(places))
        follows = np.zeros(len(places), dtype=bool)
        follows[1:] = slashes[:-1] & (places[1:] == places[:-1] + 1)
        first = np.maximum.accumulate(np.where(slashes & ~follows, order, 0))
        run = order - first + 1  # of a backslash: its number in its row of backslashes
        if before and places[0] == 0 and slashes[0]:
            run[first == 0] += 1
        escaped[1:] |= follows[1:] & ~slashes[1:] & (run[:-1] & 1 == 1)
        self._escaping = bool(slashes[-1] and places[-1] == size - 1 and run[-1] & 1)
        return escaped


def _kinds() -> npt.NDArray[np.uint8]:
    import numpy as np

    global _table
    if _table is None:
        made = np.zeros(256, dtype=np.uint8)
        for kind, characters in {_QUOTE: b'"', _BACKSLASH: b"\\", _OPEN: b"[{", _CLOSE: b"]}", _COMMA: b","}.items():
            made[list(characters)] = kind
        _table = made
    return _table


_table: npt.NDArray[np.uint8] | None = None
