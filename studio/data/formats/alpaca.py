"""instruction, input, output: one question and its answer, perhaps with the turns before it."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from studio.data.formats.base import Rendering, Role, Row
from studio.data.formats.conversation import Conversation, with_system
from studio.data.formats.turns import Message, message
from studio.errors import DataError


class Alpaca(Conversation):
    """The user's turn is the instruction and, on the line after it, the input where there is one."""

    name: ClassVar[str] = "alpaca"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("instruction", True, ("instruction",)),
        Role("input", False, ("input", "context")),
        Role("output", True, ("output", "response")),
        Role("system", False, ("system", "system_prompt")),
        Role("history", False, ("history",)),
    )

    def turns(self, row: Row, how: Rendering) -> list[Message]:
        turns: list[Message] = []
        for question, answer in _history(how.cell(row, "history")):
            turns.append(message("user", question, where="history"))
            turns.append(message("assistant", answer, where="history"))
        extra = how.text(row, "input", required=False)
        instruction = how.text(row, "instruction", required=not extra.strip())
        asked = "\n".join(part for part in (instruction, extra) if part.strip())
        turns.append({"role": "user", "content": asked})
        turns.append({"role": "assistant", "content": how.text(row, "output")})
        return with_system(turns, how.text(row, "system", required=False))


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
