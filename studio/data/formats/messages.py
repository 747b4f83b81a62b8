"""messages of `role` and `content`, as chat templates take them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from studio.data.formats.base import Columns, Format, Rendered, Role, cell
from studio.data.formats.conversation import conversation, message, read_turns, refuse_tool_turn, refuse_tools
from studio.errors import DataError
from studio.methods.base import DatasetType


class Messages(Format):
    """The order of turns is the chat template's to judge."""

    name: ClassVar[str] = "messages"
    roles: ClassVar[tuple[Role, ...]] = (
        Role("messages", True, ("messages", "conversations", "conversation", "chat", "dialogue")),
    )

    def fits(self, columns: Columns, sample: Sequence[Mapping[str, Any]]) -> bool:
        turn = first_turn(columns["messages"], sample)
        return turn is not None and "role" in turn

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
        where = columns["messages"]
        turns = read_messages(cell(row, columns, "messages"), where=where)
        return conversation(turns, system_prompt=system_prompt, dataset_type=dataset_type, remarks=remarks)


def read_messages(value: Any, *, where: str) -> list[dict[str, str]]:
    """A cell of role/content turns, checked."""
    turns = []
    for turn in read_turns(value, where=where):
        refuse_tool_turn(turn)
        if "role" not in turn:
            raise DataError("A turn has no {missing!r}.", missing="role")
        turns.append(message(turn["role"], turn.get("content"), where=where))
    return turns


def first_turn(column: str, sample: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The first turn that some row of the sample has; None where the column holds no turns."""
    for row in sample:
        value = row.get(column)
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                continue
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            return value[0]
    return None
