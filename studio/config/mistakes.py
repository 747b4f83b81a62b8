"""What pydantic says about a setting -> one sentence that names the key and the lever. Builds no config."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from studio.adapters import ADAPTERS
from studio.errors import ConfigError
from studio.methods import METHODS
from studio.section import Section

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
    return ".".join(part for at, part in enumerate(plain) if at == 0 or not _is_branch(plain[at - 1], part))


def _is_branch(section: str, part: str) -> bool:
    """Whether a part of a location is the name of a method or of a kind of adapter, and no setting."""
    return (section == "method" and part in METHODS) or (section == "adapter" and part in ADAPTERS)


def _one(error: Mapping[str, Any], key: str, *, names: Names, flags: Mapping[str, str]) -> ConfigError:
    kind, value, context = error["type"], repr(error.get("input"))[:MOST_VALUE], error.get("ctx") or {}
    if kind == "extra_forbidden":
        return _unknown(key, _there(error, key, names), flags)
    if kind == "value_error" and isinstance(context["error"].args[0], ConfigError):
        return context["error"].args[0]
    if kind in ("literal_error", "union_tag_invalid"):
        expected = str(context.get("expected") or context.get("expected_tags")).replace("'", "").replace(" or ", ", ")
        return ConfigError("{setting} is {value}; there are: {choices}.", setting=key, value=value, choices=expected)
    limit = next((_figure(context[bound]) for bound in ("gt", "ge", "lt", "le") if bound in context), "")
    match kind:
        case "greater_than":
            return ConfigError(
                "{setting} must be more than {bound}; it is {value}.", setting=key, value=value, bound=limit
            )
        case "greater_than_equal":
            return ConfigError(
                "{setting} must be at least {bound}; it is {value}.", setting=key, value=value, bound=limit
            )
        case "less_than":
            return ConfigError(
                "{setting} must be less than {bound}; it is {value}.", setting=key, value=value, bound=limit
            )
        case "less_than_equal":
            return ConfigError(
                "{setting} must be at most {bound}; it is {value}.", setting=key, value=value, bound=limit
            )
        case "int_parsing" | "int_from_float" | "int_type":
            return ConfigError("{setting} must be a whole number; it is {value}.", setting=key, value=value)
        case "float_parsing" | "float_type" | "finite_number":
            return ConfigError("{setting} must be a number; it is {value}.", setting=key, value=value)
        case "bool_parsing" | "bool_type":
            return ConfigError("{setting} must be true or false; it is {value}.", setting=key, value=value)
        case "too_short":
            return ConfigError("{setting} is empty. Give it a value.", setting=key)
    problem = error["msg"][:1].lower() + error["msg"][1:]
    return ConfigError("{setting} cannot be {value} ({problem}).", setting=key, value=value, problem=problem)


def _figure(bound: float) -> str:
    """A bound as one writes it: 8, 0.5, 4294967296."""
    return str(int(bound)) if float(bound).is_integer() else f"{bound:g}"


def _there(error: Mapping[str, Any], key: str, names: Names) -> tuple[str, ...]:
    """The settings of the section that a key is in; of the method that was chosen, where it is in `method`."""
    section = key.split(".")[0] if "." in key else ""
    place = [str(part) for part in error["loc"]]
    chosen = next((part for at, part in enumerate(place[1:]) if _is_branch(place[at], part)), None)
    return names.get(f"{section}.{chosen}" if chosen else section, ())


def _unknown(key: str, there: tuple[str, ...], flags: Mapping[str, str]) -> ConfigError:
    last = key.rpartition(".")[2]
    near = difflib.get_close_matches(last, there, n=1, cutoff=0.6)
    meant = near[0] if near else flags.get(last)
    kinds: Iterable[type[Section]] = ADAPTERS.values() if key.startswith("adapter.") else ()
    if any(last in kind.model_fields for kind in kinds):
        return ConfigError(
            "{setting} belongs to another adapter.type; this one has: {choices}.",
            setting=key,
            choices=", ".join(there),
        )
    if meant == key:
        return ConfigError(
            "{setting} belongs to another method; this one has: {choices}.", setting=key, choices=", ".join(there)
        )
    if meant:
        return ConfigError("{setting} is not a setting; did you mean {near}?", setting=key, near=meant)
    return ConfigError("{setting} is not a setting; there are: {choices}.", setting=key, choices=", ".join(there))
