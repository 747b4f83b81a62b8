"""The texts of many rows as one stretch of bytes, so that one search looks through all of them. Judges nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

GAP = b"\n"  # between two texts: no pattern reaches over a line's end
WORD = 8  # `data` is filled up to a multiple of so many bytes, so that eight can be looked at as one


@dataclass(frozen=True)
class TextBlock:
    """UTF-8 of all texts. `starts` says where each begins, `rows` which row it belongs to; `codes` are the bytes."""

    data: bytes
    codes: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str], rows: Sequence[int]) -> TextBlock:
        import numpy as np

        parts = [text.encode("utf-8", "surrogatepass") for text in texts]
        sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts)) + len(GAP)
        data = GAP.join(parts)
        data += GAP * (4 * WORD - len(data) % WORD)
        return cls(
            data=data,
            codes=np.frombuffer(data, dtype=np.uint8),
            starts=np.concatenate([[0], np.cumsum(sizes)[:-1]]) if parts else np.empty(0, dtype=np.int64),
            rows=np.asarray(rows, dtype=np.int64),
        )

    def rows_at(self, offsets: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The row that each offset lies in."""
        import numpy as np

        if not len(offsets):
            return np.empty(0, dtype=np.int64)
        return self.rows[np.searchsorted(self.starts, np.asarray(offsets, dtype=np.int64), side="right") - 1]

    def find(self, needle: bytes) -> Iterator[int]:
        """Every offset of some bytes."""
        at = self.data.find(needle)
        while at >= 0:
            yield at
            at = self.data.find(needle, at + 1)

    def matches(self, needle: bytes, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
        """The pattern's matches that begin with `needle`, which is what makes the search quick."""
        for at in self.find(needle):
            if match := pattern.match(self.data, at):
                yield match

    def windows(self, near: npt.NDArray[np.int64], *, before: int, after: int) -> Iterator[tuple[int, int]]:
        """(start, end) around offsets in rising order; those that touch are one. Never beyond the data."""
        import numpy as np

        if not len(near):
            return
        starts, ends = np.maximum(near - before, 0), np.minimum(near + after, len(self.data))
        apart = np.flatnonzero(starts[1:] > ends[:-1]) + 1
        for first, last in zip([0, *apart], [*apart, len(near)], strict=True):
            yield int(starts[first]), int(ends[last - 1])
