"""instruction, input, output: one question and its answer, perhaps with the turns before it."""

from __future__ import annotations

from typing import Any, ClassVar

from studio.data.formats.base import HISTORY_ROLE, INPUT_ROLE, SYSTEM_ROLE, TOOLS_ROLE, Rendered, Rendering, Role, Row
from studio.data.formats.conversation import Conversation, with_system
from studio.data.formats.plain import templated
from studio.data.formats.tools import read_json
from studio.data.formats.turns import ASSISTANT, USER, Message, message
from studio.errors import DataError


class Alpaca(Conversation):
    """The user's turn is the instruction and, on the line after it, the input where there is one."""

    name: ClassVar[str] = "alpaca"
    takes_template: ClassVar[bool] = True
    answer: ClassVar[str] = "output"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("instruction", True, ("instruction", "指令")),
        INPUT_ROLE,
        Role("output", True, ("output", "response", "输出")),
        SYSTEM_ROLE,
        HISTORY_ROLE,
        TOOLS_ROLE,
    )

    def render(self, row: Row, how: Rendering) -> Rendered:
        if how.template is not None:
            return templated(row, how, answer=self.answer)
        return super().render(row, how)

    def turns(self, row: Row, how: Rendering) -> list[Message]:
        return [*asked(row, how, "instruction", "input"), {"role": ASSISTANT, "content": how.text(row, "output")}]


def asked(row: Row, how: Rendering, question: str, more: str) -> list[Message]:
    """System prompt, earlier turns and the question, of whichever the row's columns have."""
    turns: list[Message] = []
    if "history" in how.columns:
        turns = read_history(how.cell(row, "history"))
    extra = how.text(row, more, required=False)
    if extra and not extra.isspace():
        text = how.text(row, question, required=False)
        text = f"{text}\n{extra}" if text and not text.isspace() else extra
    else:
        text = how.text(row, question)
    turns.append({"role": USER, "content": text})
    return with_system(turns, how.text(row, "system", required=False)) if "system" in how.columns else turns


def read_history(value: Any) -> list[Message]:
    """Earlier turns: pairs of a question and its answer, as a list or as JSON text."""
    if isinstance(value, str):
        value = read_json(value) if value.strip() else None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        raise DataError("The history is not a list of pairs such as {example}.", example='[["question", "answer"]]')
    return [
        message(role, text, where="history")
        for pair in value
        for role, text in zip((USER, ASSISTANT), pair, strict=True)
    ]
