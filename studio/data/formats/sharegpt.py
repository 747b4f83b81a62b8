"""conversations of `from` and `value` turns, human and gpt in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from studio.data.formats.base import Columns, Format, Rendered, Role, cell, text
from studio.data.formats.conversation import Message, conversation, message, read_turns, refuse_tool_turn, refuse_tools
from studio.data.formats.messages import first_turn
from studio.errors import DataError
from studio.methods.base import DatasetType

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


class ShareGPT(Format):
    """Turns must alternate, human first; a system turn may stand before them."""

    name: ClassVar[str] = "sharegpt"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("conversations", True, ("conversations", "conversation")),
        Role("system", False, ("system", "system_prompt")),
    )

    def fits(self, columns: Columns, sample: Sequence[Mapping[str, Any]]) -> bool:
        turn = first_turn(columns["conversations"], sample)
        return turn is not None and "from" in turn

    def render(
        self,
        row: Mapping[str, Any],
        *,
        columns: Columns,
        system_prompt: str | None,
        dataset_type: DatasetType,
        remarks: list[DataError] | None = None,
    ) -> Rendered:
        refuse_tools(row)
        where = columns["conversations"]
        turns = [_turn(turn, where) for turn in read_turns(cell(row, columns, "conversations"), where=where)]
        _check_order(turns)
        system = text(row, columns, "system", required=False)
        if system and turns[0]["role"] != "system":
            turns.insert(0, {"role": "system", "content": system})
        return conversation(turns, system_prompt=system_prompt, dataset_type=dataset_type, remarks=remarks)


def _turn(turn: Mapping[str, Any], where: str) -> Message:
    refuse_tool_turn(turn)
    if "from" not in turn or "value" not in turn:
        raise DataError("A turn has no {missing!r}.", missing="value" if "from" in turn else "from")
    return message(_ROLES.get(turn["from"], turn["from"]), turn["value"], where=where)


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
