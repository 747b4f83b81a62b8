"""Rows without one supervised token, whatever their length. Knows nothing of `max_length`."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, Positions, View, marked
from studio.errors import DataError


class Untrained(Check):
    """Rows that teach nothing: an empty answer, every turn masked, or no answer at all; blocking where all are."""

    name = "untrained"

    def applies(self, context: Context) -> bool:
        return context.dataset_type != "prompt-only"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """Sound rows that could not be rendered, as they hold no answer. The others show in the figures."""
        bare = [
            number
            for number, (row, made, problem) in enumerate(zip(chunk.rows, chunk.rendered, chunk.problems, strict=True))
            if made is None and problem is None and row is not None
        ]
        return {"position": chunk.mark(bare)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(self.flagged(marks, view))
        if not len(positions):
            return []
        if len(positions) == view.total:
            sentence = DataError(
                "None of the {rows} rows has a supervised token. Choose another loss, or map the column of the "
                "answers.",
                rows=view.total,
            )
            return [self.found(sentence, positions, severity="blocking")]
        sentence = DataError(
            "No supervised token in {count} of {rows} rows: the trainer leaves them out.",
            count=len(positions),
            rows=view.total,
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]

    def flagged(self, marks: Marks, view: View) -> Positions:
        import numpy as np

        if view.context.dataset_type == "prompt-only":
            return np.empty(0, dtype=np.int64)
        masked = np.flatnonzero(view.usable & ~view.facts.supervised.any(axis=1))
        return np.union1d(masked, marked(marks))
