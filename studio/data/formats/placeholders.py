"""`{{name}}` in a row's texts -> the values set for them. Touches nothing but text that is trained or shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from studio.errors import DataError

OPENING = "{{"
_PLACEHOLDER = re.compile(r"\{\{\s*([^\W\d]\w*)\s*\}\}")
_TEXTS = ("content", "reasoning_content", "thinking")
_LANES = ("messages", "prompt", "completion", "chosen", "rejected", "text")


def fill(columns: dict[str, Any], values: Mapping[str, str]) -> DataError | None:
    """Fill the placeholders of a rendered row where it stands; a remark that names those without a value."""
    unknown: dict[str, None] = {}
    for lane in _LANES:
        value = columns.get(lane)
        if value is None:
            continue
        if isinstance(value, str):
            if OPENING in value:
                columns[lane] = _filled(value, values, unknown)
            continue
        for turn in value:
            if OPENING in turn["content"] or len(turn) > 2:
                _fill_turn(turn, values, unknown)
    if values and "reference" in columns:
        _fill_reference(columns["reference"], values)
    if not unknown:
        return None
    return DataError(
        "Placeholders stay as they are, because data.placeholders gives them no value: {names}.",
        names=", ".join(f"{{{{{name}}}}}" for name in unknown),
    )


def _fill_turn(turn: dict[str, Any], values: Mapping[str, str], unknown: dict[str, None]) -> None:
    for key in _TEXTS:
        text = turn.get(key)
        if text and OPENING in text:
            turn[key] = _filled(text, values, unknown)


def _fill_reference(reference: dict[str, Any], values: Mapping[str, str]) -> None:
    """The answers too, or a reward would compare a filled answer with one that is not."""
    for column, value in reference.items():
        if isinstance(value, str) and OPENING in value:
            reference[column] = _filled(value, values, {})


def _filled(text: str, values: Mapping[str, str], unknown: dict[str, None]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name in values:
            return values[name]
        unknown[name] = None
        return found[0]

    return _PLACEHOLDER.sub(value, text)
