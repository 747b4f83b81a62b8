"""Answers whose end the model would not learn: no end-of-turn token, or one that is not in the loss. Sees ids only."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.errors import DataError

BEHIND = 3  # how many tokens from the end of the trained part it may stand: some templates end a turn with a new line
MISSING, MASKED = 0, 1


class EndOfTurn(Check):
    """A model that never sees the end of a turn trained does not learn to stop."""

    name = "end_of_turn"

    def applies(self, context: Context) -> bool:
        return bool(context.end_of_turn) and context.dataset_type != "prompt-only"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """The last stretch of trained tokens of each lane must end with an end-of-turn token."""
        import numpy as np

        if not self.applies(context) or not len(chunk.ids):
            return {}
        trained = np.concatenate([[False], chunk.trained, [False]])
        ends = np.flatnonzero(trained[:-1] & ~trained[1:])  # one past each stretch, borders of lanes aside
        borders = chunk.offsets[1:-1]
        both = chunk.trained[np.clip(borders - 1, 0, None)] & chunk.trained[np.clip(borders, None, len(chunk.ids) - 1)]
        ends = np.union1d(ends, borders[both])
        lane = np.searchsorted(chunk.offsets, ends - 1, side="right") - 1
        last = np.flatnonzero(np.concatenate([lane[1:] != lane[:-1], [True]])) if len(lane) else lane
        ends, lane = ends[last], lane[last]
        closing = np.array(sorted(context.end_of_turn), dtype=np.int32)
        begins, limits = chunk.offsets[lane], chunk.offsets[lane + 1]
        seen = np.zeros(len(ends), dtype=bool)
        behind = np.zeros(len(ends), dtype=bool)
        for step in range(1, BEHIND + 1):
            at = ends - step
            inside = at >= begins
            at = np.maximum(at, 0)
            seen |= inside & chunk.trained[at] & np.isin(chunk.ids[at], closing)
            at = ends + step - 1
            inside = at < limits
            behind |= inside & np.isin(chunk.ids[np.minimum(at, len(chunk.ids) - 1)], closing)
        wrong = np.flatnonzero(~seen)
        lanes = max((len(chunk.offsets) - 1) // max(len(chunk.positions), 1), 1)
        rows, first = np.unique(lane[wrong] // lanes, return_index=True)
        kind = np.where(behind[wrong][first], MASKED, MISSING).astype(np.int8)
        return {"position": chunk.positions[rows], "kind": kind}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = marked(marks)
        if not len(positions):
            return []
        kind, made = marks["kind"], []
        levers = self.leave_out(view.within(positions), view)
        missing, masked = view.within(positions[kind == MISSING]), view.within(positions[kind == MASKED])
        if len(missing):
            sentence = DataError(
                "No end-of-turn token behind the answer in {count} of {rows} rows: a model trained on them does not "
                "learn to stop. Choose a chat template that writes one, or end the answers with it.",
                count=len(missing),
                rows=view.total,
            )
            made.append(self.found(sentence, missing, levers))
        if len(masked):
            sentence = DataError(
                "The token that ends the answer is not trained in {count} of {rows} rows: a model trained on them does "
                "not learn to stop. Choose a chat template that counts it to the answer, or another loss.",
                count=len(masked),
                rows=view.total,
            )
            made.append(self.found(sentence, masked, levers))
        return made
