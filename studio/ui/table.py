"""A small table that one fills in: its value is a JSON list of records. Knows nothing of what the records mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from studio.settings import ASSETS
from studio.ui.facts import as_value

MOST = 64  # records that are read


def field(name: str, label: str, *, kind: str = "text", **more: Any) -> dict[str, Any]:
    """One column. `label` is a key of the texts' section "cards"; `kind` is text, number or select (with `options`)."""
    return {"name": name, "label": label, "kind": kind, **more}


def table(
    elem_id: str, fields: Sequence[dict[str, Any]], *, name: str, add: str, least: int = 0, **more: Any
) -> gr.HTML:
    """The component; its `input` fires when a cell was edited. `least` records stay."""
    spec = json.dumps({"fields": list(fields), "name": name, "add": add, "least": least})
    return gr.HTML(
        "[]",
        elem_id=elem_id,
        html_template="<div class='tf-table'></div>",
        js_on_load=(ASSETS / "table.js").read_text(encoding="utf-8").replace("FIELDS;", f"{spec};"),
        apply_default_css=False,
        **more,
    )


def written(records: Sequence[dict[str, Any]]) -> str:
    """Records as the component's value."""
    return as_value(list(records))


def records(value: Any) -> list[dict[str, Any]]:
    """The records of the component's value, whatever the page sent."""
    try:
        given = json.loads(value or "[]")
    except (TypeError, ValueError):
        return []
    return [one for one in given[:MOST] if isinstance(one, dict)] if isinstance(given, list) else []
