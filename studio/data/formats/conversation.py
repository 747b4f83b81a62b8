"""Turns -> the rows a trainer takes, for every format that is a conversation. Knows nothing of columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from studio.data.formats.base import NothingToTrain, Rendered, plain_text
from studio.errors import DataError
from studio.methods.base import DatasetType

Message = dict[str, str]  # {"role": ..., "content": ...}
ROLES = ("system", "user", "assistant")
_TOOL_ROLES = frozenset({"tool", "function", "function_call", "observation", "tool_call", "tool_response"})
_TOOL_KEYS = ("tool_calls", "tool_call_id", "function_call")
_NO_TOOLS: tuple[Any, ...] = (None, "", "[]", [], {})


def conversation(
    messages: list[Message],
    *,
    system_prompt: str | None,
    dataset_type: DatasetType,
    remarks: list[DataError] | None = None,
) -> Rendered:
    """Checked turns in the data set type; in prompt-completion the last assistant turn is the completion."""
    remarks = remarks if remarks is not None else []
    answers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    if not answers:
        raise NothingToTrain(DataError("A conversation without an assistant turn is left out of training."))
    for message in messages:
        if message["role"] == "assistant" and not message["content"].strip():
            raise DataError("An assistant turn is empty.")
    if any(message["role"] == "user" and not message["content"].strip() for message in messages):
        remarks.append(DataError("A user turn is empty; it is trained on as it is."))
    if system_prompt and not any(message["role"] == "system" for message in messages):
        messages = [{"role": "system", "content": system_prompt}, *messages]
        answers = [number + 1 for number in answers]
    if dataset_type == "language-modeling":
        return {"messages": messages}
    last = answers[-1]
    if last == 0:
        raise DataError("The conversation has nothing before its last answer, which is all that would be trained.")
    if last < len(messages) - 1:
        remarks.append(
            DataError("What follows the last assistant turn is left out, because nothing of it would be trained.")
        )
    return {"prompt": messages[:last], "completion": [messages[last]]}


def read_turns(value: Any, *, where: str) -> list[Mapping[str, Any]]:
    """A cell that holds a list of turns, or that list as JSON text (CSV has no other way to hold one)."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise DataError("The column {column!r} begins like JSON but is not valid.", column=where) from error
    if value is None:
        raise DataError("The column {column!r} has no value.", column=where)
    if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
        raise DataError("The column {column!r} is not a list of turns.", column=where)
    if not value:
        raise DataError("The column {column!r} is empty.", column=where)
    return value


def message(role: Any, content: Any, *, where: str) -> Message:
    """One checked turn; content is text, or a list of text parts that are joined."""
    if role in _TOOL_ROLES:
        raise no_tools()
    if role not in ROLES:
        raise DataError("A turn has the role {role!r}. There are: {roles}.", role=role, roles=", ".join(ROLES))
    if isinstance(content, list):
        content = "".join(_part(part) for part in content)
    if content is None:
        raise DataError("The {role} turn has no text.", role=role)
    return {"role": role, "content": plain_text(content, where)}


def _part(part: Any) -> str:
    if isinstance(part, Mapping) and part.get("type", "text") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise DataError("A turn has a part of the type {kind!r}; only text can be trained on so far.", kind=kind)


def refuse_tools(row: Mapping[str, Any]) -> None:
    """Tool use is not trained yet, and a row that needs it must not be trained as if it did not."""
    if row.get("tools") not in _NO_TOOLS:
        raise no_tools()


def refuse_tool_turn(turn: Mapping[str, Any]) -> None:
    if any(turn.get(key) not in _NO_TOOLS for key in _TOOL_KEYS):
        raise no_tools()
    if any(isinstance(turn.get(key), str) and turn[key].strip() for key in ("reasoning_content", "thinking")):
        raise DataError("A turn has reasoning beside its content, which cannot be trained on so far.")


def no_tools() -> DataError:
    return DataError("The row uses tools (function calls), which cannot be trained on so far.")
