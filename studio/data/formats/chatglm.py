"""ChatGLM's conversations: a tool turn holds both the call and the answer, or the system turn lists the tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import Columns, Row
from studio.data.formats.messages import Messages
from studio.data.formats.turns import sampled_turns


class ChatGLM(Messages):
    """Read like messages; the call moves into the assistant's turn and the tools out of the system turn."""

    name: ClassVar[str] = "chatglm"

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        turns = [turn for found in sampled_turns(columns["messages"], sample) for turn in found]
        return any(
            "role" in turn and ("observation" in turn or (turn["role"] == "system" and turn.get("tools")))
            for turn in turns
        )
