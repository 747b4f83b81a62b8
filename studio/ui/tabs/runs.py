"""The Runs tab: every run of the workspace; open one to see its curve and settings, and use them again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.runs import RunRecord
from studio.ui.guard import guard, here, sentence
from studio.ui.overlay import overlay_card
from studio.ui.page import Page
from studio.ui.plots import live_plot, script, watch
from studio.ui.sweeps import sweep_results
from studio.ui.takeaway import life_card, take_away
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.services import Services

LISTED = 200


@dataclass
class Parts:
    """The tab's components."""

    listing: Any
    opened: Any
    chosen: Any
    text: Any
    load: Any
    chat: Any
    note: Any
    plot: Any


def build(page: Page) -> None:
    """Lay the tab out and wire it once every tab is there."""
    i18n = page.i18n
    with page.card("runs.list", elem_id="runs-card"):
        listing = gr.HTML(
            listed([], None),
            elem_id="runs-list",
            html_template="<div class='tf-runs'></div>",
            js_on_load=script("live.js", "runs.js"),
            apply_default_css=False,
        )
    chosen = gr.Textbox("", visible="hidden", elem_id="runs-chosen")
    overlay_card(page)
    with gr.Column(visible=False, elem_id="runs-opened") as opened, page.halves():
        with page.choices(), page.card("runs.opened"):
            with gr.Row(elem_classes=["actions"]):
                load = gr.Button(i18n("runs.load"), variant="primary", size="sm", elem_id="runs-load")
                chat = gr.Button(i18n("runs.chat"), size="sm", elem_id="runs-chat")
            take_away(page, chosen)
            note = gr.Markdown("", elem_classes=["hint"], visible=False)
            text = gr.Code(
                "", language=None, label=i18n("runs.config"), interactive=False, elem_id="runs-config", max_lines=28
            )
        with page.living():
            plot = live_plot(page.refs["live-runs"], elem_id="runs-plot", run=None)
            life_card(page, chosen)
    page.refs["sweep-results"] = sweep_results(page)
    parts = Parts(listing, opened, chosen, text, load, chat, note, plot)
    page.later(lambda: _wire(page, parts))


def listed(runs: Sequence[RunRecord], chosen: str | None) -> str:
    """The value of the list: one JSON string, newest run first."""
    rows = [
        {
            "id": run.run_id,
            "name": run.name,
            "status": run.status,
            "method": run.method,
            "model": run.model,
            "steps": run.steps,
            "total": run.total_steps,
            "train_loss": run.metrics.get("loss"),
            "eval_loss": run.metrics.get("eval_loss"),
            "created": run.created,
        }
        for run in runs[:LISTED]
    ]
    return json.dumps({"runs": rows, "chosen": chosen}, ensure_ascii=False).replace("<", "\\u003c")


def _wire(page: Page, parts: Parts) -> None:
    services, quiet = page.services, {"show_progress": "hidden", "api_visibility": "private"}
    shown = [parts.listing, parts.opened, parts.chosen, parts.text, parts.load, parts.chat, parts.note, parts.plot]

    @guard
    def refresh(chosen: str) -> dict[Component, Any]:
        return _show(services, parts, chosen or None)

    @guard
    def choose(event: gr.EventData) -> dict[Component, Any]:
        return _show(services, parts, str(event.run), force=True)

    @guard
    def load(chosen: str) -> dict[Component, Any]:
        record = services.store.open(chosen)
        said = gr.update(value=say(here(), "runs.loaded", name=record.name), visible=True)
        return {**page.draft.fill(record.config()), parts.note: said}

    gr.on([page.refs["tab-runs"].select, parts.plot.change], refresh, parts.chosen, shown, **quiet)
    parts.listing.select(choose, None, shown, **quiet)
    page.refs["sweep-results"].select(choose, None, shown, **quiet)
    parts.load.click(load, parts.chosen, [*page.draft.components(), parts.note], **quiet)
    parts.chat.click(page.refs["open-chat"], parts.chosen, [page.refs["tabs"], page.refs["chat-run"]], **quiet)


def _show(services: Services, parts: Parts, chosen: str | None, *, force: bool = False) -> dict[Component, Any]:
    """The list, and the run that is open: the chosen one, else the newest."""
    runs = services.store.list()
    known = {run.run_id: run for run in runs}
    record = known.get(chosen or "") or next(iter(runs), None)
    answer: dict[Component, Any] = {parts.listing: listed(runs, record.run_id if record else None)}
    if record is None:
        return {**answer, parts.opened: gr.update(visible=False)}
    answer[parts.chat] = gr.update(interactive=record.saved is not None)
    if force or record.run_id != chosen:
        foreign = record.foreign
        answer |= {
            parts.opened: gr.update(visible=True),
            parts.chosen: record.run_id,
            parts.text: record.yaml_text(),
            parts.note: gr.update(value=sentence(foreign) if foreign else "", visible=foreign is not None),
            parts.load: gr.update(interactive=foreign is None),
            parts.plot: watch(record.run_id),
        }
    return answer
