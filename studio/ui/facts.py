"""The card of figures that answers each choice. Knows nothing of what the figures mean."""

from __future__ import annotations

import json

import gradio as gr

from studio.settings import ASSETS


def facts_card(elem_id: str) -> gr.HTML:
    """Value: JSON `{state, tick, tiles: [{value, word, kind}], lines: [{text, cls}], error}` (see assets/facts.js)."""
    return gr.HTML(
        json.dumps({"state": "warming"}),
        elem_id=elem_id,
        html_template="<div class='tf-facts' data-state='warming'><p class='tf-error' role='alert'></p>"
        "<div class='tf-tiles'></div><div class='tf-lines'></div></div>",
        js_on_load=(ASSETS / "facts.js").read_text(encoding="utf-8"),
        apply_default_css=False,
    )
