"""Cells that hold turns -> checked messages as chat templates take them. Knows nothing of what a method makes of them.

One reader for all layouts: `role` and `content` or `from` and `value` (also `text`, or Gemini's `parts`), content as
text or typed parts, tools called in turns of their own, in `tool_calls`, or (as ChatGLM has them) together with what
they answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from studio.data.formats.base import Row, plain_text
from studio.data.formats.tools import NONE, parse_calls, read_json
from studio.errors import DataError
from studio.methods.paths import cell_of

Message = dict[str, Any]  # {"role", "content"} and where there are such: tool_calls, name, tool_call_id, train, ...
SYSTEM, USER, ASSISTANT, TOOL = "system", "user", "assistant", "tool"
CALL = "function_call"  # a turn that is nothing but calls

_SPEAKERS = {
    SYSTEM: ("system", "developer"),
    USER: ("user", "human", "prompter"),
    ASSISTANT: ("assistant", "gpt", "bot", "model", "chatgpt", "ai"),
    TOOL: ("tool", "observation", "function", "tool_response", "function_response", "tool_result"),
    CALL: ("function_call", "tool_call"),
}
ROLES: dict[str, str] = {name: role for role, names in _SPEAKERS.items() for name in names}
_PLAIN = {name: role for name, role in ROLES.items() if role != CALL}  # whose words are the message
_THOUGHTS = {"reasoning_content": "reasoning_content", "reasoning": "reasoning_content", "thinking": "thinking"}
_PART_TEXTS = ("text", "value", "content", "reasoning", "thinking")
_WORDS = {"from": ("value", "content", "text"), "role": ("content", "value", "text", "parts")}
_WEIGHTS = ("weight", "loss_weight")
_SWITCHES = {"train": False, "training": False, "loss": False, "masked": True}  # and what leaves a turn out of the loss


def read_turns(value: Any, *, where: str, whole: bool = True) -> list[Message]:
    """The turns in a cell, each one checked. from/value turns that are a `whole` conversation must alternate."""
    turns = turn_list(value, where=where)
    speaker, words = keys_of(turns[0])
    made: list[Message] = []
    for turn in turns:
        name, content = turn.get(speaker), turn.get(words)
        if len(turn) == 2 and type(content) is str and type(name) is str and name in _PLAIN:
            if not content.isascii():
                plain_text(content, where)
            made.append({"role": _PLAIN[name], "content": content})
        else:
            _read(turn, speaker, words, where=where, made=made)
    if whole and speaker == "from":
        check_order(made)
    return made


def read_prompt(value: Any, *, where: str) -> list[Message]:
    """The turns that an answer is given to; from/value turns end with one that asks."""
    turns = turn_list(value, where=where)
    made = read_turns(turns, where=where)
    if made[-1]["role"] == ASSISTANT and keys_of(turns[0])[0] == "from":
        raise DataError("The prompt ends with an answer, where a turn of human or observation belongs.")
    return made


def keys_of(turn: Mapping[str, Any]) -> tuple[str, str]:
    """What turns like this one call the speaker and the words."""
    speaker = "from" if "from" in turn and "role" not in turn else "role"
    names = _WORDS[speaker]
    return speaker, next((name for name in names if turn.get(name) is not None), names[0])


def turn_list(value: Any, *, where: str) -> list[dict[str, Any]]:
    """A list of turns, or that list as JSON text (CSV has no other way to hold one)."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        value = read_json(value)
        if isinstance(value, ValueError):
            raise DataError(
                "The column {column!r} begins like JSON but is not valid ({problem}).", column=where, problem=value
            )
    if isinstance(value, dict):
        value = [value]
    if value is None:
        raise DataError("The column {column!r} has no value.", column=where)
    if not isinstance(value, list):
        raise DataError("The column {column!r} is not a list of turns.", column=where)
    if not value:
        raise DataError("The column {column!r} is empty.", column=where)
    for turn in value:
        if not isinstance(turn, dict):
            raise DataError("The column {column!r} is not a list of turns.", column=where)
    return value


def first_turn(column: str, sample: Sequence[Row]) -> Mapping[str, Any]:
    """The first turn that some row of the sample has; empty where the column holds no turns."""
    return next((turns[0] for turns in sampled_turns(column, sample)), {})


def sampled_turns(column: str, sample: Sequence[Row]) -> list[list[dict[str, Any]]]:
    """The turns of those rows of the sample that have some in this column."""
    found = []
    for row in sample:
        try:
            found.append(turn_list(cell_of(row, column), where=column))
        except DataError:
            continue
    return found


def turns_or_text(value: Any) -> Any:
    """A cell's turns, also where it has them as JSON text; or the cell as it is, which is then plain text."""
    if isinstance(value, str) and value.startswith(("[{", "{")):
        found = read_json(value)
        first = found[0] if isinstance(found, list) and found else found
        if isinstance(first, dict):  # JSON may also be what an answer is about
            speaker, words = keys_of(first)
            if words in first and first.get(speaker) in ROLES:
                return found
    return value


def is_turns(value: Any) -> bool:
    """Whether a cell, after `turns_or_text`, holds turns (or one)."""
    return isinstance(value, list | dict)


def message(role: str, content: Any, *, where: str) -> Message:
    """One checked turn of text."""
    if content is None:
        raise DataError("The {role} turn has no text.", role=role)
    return {"role": role, "content": plain_text(content, where)}


def check_order(turns: Sequence[Message]) -> None:
    """As from/value data has it: user or tool, then assistant, in turn, behind at most one system turn."""
    first = 1 if turns[0]["role"] == SYSTEM else 0
    for number in range(first, len(turns)):
        role = turns[number]["role"]
        answers = (number - first) % 2 == 1
        if role == SYSTEM or (role == ASSISTANT) is not answers:
            raise DataError(
                "The turns are out of order: one of {role} stands where one of {wanted} belongs (turn {number}). "
                "human (or observation) and gpt (or function_call) alternate, after at most one system turn.",
                role=role,
                wanted=ASSISTANT if answers else USER,
                number=number + 1,
            )


