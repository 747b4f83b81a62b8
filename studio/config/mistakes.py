"""What pydantic says about a setting -> one sentence that names the key and the lever. Builds no config."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from studio.errors import ConfigError
from studio.methods import METHODS

MOST_SENTENCES = 3
MOST_VALUE = 60  # characters of a wrong value that a sentence repeats


def sentence(errors: Iterable[Mapping[str, Any]], *, names: Names, flags: Mapping[str, str]) -> ConfigError:
    """The first mistakes as one ConfigError. `flags` maps a setting's bare name to its dotted key."""
    told: list[ConfigError] = []
    seen: set[str] = set()
    for error in errors:
        key = _key(error)
        if key not in seen:  # a union reports each of its branches
            seen.add(key)
            told.append(_one(error, key, names=names, flags=flags))
    made = told[0]
    for more in told[1:MOST_SENTENCES]:
        made = ConfigError("{first} {second}", first=made, second=more)
    return made


Names = Mapping[str, tuple[str, ...]]  # section ("" is the top) -> the names of its settings


def _key(error: Mapping[str, Any]) -> str:
    """`training.learning_rate`: the location without pydantic's words for unions, tuples and functions."""
    parts = [str(part) for part in error["loc"]]
    plain = [part for part in parts if part.isidentifier() and not part.startswith("function-")]
    return ".".join(part for part in plain if part not in METHODS)


def _one(error: Mapping[str, Any], key: str, *, names: Names, flags: Mapping[str, str]) -> ConfigError:
    kind, value, context = error["type"], repr(error.get("input"))[:MOST_VALUE], error.get("ctx") or {}
    if kind == "extra_forbidden":
        return _unknown(key, names=names, flags=flags)
    if kind == "value_error" and isinstance(context["error"].args[0], ConfigError):
        return context["error"].args[0]
    if kind == "literal_error" or kind == "union_tag_invalid":
        expected = str(context.get("expected") or context.get("expected_tags")).replace("'", "").replace(" or ", ", ")
        return ConfigError("{key} is {value}; there are: {choices}.", key=key, value=value, choices=expected)
    if kind in _BOUNDS:
        word, limit = _BOUNDS[kind]
        return ConfigError(
            "{key} is {value}; it must be {bound} {limit}.", key=key, value=value, bound=word, limit=context[limit]
        )
    if kind.startswith(("int_", "float_", "finite_")):
        return ConfigError("{key} is {value}; it must be a number.", key=key, value=value)
    if kind.startswith("bool_"):
        return ConfigError("{key} is {value}; it must be true or false.", key=key, value=value)
    return ConfigError("{key} is {value}: {reason}.", key=key, value=value, reason=_lower(error["msg"]))


# pydantic's kind -> the sign in the sentence, and where the limit stands in its context
_BOUNDS = {
    "greater_than": (">", "gt"),
    "greater_than_equal": ("≥", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("≤", "le"),
}


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _unknown(key: str, *, names: Names, flags: Mapping[str, str]) -> ConfigError:
    section, _, last = key.rpartition(".")
    there = names.get(section.split(".")[0], ())
    near = difflib.get_close_matches(last, there, n=1, cutoff=0.6)
    meant = near[0] if near else flags.get(last)
    if meant:
        return ConfigError("{key} is not a setting; did you mean {near}?", key=key, near=meant)
    return ConfigError("{key} is not a setting; there are: {choices}.", key=key, choices=", ".join(there))
