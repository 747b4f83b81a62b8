"""Formats whose rows are conversations: turns -> the rows a method takes. Knows nothing of how turns are written."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from studio.data.formats.base import Format, NothingToTrain, Rendered, Rendering, Row
from studio.data.formats.tools import NONE, parse_tools, read_json, unknown_calls
from studio.data.formats.turns import ASSISTANT, SYSTEM, USER, Message
from studio.errors import DataError
from studio.methods.base import DatasetType

Remarks = tuple[DataError, ...]


class Conversation(Format):
    """Each such format reads `turns`; what is made of them is the same for all."""

    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("prompt-completion", "language-modeling", "prompt-only")

    answer: ClassVar[str] = ""  # the role whose column is the answer, where one is

    @abstractmethod
    def turns(self, row: Row, how: Rendering) -> list[Message]:
        """The row's turns, each one checked; a DataError without the row's number where they cannot be read."""

    def render(self, row: Row, how: Rendering) -> Rendered:
        """In prompt-completion the last trained assistant turn is the completion, and what follows it is left out."""
        turns = with_system(self.turns(row, how), how.system_prompt)
        if how.dataset_type == "prompt-only":
            return self.asked(turns, row, how)
        remarks = checked(turns)
        extras, more = extras_of(turns, row, how)
        remarks += more
        if how.dataset_type == "language-modeling":
            return Rendered.of({"messages": turns, **extras}, how, remarks)
        last = last_answer(turns)
        if last == 0:
            raise DataError("The conversation has nothing before its last answer, which is all that would be trained.")
        if last < len(turns) - 1:
            remarks += (
                DataError("What follows the last assistant turn is left out, because nothing of it would be trained."),
            )
        return Rendered.of({"prompt": turns[:last], "completion": [turns[last]], **extras}, how, remarks)

    def asked(self, turns: list[Message], row: Row, how: Rendering) -> Rendered:
        """What a model is to answer: the turns before the last answer, which is kept beside other columns."""
        last = next((number for number in range(len(turns) - 1, -1, -1) if turns[number]["role"] == ASSISTANT), None)
        prompt = turns if last is None else turns[:last]
        extras, remarks = extras_of(prompt, row, how)
        compared = how.reference(row, answer=self.answer)
        if last is not None and not self.answer:
            compared["reference"].setdefault("answer", turns[last]["content"])
            compared["answer_column"] = "answer"
        return Rendered.of({"prompt": nonempty(prompt), **compared, **extras}, how, remarks)


def checked(turns: list[Message]) -> Remarks:
    """Remarks on turns that can be trained on; a DataError where they cannot."""
    trained = answered = unasked = False
    for turn in turns:
        role, content = turn["role"], turn["content"]
        if role == ASSISTANT:
            answered = True
            if not content or content.isspace():
                check_answer(turn)
            trained = trained or "train" not in turn
        elif role == USER and (not content or content.isspace()):
            unasked = True
    if not answered:
        raise NothingToTrain(DataError("A conversation without an assistant turn is left out of training."))
    if not trained:
        raise NothingToTrain(DataError("A conversation whose every answer is marked as not trained is left out."))
    return (DataError("A user turn is empty; it is trained on as it is."),) if unasked else ()


def check_answer(turn: Message, lane: str = "completion") -> None:
    """The last turn of an answer: the assistant's, which says something or calls a tool."""
    if turn["role"] != ASSISTANT:
        raise DataError("The {lane} does not end with an assistant turn.", lane=lane)
    if not turn["content"].strip() and not turn.get("tool_calls"):
        raise DataError("An assistant turn is empty.")


def nonempty(prompt: list[Message]) -> list[Message]:
    """A prompt that asks something."""
    if not any(turn["role"] != SYSTEM and turn["content"].strip() for turn in prompt):
        raise DataError("The prompt is empty: it has no turn that asks something.")
    return prompt


def last_answer(turns: list[Message]) -> int:
    """The number of the last assistant turn that is trained."""
    return max(number for number, turn in enumerate(turns) if turn["role"] == ASSISTANT and "train" not in turn)


def extras_of(turns: list[Message], row: Row, how: Rendering) -> tuple[dict[str, Any], Remarks]:
    """`tools` and `chat_template_kwargs` where the row has them, and a remark on calls of unknown tools."""
    extras: dict[str, Any] = {}
    told = turns[0].pop("tools", None) if turns else None  # some write the tools into the system turn
    written = how.cell(row, "tools") if "tools" in how.columns else None
    if written in NONE:
        written = told
    tools = how.shared_tools if written in NONE else parse_tools(written)
    if tools:
        extras["tools"] = tools
    wanted = row.get("chat_template_kwargs")
    if wanted is not None:
        extras["chat_template_kwargs"] = _template_settings(wanted)
    calls = [call for turn in turns if len(turn) > 2 for call in turn.get("tool_calls", ())]
    unknown = unknown_calls(calls, tools) if calls else None
    return extras, (() if unknown is None else (unknown,))


def with_system(turns: list[Message], system_prompt: str | None) -> list[Message]:
    """The turns behind a system prompt; one of their own, even an empty one, stays."""
    if not system_prompt or any(turn["role"] == SYSTEM for turn in turns):
        return turns
    return [{"role": SYSTEM, "content": system_prompt}, *turns]


def _template_settings(value: Any) -> dict[str, Any]:
    found = read_json(value) if isinstance(value, str) and value else value
    if not isinstance(found, dict):
        raise DataError("The column chat_template_kwargs is not a JSON object.")
    return found
