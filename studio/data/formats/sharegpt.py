"""conversations of `from` and `value` turns, human and gpt in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import SYSTEM_ROLE, TOOLS_ROLE, Columns, Rendering, Role, Row
from studio.data.formats.conversation import Conversation, with_system
from studio.data.formats.turns import Message, first_turn, keys_of, read_turns


class ShareGPT(Conversation):
    """human or observation and gpt or function_call alternate; a system turn may stand before them."""

    name: ClassVar[str] = "sharegpt"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("conversations", True, ("conversations", "conversation", "messages")),
        SYSTEM_ROLE,
        TOOLS_ROLE,
    )

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        return keys_of(first_turn(columns["conversations"], sample))[0] == "from"

    def turns(self, row: Row, how: Rendering) -> list[Message]:
        turns = read_turns(how.cell(row, "conversations"), where=how.columns["conversations"])
        return with_system(turns, how.text(row, "system", required=False)) if "system" in how.columns else turns
