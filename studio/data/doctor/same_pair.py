"""Preference pairs whose chosen and rejected answers are the same. Sees ids only."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.errors import DataError


class SamePair(Check):
    """Such a pair prefers nothing; its gradient is noise."""

    name = "same_pair"

    def applies(self, context: Context) -> bool:
        return context.dataset_type == "preference"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        import numpy as np

        if not self.applies(context) or not len(chunk.positions):
            return {}
        offsets = chunk.offsets
        sizes = np.diff(offsets).reshape(len(chunk.positions), -1)
        same = [
            int(number)
            for number in np.flatnonzero((sizes[:, 0] == sizes[:, 1]) & (sizes[:, 0] > 0))
            if np.array_equal(
                chunk.ids[offsets[2 * number] : offsets[2 * number + 1]],
                chunk.ids[offsets[2 * number + 1] : offsets[2 * number + 2]],
            )
        ]
        return {"position": chunk.mark(same)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(marked(marks))
        if not len(positions):
            return []
        sentence = DataError(
            "Chosen and rejected answer are the same in {count} of {rows} pairs.",
            count=len(positions),
            rows=view.total,
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]
