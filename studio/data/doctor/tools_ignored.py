"""Rows with tools for a chat template that does not show them to the model. Reads no text."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.data.doctor.reading import messages_of
from studio.errors import DataError

TOOLS, CALLS = 0, 1


class ToolsIgnored(Check):
    """The model would be taught to call tools that it was never told of."""

    name = "tools_ignored"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        import numpy as np

        if not (context.ignores_tools or context.ignores_calls):
            return {}
        rows, kinds = [], []
        for row in dict.fromkeys(chunk.reading.callers):
            columns = chunk.rendered[row] or {}
            if context.ignores_tools and columns.get("tools"):
                rows.append(row)
                kinds.append(TOOLS)
            elif context.ignores_calls and any(turn.get("tool_calls") for turn in messages_of(columns)):
                rows.append(row)
                kinds.append(CALLS)
        return {"position": chunk.mark(rows), "kind": np.asarray(kinds, dtype=np.int8)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = marked(marks)
        if not len(positions):
            return []
        made = []
        levers = self.leave_out(view.within(positions), view)
        tools, calls = (view.within(positions[marks["kind"] == kind]) for kind in (TOOLS, CALLS))
        if len(tools):
            sentence = DataError(
                "Tools that the chat template does not write in {count} of {rows} rows: the model would learn to call "
                "what it was never shown. Choose a chat template with tools.",
                count=len(tools),
                rows=view.total,
            )
            made.append(self.found(sentence, tools, levers))
        if len(calls):
            sentence = DataError(
                "Tool calls that the chat template does not write in {count} of {rows} rows: nothing of them is "
                "trained. Choose a chat template with tools.",
                count=len(calls),
                rows=view.total,
            )
            made.append(self.found(sentence, calls, levers))
        return made
