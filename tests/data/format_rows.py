"""Rows that format tests render: a table of them, mapped and rendered as a run would, and short ways to write turns."""

from __future__ import annotations

from typing import Any

from studio.config import DataConfig
from studio.data.columns import Mapped, map_columns
from studio.data.formats import FORMATS
from studio.data.formats.base import Rendered, Rendering
from studio.data.sources import Table
from studio.data.sources.base import columns_of


def table(*rows: dict[str, Any]) -> Table:
    return Table(name="rows.jsonl", rows=list(rows), columns=columns_of(rows), identity="0" * 64, size_bytes=1)


def mapped(*rows: dict[str, Any], **data: Any) -> Mapped:
    return map_columns(table(*rows), DataConfig(source="rows.jsonl", **data))


def rendered(
    row: dict[str, Any], dataset_type: Any = "prompt-completion", system_prompt: str | None = None, **data: Any
) -> dict[str, Any]:
    """The columns of a row whose format is detected; `data` is of DataConfig."""
    found = mapped(row, **data)
    return FORMATS[found.format].render(row, Rendering(found.columns, dataset_type, system_prompt)).columns


def remarked(row: dict[str, Any], dataset_type: Any = "prompt-completion", **how: Any) -> Rendered:
    """A row with its remarks; `how` is of Rendering."""
    found = mapped(row)
    return FORMATS[found.format].render(row, Rendering(found.columns, dataset_type, **how))


def turns(*texts: str, system: str | None = None) -> list[dict[str, str]]:
    """user, assistant, user, ... with these texts."""
    before = [] if system is None else [{"role": "system", "content": system}]
    roles = ("user", "assistant") * len(texts)
    return before + [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]


def shared(*pairs: tuple[str, Any], **more: Any) -> dict[str, Any]:
    return {"conversations": [{"from": speaker, "value": text} for speaker, text in pairs], **more}
