"""messages of `role` and `content`, as chat templates take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import SYSTEM_ROLE, TOOLS_ROLE, Columns, Rendering, Role, Row
from studio.data.formats.conversation import Conversation, with_system
from studio.data.formats.turns import SYSTEM, Message, first_turn, read_turns


class Messages(Conversation):
    """The order of turns is the chat template's to judge."""

    name: ClassVar[str] = "messages"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("messages", True, ("messages", "conversations", "conversation", "chat", "dialogue", "contents")),
        SYSTEM_ROLE,
        TOOLS_ROLE,
    )

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        return "role" in first_turn(columns["messages"], sample)

    def turns(self, row: Row, how: Rendering) -> list[Message]:
        turns = read_turns(how.cell(row, "messages"), where=how.columns["messages"])
        return with_system(turns, _system(row, how)) if "system" in how.columns else turns


def _system(row: Row, how: Rendering) -> str:
    """The system column's text; Gemini has a turn there, {"parts": [{"text": ...}]}."""
    value = how.cell(row, "system")
    if isinstance(value, dict) and "parts" in value:
        turn = {"role": SYSTEM, "parts": value["parts"]}
        return str(read_turns(turn, where=how.columns["system"], whole=False)[0]["content"])
    return how.text(row, "system", required=False)
