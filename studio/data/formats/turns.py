"""Cells that hold turns -> checked messages of role and content. Knows nothing of what a trainer makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.data.formats.base import Row, plain_text
from studio.errors import DataError

Message = dict[str, str]  # {"role": ..., "content": ...}
ROLES = ("system", "user", "assistant")
_TOOL_ROLES = frozenset({"tool", "function", "function_call", "observation", "tool_call", "tool_response"})
_TOOL_KEYS = ("tool_calls", "tool_call_id", "function_call")
_THOUGHT_KEYS = ("reasoning_content", "thinking")
_NO_TOOLS: tuple[Any, ...] = (None, "", "[]", [], {})


@dataclass(frozen=True)
class Dialect:
    """What a turn calls its speaker and its words, and what it calls the roles where it has names of its own."""

    speaker: str = "role"
    words: str = "content"
    roles: Mapping[str, str] = field(default_factory=dict)


MESSAGES = Dialect()


def read_turns(row: Row, column: str, dialect: Dialect = MESSAGES) -> list[Message]:
    """The turns in a row's column, each one checked.

    Tool use is not trained yet, and a row that needs it must not be trained as if it did not.
    """
    if row.get("tools") not in _NO_TOOLS:
        raise _no_tools()
    return [_turn(turn, dialect, where=column) for turn in _list(row.get(column), where=column)]


def first_turn(column: str, sample: Sequence[Row]) -> Mapping[str, Any]:
    """The first turn that some row of the sample has; empty where the column holds no turns."""
    for row in sample:
        try:
            return _list(row.get(column), where=column)[0]
        except DataError:
            continue
    return {}


def message(role: str, content: Any, *, where: str) -> Message:
    """One checked turn; content is text, or a list of text parts that are joined."""
    if role in _TOOL_ROLES:
        raise _no_tools()
    if role not in ROLES:
        raise DataError("A turn has the role {role!r}. There are: {roles}.", role=role, roles=", ".join(ROLES))
    if isinstance(content, list):
        content = "".join(_part(part) for part in content)
    if content is None:
        raise DataError("The {role} turn has no text.", role=role)
    return {"role": role, "content": plain_text(content, where)}


def _list(value: Any, *, where: str) -> list[Mapping[str, Any]]:
    """A list of turns, or that list as JSON text (CSV has no other way to hold one)."""
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


def _turn(turn: Mapping[str, Any], dialect: Dialect, *, where: str) -> Message:
    if any(turn.get(key) not in _NO_TOOLS for key in _TOOL_KEYS):
        raise _no_tools()
    if any(isinstance(turn.get(key), str) and turn[key].strip() for key in _THOUGHT_KEYS):
        raise DataError("A turn has reasoning beside its content, which cannot be trained on so far.")
    for key in (dialect.speaker, dialect.words):
        if key not in turn:
            raise DataError("A turn has no {missing!r}.", missing=key)
    role = str(turn[dialect.speaker])
    return message(dialect.roles.get(role, role), turn[dialect.words], where=where)


def _part(part: Any) -> str:
    if isinstance(part, Mapping) and part.get("type", "text") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise DataError("A turn has a part of the type {kind!r}; only text can be trained on so far.", kind=kind)


def _no_tools() -> DataError:
    return DataError("The row uses tools (function calls), which cannot be trained on so far.")
