"""Rendered rows -> their texts and the order of their roles, in one pass for all checks. Judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Roles = tuple[str, ...]
# What comes before an answer, and the answers, in the order in which a row's columns are read.
BEFORE = ("messages", "text", "prompt")
ANSWERS = ("completion", "chosen", "rejected")
THOUGHTS = ("reasoning_content", "thinking")


@dataclass(frozen=True)
class Reading:
    """`roles` holds for each row the roles of each of its conversations; nothing for rows of plain text.

    `texts` are all texts in the order of rows, `text_rows` the row each belongs to. `empty` are rows with a turn or
    an answer without text. `callers` are rows with tools or with calls of tools, `thinkers` those with thoughts.
    """

    texts: list[str]
    text_rows: list[int]
    roles: list[tuple[Roles, ...]]
    empty: list[int]
    callers: list[int]
    thinkers: list[int]


def read(rendered: Sequence[dict[str, Any] | None]) -> Reading:
    """One pass over some rows."""
    found = Reading([], [], [], [], [], [])
    for number, columns in enumerate(rendered):
        if columns is None:
            found.roles.append(())
            continue
        before: Roles = ()
        rows: list[Roles] = []
        for name in (*BEFORE, *ANSWERS):
            value = columns.get(name)
            if isinstance(value, str):
                found.texts.append(value)
                found.text_rows.append(number)
                if not value or value.isspace():
                    found.empty.append(number)
            elif isinstance(value, list):
                roles = _turns(value, number, found)
                if name in BEFORE:
                    before = roles
                else:
                    rows.append(before + roles)
        found.roles.append(tuple(rows) if rows else (before,) if before else ())
        if columns.get("tools"):
            found.callers.append(number)
    return found


def messages_of(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """All turns of a rendered row, those of a rejected answer too."""
    found: list[dict[str, Any]] = []
    for name in (*BEFORE, *ANSWERS):
        value = columns.get(name)
        if isinstance(value, list):
            found.extend(value)
    return found


def _turns(turns: list[dict[str, Any]], number: int, found: Reading) -> Roles:
    texts, rows = found.texts, found.text_rows
    for turn in turns:
        content = turn.get("content")
        if content.__class__ is not str:
            content = _joined(content)
        if len(turn) > 2:
            _beside(turn, number, found)
        if content and not content.isspace():
            texts.append(content)
            rows.append(number)
        elif turn["role"] != "system" and not turn.get("tool_calls"):
            found.empty.append(number)
    return tuple([turn["role"] for turn in turns])


def _beside(turn: dict[str, Any], number: int, found: Reading) -> None:
    """What stands beside a turn's words: thoughts, which are text too, and calls."""
    for key in THOUGHTS:
        if turn.get(key):
            found.texts.append(str(turn[key]))
            found.text_rows.append(number)
            found.thinkers.append(number)
    if turn.get("tool_calls"):
        found.callers.append(number)


def _joined(content: Any) -> str:
    """The text of a list of typed parts."""
    if not isinstance(content, list):
        return "" if content is None else str(content)
    parts = (part.get("text") if isinstance(part, dict) else part for part in content)
    return "".join(part for part in parts if isinstance(part, str))
