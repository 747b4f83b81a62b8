"""conversations of `from` and `value` turns, human and gpt in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import Columns, Rendering, Role, Row
from studio.data.formats.conversation import Conversation, with_system
from studio.data.formats.turns import Dialect, Message, first_turn, read_turns
from studio.errors import DataError

SHAREGPT = Dialect(speaker="from", words="value", roles={"human": "user", "gpt": "assistant"})


class ShareGPT(Conversation):
    """Turns must alternate, human first; a system turn may stand before them."""

    name: ClassVar[str] = "sharegpt"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("conversations", True, ("conversations", "conversation")),
        Role("system", False, ("system", "system_prompt")),
    )

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        return "from" in first_turn(columns["conversations"], sample)

    def turns(self, row: Row, how: Rendering) -> list[Message]:
        turns = read_turns(row, how.columns["conversations"], SHAREGPT)
        _check_order(turns)
        return with_system(turns, how.text(row, "system", required=False))


def _check_order(turns: list[Message]) -> None:
    spoken = turns[1:] if turns[0]["role"] == "system" else turns
    for number, turn in enumerate(spoken):
        wanted = "user" if number % 2 == 0 else "assistant"
        if turn["role"] != wanted:
            raise DataError(
                "The turns are out of order: one of {role} stands where one of {wanted} belongs. "
                "They alternate, human first, after at most one system turn.",
                role=turn["role"],
                wanted=wanted,
            )
