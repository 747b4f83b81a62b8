"""Calls of tools that are broken, unknown, or answered without having been made. Reads turns, not tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, distinct, marked
from studio.data.doctor.reading import messages_of
from studio.data.doctor.told import keep, sentences
from studio.errors import DataError


class ToolCalls(Check):
    """What was said of tools while rows were rendered, and what their turns show."""

    name = "tool_calls"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """One sentence a row: why it could not be rendered, else what was remarked, else what is seen here."""
        callers = set(chunk.reading.callers)
        if not callers and not any(chunk.problems) and not any(chunk.remarks):
            return {}
        return keep(chunk, _told(chunk, callers))

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        import numpy as np

        positions = marked(marks)
        if not len(positions):
            return []
        told, made = sentences(marks), []
        levers = self.leave_out(view.within(positions), view)
        for kind in np.unique(marks["kind"]):
            rows = distinct(positions[marks["kind"] == kind])
            if int(kind) not in told:
                continue
            sentence = DataError(
                "Broken tool calls in {count} of {rows} rows. {problem} The first is row {where}.",
                count=len(rows),
                rows=view.total,
                where=view.where(int(rows[0])),
                problem=told[int(kind)],
            )
            made.append(self.found(sentence, rows, levers))
        return made


def _told(chunk: Chunk, callers: set[int]) -> Iterator[tuple[int, DataError]]:
    for row, (problem, remarks) in enumerate(zip(chunk.problems, chunk.remarks, strict=True)):
        told = [one for one in (problem, *remarks) if one is not None and _of_tools(one)]
        if told:
            yield row, told[0]
        elif row in callers and (columns := chunk.rendered[row]) is not None:
            seen = fault(columns)
            if seen is not None:
                yield row, seen


def fault(columns: dict[str, Any]) -> DataError | None:
    """What is wrong with the calls of one row."""
    known = {tool.get("function", tool).get("name") for tool in columns.get("tools") or () if isinstance(tool, dict)}
    for turn in messages_of(columns):
        for call in turn.get("tool_calls") or ():
            function = call.get("function", call) if isinstance(call, dict) else {}
            if not isinstance(function.get("arguments"), dict):
                return DataError(
                    "The arguments of a call of {name} are not a JSON object.", name=function.get("name") or "?"
                )
            if known and function.get("name") not in known:
                return DataError(
                    "The row calls {name}, which is not among its tools ({tools}).",
                    name=function.get("name") or "?",
                    tools=", ".join(sorted(str(name) for name in known)[:8]),
                )
    return None


def _of_tools(sentence: DataError) -> bool:
    return "tool" in sentence.template.lower()
