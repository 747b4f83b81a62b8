"""Runs side by side: the card with their curves over one another, and the card that says in what they differ.

What is sent of a run is one figure, thinned so that no spike is lost, and only where its log has grown. `asked` comes
from the page's script and can come from anywhere, so it only reads.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.errors import StudioError
from studio.runs.difference import Difference, compare
from studio.runs.series import Point, Series
from studio.ui.facts import as_value
from studio.ui.guard import guard, here, sentence
from studio.ui.plots import script
from studio.ui.words import Language, name_of, say

if TYPE_CHECKING:
    from studio.runs import RunStore
    from studio.ui.page import Page

MOST_RUNS = 8  # over one another
KEPT = 64  # figures of runs, in memory
AT_ONCE = 0.5  # seconds that a request reads a log that is long; the page asks again for the rest
LONGEST = 200  # characters of a figure's name


class Overlays:
    """Answers for the runs of a workspace. Keeps what it has read of them, so that only what is new is read."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, str], tuple[Series, threading.Lock]] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, asked: object) -> dict[str, Any]:
        """`asked` = {runs: [ids], figure, known: {id: bytes}} -> {figure, figures, runs: [...]}; curves that have not
        grown are left out, and so are runs that are not there."""
        given = asked if isinstance(asked, dict) else {}
        figure, known = given.get("figure"), given.get("known")
        figure = figure[:LONGEST] if isinstance(figure, str) and figure else "loss"
        known = known if isinstance(known, dict) else {}
        found, names = [], dict[str, None]()
        for run_id in picked(given.get("runs"))[:MOST_RUNS]:
            try:
                record = self._store.open(run_id)
            except StudioError:
                continue
            series, lock = self._series(run_id, figure)
            with lock:
                series.refresh(seconds=AT_ONCE)
                names.update(dict.fromkeys(series.names))
                one: dict[str, Any] = {"id": run_id, "name": record.name, "status": record.status, "read": series.read}
                if series.left:
                    one["share"] = round(series.read / series.size, 3)
                if known.get(run_id) != series.read:
                    logged, evaluated = series.points(figure)
                    one |= {"points": [_sent(point) for point in logged], "evals": [_sent(one) for one in evaluated]}
            found.append(one)
        return {"figure": figure, "figures": list(names), "runs": found}

    def _series(self, run_id: str, figure: str) -> tuple[Series, threading.Lock]:
        with self._lock:
            kept = self._kept.pop((run_id, figure), None)
            if kept is None:
                kept = (Series(self._store.open(run_id).path, [figure]), threading.Lock())
            self._kept[run_id, figure] = kept
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return kept


def picked(value: object) -> list[str]:
    """The ids of picked runs, from a JSON text or a list, whatever the page sent."""
    if isinstance(value, str):
        try:
            value = json.loads(value or "[]")
        except ValueError:
            return []
    if not isinstance(value, list):
        return []
    return list(dict.fromkeys(one for one in value if isinstance(one, str) and len(one) < LONGEST))


def overlay_card(page: Page) -> None:
    """Both cards, below the list of runs; they follow `page.refs["runs-picked"]`, a hidden text with a JSON list."""
    overlays = Overlays(page.services.store)
    if "runs-picked" not in page.refs:
        page.refs["runs-picked"] = gr.Textbox("[]", visible="hidden", elem_id="runs-picked")
    chosen = page.refs["runs-picked"]

    def overlay(asked: object = None) -> dict[str, Any]:
        return overlays.answer(asked)

    with gr.Column(visible=False, elem_id="runs-compared", elem_classes=["stack"]) as cards:
        with page.card(elem_id="runs-overlay-card"):
            plot = gr.HTML(
                shown([]),
                elem_id="runs-overlay",
                html_template="<div class='tf-overlay'></div>",
                js_on_load=script("live.js", "pen.js", "overlay.js"),
                server_functions=[overlay],
                apply_default_css=False,
            )
        with page.card("compare.difference", elem_id="runs-difference-card"):
            table = gr.HTML(
                as_value({}),
                elem_id="runs-difference",
                html_template="<div class='tf-difference'></div>",
                js_on_load=script("live.js", "difference.js"),
                apply_default_css=False,
            )

    @guard
    def follow(value: str) -> dict[Any, Any]:
        runs = picked(value)
        return {
            cards: gr.update(visible=len(runs) > 1),
            plot: shown(runs),
            table: difference(here(), page.services.store, runs[:MOST_RUNS]),
        }

    page.later(
        lambda: chosen.change(follow, chosen, [cards, plot, table], show_progress="hidden", api_visibility="private")
    )


def shown(runs: Sequence[str]) -> str:
    """The plot's value: which runs of how many that are picked. Never twice the same text."""
    return as_value({"runs": list(runs[:MOST_RUNS]), "all": len(runs), "asked": time.time()})


def difference(lang: Language, store: RunStore, runs: list[str]) -> str:
    """The value of the difference's card: `{runs: [{id, name}], groups: [{title, lines}], error}`."""
    records = []
    for run_id in runs:
        try:
            records.append(store.open(run_id))
        except StudioError:
            continue
    if len(records) < 2:
        return as_value({})
    named = [{"id": one.run_id, "name": one.name} for one in records]
    try:
        found = compare(records)
    except StudioError as error:
        return as_value({"runs": named, "error": sentence(error)})
    ids = [one.run_id for one in records]
    groups = [
        {"title": say(lang, f"compare.{title}"), "lines": [_line(lang, one, ids) for one in lines]}
        for title, lines in (("settings", found.settings), ("grounds", found.grounds))
        if lines
    ]
    return as_value({"runs": named, "groups": groups, "same": "" if found.settings else say(lang, "compare.same")})


def _line(lang: Language, one: Difference, ids: list[str]) -> dict[str, Any]:
    """A key as the page calls it, and each run's value as text; None where it is not set."""
    label = name_of(lang, one.key)
    return {
        "key": one.key,
        "label": label if label != one.key else "",
        "values": [_text(one.values[run_id]) if run_id in one.values else None for run_id in ids],
    }


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:399]}…"


def _sent(point: Point) -> list[float | None]:
    """Step, epoch, tokens, seconds, value, and the mean of its stretch where that is another."""
    epoch = None if point.epoch is None else round(point.epoch, 5)
    value, mean = float(f"{point.value:.6g}"), float(f"{point.mean:.6g}")
    place = [point.step, epoch, point.tokens, round(point.seconds, 2), value]
    return place if value == mean else [*place, mean]
