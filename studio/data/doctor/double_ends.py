"""A beginning-of-text token twice at the start, or an end token twice in a row. Sees ids only."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.errors import DataError

BEGINNING, END = 0, 1


class DoubleEnds(Check):
    """What happens where both the template (or the data) and the tokenizer add the same token."""

    name = "double_ends"

    def applies(self, context: Context) -> bool:
        return context.bos is not None or context.eos is not None

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """Two of the same next to each other, within one lane."""
        import numpy as np

        ids, offsets = chunk.ids, chunk.offsets
        starts = offsets[:-1][np.diff(offsets) > 1]
        doubled = np.empty(0, dtype=np.int64)
        if context.bos is not None:
            doubled = starts[(ids[starts] == context.bos) & (ids[starts + 1] == context.bos)]
        ends = np.empty(0, dtype=np.int64)
        if context.eos is not None and context.eos != context.bos:
            at = np.flatnonzero(ids[:-1] == context.eos)
            at = at[ids[at + 1] == context.eos]
            ends = at[np.isin(at + 1, offsets, invert=True)]
        rows = np.searchsorted(chunk.row_offsets, np.concatenate([doubled, ends]), side="right") - 1
        kinds = np.repeat([BEGINNING, END], [len(doubled), len(ends)])
        both = np.unique(np.stack([rows, kinds], axis=1), axis=0)
        return {"position": chunk.positions[both[:, 0]], "kind": both[:, 1].astype(np.int8)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = marked(marks)
        if not len(positions):
            return []
        made = []
        levers = self.leave_out(view.within(positions), view)
        first = view.within(positions[marks["kind"] == BEGINNING])
        if len(first):
            sentence = DataError(
                "Two beginning-of-text tokens at the start of {count} of {rows} rows: the data or the chat template "
                "writes one and the tokenizer adds one. Take it out of the texts or the template.",
                count=len(first),
                rows=view.total,
            )
            made.append(self.found(sentence, first, levers))
        last = view.within(positions[marks["kind"] == END])
        if len(last):
            sentence = DataError(
                "Two end tokens one after the other in {count} of {rows} rows: take out the one that the texts bring "
                "along, or their padding, which the trainer adds itself.",
                count=len(last),
                rows=view.total,
            )
            made.append(self.found(sentence, last, levers))
        return made
