"""Rows with thoughts for a chat template that does not write them, or not those of every answer. Reads no text."""

from __future__ import annotations

from typing import Any

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.data.doctor.reading import ANSWERS, BEFORE, THOUGHTS
from studio.errors import DataError


class ReasoningIgnored(Check):
    """The model would be taught to answer without the thoughts that the answer was reached by."""

    name = "reasoning_ignored"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        if not (context.ignores_reasoning or context.ignores_earlier_reasoning):
            return {}
        rows = dict.fromkeys(chunk.reading.thinkers)
        return {
            "position": chunk.mark([row for row in rows if context.ignores_reasoning or _earlier(chunk.rendered[row])])
        }

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(marked(marks))
        if not len(positions):
            return []
        details = {"count": len(positions), "rows": view.total}
        levers = self.leave_out(positions, view)
        if view.context.ignores_reasoning:
            sentence = DataError(
                "Thoughts (reasoning_content, thinking) that the chat template does not write in {count} of {rows} "
                "rows: the model never sees them. Choose a chat template with reasoning, or write the thoughts into "
                "the answer's text.",
                **details,
            )
            return [self.found(sentence, positions, levers)]
        sentence = DataError(
            "Thoughts of earlier answers that the chat template does not write in {count} of {rows} rows: it writes "
            "those of the last answer only. To train them all, make a row of each answer.",
            **details,
        )
        return [self.found(sentence, positions, levers, severity="note")]


def _earlier(columns: dict[str, Any] | None) -> bool:
    """Whether a user's turn follows an answer with thoughts."""
    lists = {name: value for name, value in (columns or {}).items() if isinstance(value, list)}
    before = [turn for name in BEFORE for turn in lists.get(name, ())]
    return any(_asked_on([*before, *lists.get(name, ())]) for name in ANSWERS)


def _asked_on(turns: list[dict[str, Any]]) -> bool:
    last = max((number for number, turn in enumerate(turns) if turn["role"] == "user"), default=0)
    return any(turn.get(thought) for turn in turns[:last] for thought in THOUGHTS)
