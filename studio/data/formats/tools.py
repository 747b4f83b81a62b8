"""Tools and the calls of them, as JSON text or as objects -> the one form that chat templates take.

A tool is {"type": "function", "function": {"name", ...}}; a call the same, with `arguments` an object.
Knows nothing of rows and turns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from studio.errors import DataError

Tool = dict[str, Any]
_ARGUMENTS = ("arguments", "parameters", "input")
NONE: tuple[Any, ...] = (None, "", "[]", "{}", "null", [], {})


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def parse_tools(value: Any) -> list[Tool]:
    """The tools in a cell, checked; a DataError for what is no list of function descriptions."""
    if isinstance(value, str):
        return _parsed(value)
    return _checked(value)


@lru_cache(maxsize=256)  # most rows of a set share a few lists of tools
def _parsed(text: str) -> list[Tool]:
    found = read_json(text)
    if isinstance(found, ValueError):
        raise DataError("The tools are not valid JSON ({problem}).", problem=found)
    return _checked(found)


def _checked(value: Any) -> list[Tool]:
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise DataError("The tools are {kind}, not a list of function descriptions.", kind=type(value).__name__)
    return [_tool(one) for one in value]


def _tool(written: Any) -> Tool:
    tool = read_json(written) if isinstance(written, str) else written
    wrapped = isinstance(tool, dict) and isinstance(tool.get("function"), dict)
    function = tool["function"] if wrapped else tool
    name = function.get("name") if isinstance(function, dict) else None
    if not _is_name(name):
        raise DataError("A tool has no name: {tool}.", tool=_short(written))
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise DataError("The parameters of the tool {name!r} are not a JSON object.", name=name)
    if wrapped:
        return {**tool, "type": tool.get("type") or "function"}
    return {"type": "function", "function": {key: inner for key, inner in function.items() if key != "type"}}


def parse_calls(value: Any) -> list[Tool]:
    """The calls in a turn: one or several, as JSON text or objects, bare or wrapped as `function`."""
    if isinstance(value, str):
        found = read_json(value)
        if isinstance(found, ValueError):
            raise DataError("A tool call is not valid JSON ({problem}): {call}.", problem=found, call=_short(value))
        value = found
    calls = value if isinstance(value, list) else [value]
    if not calls:
        raise DataError("A turn of tool calls holds none.")
    return [_call(call) for call in calls]


def _call(written: Any) -> Tool:
    call = read_json(written) if isinstance(written, str) else written
    function = call.get("function") if isinstance(call, dict) else None
    inner = function if isinstance(function, dict) else call
    name = inner.get("name") if isinstance(inner, dict) else None
    if not _is_name(name):
        raise DataError("A tool call has no name: {call}.", call=_short(written))
    given: Any = next((inner[key] for key in _ARGUMENTS if inner.get(key) is not None), {})
    if isinstance(given, str):
        given = read_json(given) if given.strip() else {}
    if not isinstance(given, dict):
        problem = f" ({given})" if isinstance(given, ValueError) else ""
        raise DataError(
            "The arguments in a call of {name!r} are not a JSON object{problem}.", name=name, problem=problem
        )
    made: Tool = {"type": "function", "function": {"name": name, "arguments": given}}
    if isinstance(call.get("id"), str) and call["id"]:
        made["id"] = call["id"]
    return made


def unknown_calls(calls: Iterable[Tool], tools: list[Tool] | None) -> DataError | None:
    """A remark that names the tools which are called and not listed."""
    known = {tool["function"]["name"] for tool in tools or ()}
    names = dict.fromkeys(call["function"]["name"] for call in calls)
    unknown = ", ".join(name for name in names if name not in known)
    if not unknown:
        return None
    if not known:
        return DataError("The row calls tools ({unknown}) but lists none.", unknown=unknown)
    return DataError(
        "The row calls tools that it does not list: {unknown}. It lists: {tools}.",
        unknown=unknown,
        tools=", ".join(sorted(known)),
    )


def read_json(text: str) -> Any:
    """JSON text as Python objects; a ValueError, not raised, where it is none."""
    try:
        return _DECODER.decode(text)
    except ValueError as error:
        return error
    except RecursionError:
        return ValueError("nested too deeply")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and not value.isspace() and value != ""


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text[:200].encode("utf-8", "backslashreplace").decode("utf-8")  # half a surrogate pair cannot be shown
    return text if len(text) <= 80 else f"{text[:79]}…"
