"""The card of figures that answers each choice, and how figures are written. Knows nothing of what they mean."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from studio.settings import ASSETS
from studio.ui.words import Language, say


def as_value(card: Any) -> str:
    """A card as the JSON string that a gr.HTML is given. `<` is written as an escape, so that it holds no markup."""
    return json.dumps(card, ensure_ascii=False, default=str).replace("<", "\\u003c")


def duration(lang: Language, seconds: float) -> str:
    """40 s, 12 min, 3.5 h: two figures at most, for it is an estimate."""
    for most, size, unit, form in ((90, 1, "s", ".0f"), (90 * 60, 60, "min", ".0f"), (10 * 3600, 3600, "h", ".1f")):
        if seconds < most:
            return say(lang, f"train.units.{unit}", count=f"{max(seconds / size, 1):{form}}")
    return say(lang, "train.units.h", count=f"{seconds / 3600:,.0f}")


def facts_card(elem_id: str, first: Any = None) -> gr.HTML:
    """Value: JSON `{state, tiles: [{value, word, kind}], lines: [{text, cls}], error}` (see assets/facts.js).

    `first` is what it holds before anything is known.
    """
    return gr.HTML(
        as_value(first or {"state": "warming"}),
        elem_id=elem_id,
        html_template="<div class='tf-facts' data-state='warming'><p class='tf-error' role='alert'></p>"
        "<div class='tf-tiles'></div><div class='tf-lines'></div></div>",
        js_on_load=(ASSETS / "facts.js").read_text(encoding="utf-8"),
        apply_default_css=False,
    )
