"""messages of `role` and `content`, as chat templates take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import SYSTEM_ROLE, TOOLS_ROLE, Columns, Rendering, Role, Row
from studio.data.formats.conversation import Conversation, with_system
from studio.data.formats.turns import Message, first_turn, read_turns


class Messages(Conversation):
    """The order of turns is the chat template's to judge."""

    name: ClassVar[str] = "messages"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("messages", True, ("messages", "conversations", "conversation", "chat", "dialogue")),
        SYSTEM_ROLE,
        TOOLS_ROLE,
    )

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        return "role" in first_turn(columns["messages"], sample)

    def turns(self, row: Row, how: Rendering) -> list[Message]:
        turns = read_turns(how.cell(row, "messages"), where=how.columns["messages"])
        return with_system(turns, how.text(row, "system", required=False)) if "system" in how.columns else turns
