"""Rows that are equal, token for token. Keeps the fingerprints that the checks for near and leaked copies use too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, Positions, Rows, View
from studio.data.doctor.minhash import BANDS, bands, fingerprints
from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Duplicates(Check):
    """A row that is there several times weighs as much more than the others."""

    name = "duplicates"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """41 bytes a row: a fingerprint of all tokens, bands for near copies, and the label where rows have one."""
        import numpy as np

        prints = fingerprints(chunk.ids, chunk.row_offsets)
        kinds = [int(bool(one.extra.get("label"))) if one is not None and one.extra else 0 for one in chunk.encoded]
        return {
            "row_print": prints,
            "row_bands": bands(chunk.ids, chunk.row_offsets, prints),
            "row_kind": np.array(kinds, dtype=np.int8),
        }

    def settle(self, marks: Marks, rows: Rows) -> Marks:
        """Groups of near copies, verified on the tokens themselves: `row_near` is the first position of each group."""
        import numpy as np

        from studio.data.doctor.neighbours import groups

        if "row_bands" not in marks or "row_near" in marks:
            return marks
        near = groups(marks["row_bands"].reshape(-1, BANDS), keys(marks), marks["row_kind"], rows)
        kept = {name: one for name, one in marks.items() if name != "row_bands"}  # most of a million rows' memory
        return {**kept, "row_near": near.astype(np.int64)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(self.flagged(marks, view))
        if not len(positions):
            return []
        sentence = DataError(
            "Exact copies of an earlier row, {count} of {rows} training rows.",
            count=len(positions),
            rows=len(view.train),
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]

    def flagged(self, marks: Marks, view: View) -> Positions:
        """All training rows but the first of each group of equal ones."""
        import numpy as np

        if "row_print" not in marks:
            return np.empty(0, dtype=np.int64)
        train = np.sort(view.train[view.usable[view.train]])
        _, first = np.unique(keys(marks)[train], return_index=True)
        copies = np.ones(len(train), dtype=bool)
        copies[first] = False
        found: Positions = train[copies]
        return found


def keys(marks: Marks) -> npt.NDArray[np.uint64]:
    """What is equal for equal rows: tokens and label."""
    import numpy as np

    found: npt.NDArray[np.uint64] = marks["row_print"] ^ (
        marks["row_kind"].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    )
    return found


def near_groups(view: View) -> Positions | None:
    """For each position the first of its group of near copies; None where nothing was looked at."""
    marks = view.marks.get("duplicates", {})
    if "row_near" not in marks:
        if "row_bands" not in marks or view.rows is None:
            return None
        marks = view.marks["duplicates"] = Duplicates().settle(marks, view.rows)
    return marks["row_near"]
