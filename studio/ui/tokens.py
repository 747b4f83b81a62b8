"""A preview as the one JSON string that the token card draws. Knows nothing of where the rows come from.

Whatever a file holds goes to the page as data and is drawn with textContent: it is never markup.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.settings import ASSETS
from studio.ui.facts import as_value
from studio.ui.words import Language, translate_text

if TYPE_CHECKING:
    from studio.data.preview import Preview, TokenRow

TOKENS_DRAWN = 1024  # a row; the rest is counted, not drawn
CUT_DRAWN = 256
LETTERS_DRAWN = 6000  # a raw cell or a rendered text
ROWS_SHOWN = (1, 3, 8)
DEFAULT_VIEW = {"start": 0, "rows": ROWS_SHOWN[1]}


def payload(preview: Preview, *, lang: Language, notes: Sequence[str] = (), **more: Any) -> str:
    """What the card draws: rows of tokens, the raw rows, the rendered text, the digest; `more` is added as it is."""
    rows = [row_of(row) for row in preview.rows]
    return as_value(
        {
            "state": "ok",
            "rows": rows,
            "raw": [shorten(row) for row in preview.raw],
            "text": [text[:LETTERS_DRAWN] for text in preview.text],
            "of": preview.of,
            "digest": preview.digest,
            "notes": [translate_text(lang, note) for note in (*preview.notes, *notes)],
            **more,
        }
    )


def row_of(row: TokenRow) -> dict[str, Any]:
    """One row: texts, ids and one letter a token (t supervised, m masked; upper case: special)."""
    kinds = [
        (letter.upper() if special else letter)
        for letter, special in zip(("t" if one else "m" for one in row.supervised), row.special, strict=True)
    ]
    kept = kinds[: row.kept]
    drawn = min(len(kinds), TOKENS_DRAWN if row.kept >= TOKENS_DRAWN else row.kept + CUT_DRAWN)
    return {
        "row": row.row + 1,
        "t": row.texts[:drawn],
        "i": row.ids[:drawn],
        "c": "".join(kinds[:drawn]),
        "kept": row.kept,
        "supervised": sum(one in "tT" for one in kept),
        "special": sum(one.isupper() for one in kept),
        "cut": len(kinds) - row.kept,
        "more": len(kinds) - drawn,
    }


def shorten(value: Any) -> Any:
    """A raw cell with long texts cut to what one can read."""
    if isinstance(value, str):
        return value if len(value) <= LETTERS_DRAWN else value[:LETTERS_DRAWN] + " …"
    if isinstance(value, dict):
        return {str(key): shorten(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [shorten(one) for one in value[:200]]
    return value


def problem(sentence: str) -> str:
    """The card with a red line; the last good preview stays, dimmed."""
    return as_value({"state": "error", "error": sentence})


def pending(sentence: str) -> str:
    """The card while the model's files are not here yet."""
    return as_value({"state": "pending", "error": sentence})


def token_card() -> gr.HTML:
    """The rows. Value: `payload(...)`, `problem(...)` or `pending(...)`."""
    return gr.HTML(
        json.dumps({"state": "warming"}),
        elem_id="data-tokens",
        html_template="<div class='tf-tokens' data-state='warming'><p class='tf-error' role='alert'></p>"
        "<div class='tf-rows'></div><div class='tf-counts'></div><div class='tf-lines'></div></div>",
        js_on_load=(ASSETS / "tokens.js").read_text(encoding="utf-8"),
        apply_default_css=False,
    )


def row_bar() -> gr.HTML:
    """Title, view switch and row navigation. Value: JSON `{start, rows}`; its `submit` asks for other rows."""
    return gr.HTML(
        json.dumps(DEFAULT_VIEW),
        elem_id="data-rows",
        html_template="<div class='tf-rowbar'></div>",
        js_on_load=(ASSETS / "rows.js").read_text(encoding="utf-8").replace("ROWS_SHOWN", json.dumps(ROWS_SHOWN)),
        apply_default_css=False,
    )


def read_view(value: Any) -> tuple[int, int]:
    """(first row, number of rows) from the row bar's value, whatever the page sent."""
    try:
        view = json.loads(value)
        return max(0, int(view["start"])), min(max(1, int(view["rows"])), max(ROWS_SHOWN))
    except (TypeError, ValueError, KeyError):
        return DEFAULT_VIEW["start"], DEFAULT_VIEW["rows"]
