"""Every path that nested rows have, such as `answers[0].text`, to choose from. Knows nothing of formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from studio.methods.paths import path_of

DEEPEST = 4  # how far paths are looked for


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
