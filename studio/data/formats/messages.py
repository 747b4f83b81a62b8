"""messages of `role` and `content`, as chat templates take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import Columns, Rendering, Role, Row
from studio.data.formats.conversation import Conversation
from studio.data.formats.turns import Message, first_turn, read_turns


class Messages(Conversation):
    """The order of turns is the chat template's to judge."""

    name: ClassVar[str] = "messages"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("messages", True, ("messages", "conversations", "conversation", "chat", "dialogue")),
    )

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        return "role" in first_turn(columns["messages"], sample)

    def turns(self, row: Row, how: Rendering) -> list[Message]:
        return read_turns(row, how.columns["messages"])