def _read(turn: dict[str, Any], speaker: str, words: str, *, where: str, made: list[Message]) -> None:
    """A turn with more to it than a speaker and a text, added to those made."""
    role = _role(turn, speaker, where=where)
    if role == TOOL and "observation" in turn:
        _read_folded(turn, where=where, made=made)
        return
    called = turn.get("tool_calls")
    if called in NONE:
        called = turn.get("function_call")
    calls = [] if called in NONE else parse_calls(called)
    if words not in turn and not calls:
        raise DataError("The column {column!r}: a turn has no {missing!r}.", column=where, missing=words)
    content = turn.get(words)
    if role == CALL:
        found: Message = {"role": ASSISTANT, "content": "", "tool_calls": parse_calls(content)}
    else:
        found = {"role": role, "content": ""}
        if isinstance(content, list) and (role != TOOL or _are_parts(content)):
            _read_parts(content, found, where=where)
        elif content is not None:
            found["content"] = _tool_text(content, where) if role == TOOL else plain_text(content, where)
        elif not calls:
            raise DataError("The {role} turn has no text.", role=role)
    if calls:
        found["tool_calls"] = [*found.get("tool_calls", ()), *calls]
    _read_marks(turn, found, where=where)
    made.append(found)


def _role(turn: Mapping[str, Any], speaker: str, *, where: str) -> str:
    if speaker not in turn:
        raise DataError("The column {column!r}: a turn has no {missing!r}.", column=where, missing=speaker)
    name = str(turn[speaker])
    role = ROLES.get(name) or ROLES.get(name.strip().lower())
    if role is None:
        raise DataError(
            "A turn has the role {role!r}. There are: {roles}.",
            role=name[:80],
            roles="; ".join(", ".join(names) for names in _SPEAKERS.values()),
        )
    return role


def _read_marks(turn: Mapping[str, Any], found: Message, *, where: str) -> None:
    """What stands beside the words: thoughts, a tool's name, whether it is trained."""
    for key, name in _THOUGHTS.items():
        thought = turn.get(key)
        if thought is not None and plain_text(thought, where).strip():
            found[name] = thought
    for key in ("name", "tool_call_id"):
        value = turn.get(key)
        if isinstance(value, str) and value:
            found[key] = value
    if turn.get("tools") not in NONE and found["role"] == SYSTEM:
        found["tools"] = turn["tools"]
    trained = True
    for key, off in _SWITCHES.items():
        switch = turn.get(key)
        if switch is not None and not isinstance(switch, bool):
            raise DataError("A turn has {key}: {value!r}; there are true and false.", key=key, value=switch)
        trained = trained and switch is not off
    for key in _WEIGHTS:
        weight = turn.get(key)
        if weight not in (None, 0, 1):
            raise DataError(
                "A turn has {key}: {value!r}. There are 0, which leaves it out of the loss, and 1.",
                key=key,
                value=weight,
            )
        if weight is not None and weight == 0:
            trained = False
    if not trained:
        found["train"] = False


def _read_parts(parts: list[Any], found: Message, *, where: str) -> None:
    """Typed parts: text is joined, reasoning and tool calls get their own keys."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in parts:
        kind = _kind_of(part)
        if kind in ("text", "input_text", "output_text") and isinstance(part, dict):
            texts.append(_part_text(part, kind, where))
        elif kind in ("reasoning", "thinking"):
            thoughts.append(_part_text(part, kind, where))
        elif kind in ("tool_call", "tool_use", "function_call"):
            value = part.get("value")
            calls += parse_calls(part if value is None else value)
        else:
            raise DataError(
                "A turn has a part of the type {kind!r}; text, reasoning and tool calls can be trained on.", kind=kind
            )
    found["content"] = "".join(texts)
    if any(thought.strip() for thought in thoughts):
        found["reasoning_content"] = "".join(thoughts)
    if calls:
        found["tool_calls"] = calls


def _kind_of(part: Any) -> str:
    """A part's type; Gemini's have none, and say with their first key what they are."""
    if not isinstance(part, dict):
        return type(part).__name__
    if "type" in part or not part:
        return str(part.get("type", "text"))
    kind = "text" if any(part.get(key) is not None for key in _PART_TEXTS) else next(iter(part))
    return "thinking" if kind == "text" and part.get("thought") is True else kind


def _are_parts(content: list[Any]) -> bool:
    return all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in content)


def _part_text(part: Mapping[str, Any], kind: str, where: str) -> str:
    for key in _PART_TEXTS:
        if part.get(key) is not None:
            return plain_text(part[key], where)
    raise DataError("A part of the type {kind!r} has no text.", kind=kind)


def _read_folded(turn: Mapping[str, Any], *, where: str, made: list[Message]) -> None:
    """ChatGLM's tool turn holds the call, which belongs to the assistant, and what it answered."""
    call = parse_calls({"name": turn.get("name"), "arguments": turn.get("parameters")})
    if not made or made[-1]["role"] != ASSISTANT:
        made.append({"role": ASSISTANT, "content": ""})
    made[-1]["tool_calls"] = [*made[-1].get("tool_calls", ()), *call]
    made.append({"role": TOOL, "content": _tool_text(turn["observation"], where), "name": turn["name"]})


def _tool_text(content: Any, where: str) -> str:
    """What a tool answered, which need not be text."""
    if not isinstance(content, str):
        content = json.dumps(content, ensure_ascii=False, default=str)
    return plain_text(content, where)
