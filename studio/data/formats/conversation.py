"""Formats whose rows are conversations: turns -> the rows a trainer takes. Knows nothing of how turns are written."""

from __future__ import annotations

from abc import abstractmethod

from studio.data.formats.base import Format, NothingToTrain, Rendered, Rendering, Row
from studio.data.formats.turns import Message
from studio.errors import DataError

USER, ASSISTANT, SYSTEM = "user", "assistant", "system"


class Conversation(Format):
    """Each such format reads `turns`; what is made of them is the same for all."""

    @abstractmethod
    def turns(self, row: Row, how: Rendering) -> list[Message]:
        """The row's turns, each one checked; a DataError without the row's number where they cannot be read."""

    def render(self, row: Row, how: Rendering) -> Rendered:
        """In prompt-completion the last assistant turn is the completion, and what follows it is left out."""
        turns, remarks = checked(self.turns(row, how), system_prompt=how.system_prompt)
        if how.dataset_type == "language-modeling":
            return Rendered({"messages": turns}, remarks)
        last = max(number for number, turn in enumerate(turns) if turn["role"] == ASSISTANT)
        if last == 0:
            raise DataError("The conversation has nothing before its last answer, which is all that would be trained.")
        if last < len(turns) - 1:
            remarks += (
                DataError("What follows the last assistant turn is left out, because nothing of it would be trained."),
            )
        return Rendered({"prompt": turns[:last], "completion": [turns[last]]}, remarks)


def checked(turns: list[Message], *, system_prompt: str | None) -> tuple[list[Message], tuple[DataError, ...]]:
    """Turns that can be trained on, behind the system prompt where they have none of their own; and remarks."""
    spoken = {role: [turn["content"] for turn in turns if turn["role"] == role] for role in (USER, ASSISTANT, SYSTEM)}
    if not spoken[ASSISTANT]:
        raise NothingToTrain(DataError("A conversation without an assistant turn is left out of training."))
    if not all(content.strip() for content in spoken[ASSISTANT]):
        raise DataError("An assistant turn is empty.")
    remarks: tuple[DataError, ...] = ()
    if not all(content.strip() for content in spoken[USER]):
        remarks = (DataError("A user turn is empty; it is trained on as it is."),)
    return with_system(turns, system_prompt), remarks


def with_system(turns: list[Message], system_prompt: str | None) -> list[Message]:
    """The turns behind a system prompt; one of their own, even an empty one, stays."""
    if not system_prompt or any(turn["role"] == SYSTEM for turn in turns):
        return turns
    return [{"role": SYSTEM, "content": system_prompt}, *turns]
