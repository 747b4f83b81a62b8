"""Rows with tools for a chat template that does not show them to the model. Reads no text."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Lever, Marks, View, marked
from studio.data.doctor.reading import messages_of
from studio.errors import DataError

WITH_TOOLS, ITS_TOKEN = (
    "qwen",
    "<|im_start|>",
)  # a template that writes both, for a vocabulary of ChatML's control tokens


class ToolsIgnored(Check):
    """The model would be taught to call tools that it was never told of, or calls would become empty turns."""

    name = "tools_ignored"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        if not (context.ignores_tools or context.ignores_calls):
            return {}
        columns = {row: chunk.rendered[row] or {} for row in dict.fromkeys(chunk.reading.callers)}
        tools = [row for row, its in columns.items() if context.ignores_tools and its.get("tools")]
        calls = [
            row
            for row, its in columns.items()
            if context.ignores_calls and any(turn.get("tool_calls") for turn in messages_of(its))
        ]
        return {"position": chunk.mark([*tools, *calls]), "tools": chunk.mark(tools), "calls": chunk.mark(calls)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(marked(marks))
        if not len(positions):
            return []
        made, levers = [], self.leave_out(positions, view)
        if ITS_TOKEN in view.context.special_texts:
            label = DataError("Use template {name}, with tools", name=WITH_TOOLS)
            levers = (Lever.of(label, {"model.chat_template": WITH_TOOLS}), *levers)
        tools, calls = (view.within(marked(marks, key)) for key in ("tools", "calls"))
        if len(tools):
            sentence = DataError(
                "Tools that the chat template does not write in {count} of {rows} rows: the model is never shown what "
                "it may call. Choose a chat template with tools.",
                count=len(tools),
                rows=view.total,
            )
            made.append(self.found(sentence, tools, levers))
        if len(calls):
            sentence = DataError(
                "Tool calls that the chat template does not write in {count} of {rows} rows: of an answer that calls, "
                "nothing but its end is trained. Choose a chat template with tools.",
                count=len(calls),
                rows=view.total,
            )
            made.append(self.found(sentence, calls, levers))
        return made
