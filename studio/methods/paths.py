"""Paths into nested rows, such as `answers[0].text`: read and followed. Knows nothing of formats and methods."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Path = tuple[str | int, ...]
_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\[(-?\d{1,6})\]")


@lru_cache(maxsize=256)
def path_of(column: str) -> Path | None:
    """`a.b[0]` -> ("a", "b", 0); None for what is a plain column's name."""
    steps: list[str | int] = []
    place = 0
    for found in _STEP.finditer(column):
        if found.start() != place:
            return None
        place = found.end()
        name, index = found.groups()
        steps.append(name if name is not None else int(index))
    whole = place == len(column) and len(steps) > 1 and isinstance(steps[0], str)
    return tuple(steps) if whole else None


def follow(row: Mapping[str, Any], path: Path) -> Any:
    """What stands at the end of the path; None where it ends before."""
    value: Any = row
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def cell_of(row: Mapping[str, Any], column: str) -> Any:
    """The value in a column, or at a path where there is no such column."""
    value = row.get(column)
    if value is None and ("." in column or "[" in column) and column not in row:
        path = path_of(column)
        return None if path is None else follow(row, path)
    return value
