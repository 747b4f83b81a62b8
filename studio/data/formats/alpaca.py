"""instruction, input, output: one question and its answer, perhaps with the turns before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from studio.data.formats.base import Columns, Format, Rendered, Role, cell, text
from studio.data.formats.conversation import Message, conversation, message
from studio.errors import DataError
from studio.methods.base import DatasetType


class Alpaca(Format):
    """The user's turn is the instruction and, on the line after it, the input where there is one."""

    name: ClassVar[str] = "alpaca"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("instruction", True, ("instruction",)),
        Role("input", False, ("input", "context")),
        Role("output", True, ("output", "response")),
        Role("system", False, ("system", "system_prompt")),
        Role("history", False, ("history",)),
    )

    def render(
        self,
        row: Mapping[str, Any],
        *,
        columns: Columns,
        system_prompt: str | None,
        dataset_type: DatasetType,
        remarks: list[DataError] | None = None,
    ) -> Rendered:
        turns: list[Message] = []
        system = text(row, columns, "system", required=False)
        if system:
            turns.append({"role": "system", "content": system})
        for question, answer in _history(cell(row, columns, "history")):
            turns.append(message("user", question, where="history"))
            turns.append(message("assistant", answer, where="history"))
        extra = text(row, columns, "input", required=False)
        instruction = text(row, columns, "instruction", required=not extra.strip())
        asked = "\n".join(part for part in (instruction, extra) if part.strip())
        turns.append({"role": "user", "content": asked})
        turns.append({"role": "assistant", "content": text(row, columns, "output")})
        return conversation(turns, system_prompt=system_prompt, dataset_type=dataset_type, remarks=remarks)


def _history(value: Any) -> list[tuple[Any, Any]]:
    """Pairs of a question and its answer, as a list or as JSON text."""
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None, None  # no list: refused below
    if value is None or value == "":
        return []
    if not isinstance(value, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        raise DataError("The history is not a list of pairs such as {example}.", example='[["question", "answer"]]')
    return [(pair[0], pair[1]) for pair in value]
