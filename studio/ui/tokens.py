"""A preview as the one JSON string that the token card draws. Knows nothing of where the rows come from.

Whatever a file holds goes to the page as data and is drawn with textContent: it is never markup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.settings import ASSETS
from studio.ui.facts import as_value
from studio.ui.plots import script
from studio.ui.words import Language, translate, translate_text

if TYPE_CHECKING:
    from studio.data.preview import LaneRow, Preview, TokenRow
    from studio.errors import StudioError

TOKENS_DRAWN = 1024  # a lane at first; the rest is counted, and drawn when it is asked for
MOST_TOKENS = 262_144
CUT_DRAWN = 256
BEFORE_TRAINED = 64  # tokens before the first trained one, where that would not be among those drawn
IDS_COPIED = 262_144  # a lane
LETTERS_DRAWN = 6000  # a raw cell or a rendered text
ROWS_SHOWN = (1, 3, 8)
DEFAULT_VIEW = {"at": 0, "rows": ROWS_SHOWN[0]}


def payload(preview: Preview, *, lang: Language, notes: Sequence[str] = (), **more: Any) -> str:
    """What the card draws: rows with their lanes, raw cells and text, the digest; `more` is added as it is."""
    return as_value(
        {
            "state": "ok",
            "rows": [row_of(row) for row in preview.rows],
            "digest": preview.digest,
            "notes": [translate_text(lang, note) for note in (*preview.notes, *notes)],
            **more,
        }
    )


def row_of(row: TokenRow, *, held: bool = False, where: str = "", most: int = TOKENS_DRAWN) -> dict[str, Any]:
    """One row; lanes that begin alike, cut alike, have the tokens they share once. `most` tokens a lane are drawn."""
    fold = _folded(row.lanes)
    texts = [text[:LETTERS_DRAWN] for text in row.text]
    shared = common(texts) if len(texts) > 1 else ""
    reference = row.extra.get("reference")
    if isinstance(reference, str) and reference:
        reference = {str(row.extra.get("reference_column") or "reference"): reference}
    return {
        "row": row.row + 1,
        "at": row.position,
        "where": where,
        "held": held,
        "kept": row.kept,
        "label": row.extra.get("label"),
        "reference": shorten(reference) if isinstance(reference, Mapping) and reference else None,
        "shared": {"count": fold, **drawn(row.lanes[0], 0, fold, most=most)} if fold else None,
        "lanes": [lane_of(lane, first=fold, most=most) for lane in row.lanes],
        "raw": shorten(row.raw),
        "text": [text[len(shared) :] for text in texts],
        "textShared": shared,
    }


def common(texts: Sequence[str]) -> str:
    """The whole lines that all texts begin with."""
    count = 0
    for letters in zip(*texts, strict=False):
        if len(set(letters)) > 1:
            break
        count += 1
    return texts[0][: texts[0].rfind("\n", 0, count) + 1]


def problem_row(problem: StudioError, *, row: int, at: int, lang: Language, raw: Any, where: str) -> dict[str, Any]:
    """A row that cannot be used: why, and its cells as far as they can be read."""
    return {
        "row": row + 1, "at": at, "where": where, "held": False, "kept": True, "label": None, "reference": None,
        "shared": None, "lanes": [], "raw": shorten(raw) if raw is not None else {}, "text": [], "textShared": "",
        "problem": translate(lang, problem),
    }  # fmt: skip


def _folded(lanes: Sequence[LaneRow]) -> int:
    """How many tokens all lanes share, cut alike and train alike; 0 where they are better shown whole."""
    shared = lanes[0].shared if len(lanes) > 1 else 0
    windows = {(min(lane.start, shared), min(lane.end, shared), bytes(lane.supervised[:shared])) for lane in lanes}
    return shared if len(windows) == 1 else 0


def lane_of(lane: LaneRow, *, first: int = 0, most: int = TOKENS_DRAWN) -> dict[str, Any]:
    """One lane from its token `first` on; its counts are those of the whole lane."""
    ids = lane.ids[lane.start : lane.end]
    return {
        "name": lane.name,
        **drawn(lane, first, len(lane.ids), most=most),
        "ids": ids[:IDS_COPIED],
        "kept": lane.kept,
        "supervised": sum(lane.supervised[lane.start : lane.end]),
        "special": sum(lane.special[lane.start : lane.end]),
        "cut": len(lane.ids) - lane.kept,
    }


def drawn(lane: LaneRow, first: int, last: int, *, most: int = TOKENS_DRAWN) -> dict[str, Any]:
    """Tokens first..last as the page draws them: texts, ids, one letter a token (t supervised, m masked; upper case:
    special), and whether it is cut. Of a long stretch only `most`: those kept before those cut, from where the first
    trained one is among them."""
    kept = range(max(lane.start, first), min(lane.end, last))
    trained = next((at for at in kept if lane.supervised[at]), None)
    begin = max(first, min(lane.start, last) - CUT_DRAWN)
    if trained is not None and trained >= max(lane.start, begin) + most:
        begin = trained - BEFORE_TRAINED
    inside = max(0, min(lane.end, last) - max(lane.start, begin))
    shown = inside + CUT_DRAWN if inside < most else most
    end = min(last, max(lane.start, begin) + shown)
    letters = [
        letter.upper() if special else letter
        for letter, special in zip(
            ("t" if one else "m" for one in lane.supervised[begin:end]), lane.special[begin:end], strict=True
        )
    ]
    return {
        "t": lane.texts[begin:end],
        "i": lane.ids[begin:end],
        "c": "".join(letters),
        "x": "".join("." if lane.start <= at < lane.end else "x" for at in range(begin, end)),
        "before": begin - first,
        "more": last - end,
    }


def shorten(value: Any) -> Any:
    """A raw cell with long texts cut to what one can read."""
    if isinstance(value, str):
        return value if len(value) <= LETTERS_DRAWN else value[:LETTERS_DRAWN] + " …"
    if isinstance(value, Mapping):
        return {str(key): shorten(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [shorten(one) for one in value[:200]]
    return value


def problem(sentence: str, *, offers: Sequence[dict[str, Any]] = ()) -> str:
    """The card with a red line; the last good preview stays, dimmed. Offers: `{text, changes}`."""
    return as_value({"state": "error", "error": sentence, "offers": list(offers)})


def pending(sentence: str) -> str:
    """The card while the model's files are not here yet."""
    return as_value({"state": "pending", "error": sentence})


def token_card() -> gr.HTML:
    """The rows. Value: `payload(...)`, `problem(...)` or `pending(...)`; its `select` brings an offer's changes."""
    return gr.HTML(
        json.dumps({"state": "warming"}),
        elem_id="data-tokens",
        html_template="<div class='tf-tokens' data-state='warming'><p class='tf-error' role='alert'></p>"
        "<div class='tf-offers'></div><div class='tf-rows'></div><div class='tf-counts'></div>"
        "<div class='tf-lines'></div></div>",
        js_on_load=script("lanes.js", "tokens.js"),
        apply_default_css=False,
    )


def row_bar() -> gr.HTML:
    """Title, view switch, navigation and search. Value: JSON as `view.read` takes it; `submit` asks for other rows."""
    return gr.HTML(
        json.dumps(DEFAULT_VIEW),
        elem_id="data-rows",
        html_template="<div class='tf-rowbar'></div>",
        js_on_load=(ASSETS / "rows.js").read_text(encoding="utf-8").replace("ROWS_SHOWN", json.dumps(ROWS_SHOWN)),
        apply_default_css=False,
    )
