"""Paths into nested rows, such as `answers[0].text`: read, followed, and found. Knows nothing of formats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

Path = tuple[str | int, ...]
_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\[(-?\d{1,6})\]")
DEEPEST = 4  # how far paths are looked for


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


def nested(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Every path that ends at a value in some of these rows, the first element standing for its list."""
    found: dict[str, None] = {}
    for row in rows:
        for column, value in row.items():
            found.update(dict.fromkeys(_below(column, value, depth=1)))
    return tuple(path for path in found if path_of(path) is not None)


def _below(path: str, value: Any, *, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            yield from _below(f"{path}.{name}", inner, depth=depth + 1)
    elif isinstance(value, list) and value:
        yield f"{path}[0]"
        yield from _below(f"{path}[0]", value[0], depth=depth + 1)
