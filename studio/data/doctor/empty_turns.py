"""Turns, prompts and answers without text. Knows nothing of tokens."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.errors import DataError


class EmptyTurns(Check):
    """Empty or nothing but white space. A system turn may be empty, and so may a turn that calls tools."""

    name = "empty_turns"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        return {"position": chunk.mark(chunk.reading.empty)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(marked(marks))
        if not len(positions):
            return []
        sentence = DataError(
            "A turn or an answer without text in {count} of {rows} rows: it is empty or nothing but white space.",
            count=len(positions),
            rows=view.total,
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]
