"""Sweeps on the page: lines of settings and values that become queued runs, and what has come of each sweep.

The results are read by their script (`sweeps`), like a live plot; a click comes as a `select` event with the run's id.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.config.sweep import Sweep, grid_of, make_sweep
from studio.errors import StudioError
from studio.runs.store import is_figure
from studio.runs.sweep import Results, can_go_on, mark, results_of, runs_of, sweeps_of
from studio.ui.draft import Values
from studio.ui.guard import guard, here
from studio.ui.page import Page
from studio.ui.plots import script
from studio.ui.words import say, translate

if TYPE_CHECKING:
    from studio.services import Services

LISTED = 50  # sweeps that one can choose from
TAKEN = ("finished", "running", "queued")  # a point with such a run is not queued again
PLACEHOLDER = "training.learning_rate = 1e-4, 2e-4\nadapter.r = 8, 16"


def sweep_fold(page: Page) -> None:
    """The fold in the Train tab: lines, how many runs they make, and the button that queues them."""
    i18n = page.i18n
    with (
        page.card(elem_id="sweep-card"),
        gr.Accordion(i18n("sweep.title"), open=False, elem_classes=["fold"], elem_id="sweep-fold"),
    ):
        lines = gr.Textbox(
            "", label=i18n("sweep.lines"), info=i18n("sweep.info"), lines=2, max_lines=8, placeholder=PLACEHOLDER,
            elem_id="sweep-lines",
        )  # fmt: skip
        told = gr.HTML("", elem_id="sweep-told", elem_classes=["tf-effect"], apply_default_css=False)
        with gr.Row(elem_classes=["actions"]):
            start = gr.Button(i18n("sweep.queue"), size="sm", interactive=False, elem_id="sweep-queue")
    page.later(lambda: _wire(page, lines, told=told, start=start))


def sweep_results(page: Page) -> gr.HTML:
    """The card in the Runs tab: a table and a plot of one sweep; nothing is seen of it while there is none."""
    services = page.services

    def sweeps(asked: object = None) -> dict[str, Any]:
        return found(services, asked)

    return gr.HTML(
        "",
        elem_id="sweep-results",
        html_template="<section class='tf-panel tf-sweep tf-gone'></section>",
        js_on_load=script("live.js", "lines.js", "sweeps.js"),
        server_functions=[sweeps],
        apply_default_css=False,
    )


def found(services: Services, asked: object = None) -> dict[str, Any]:
    """{sweeps: those there are, shown: the results of the asked one, else of the newest, mark}; the mark alone where
    the page has the same already. Read-only."""
    sweeps = sweeps_of(services.store)[:LISTED]
    wanted = asked.get("sweep") if isinstance(asked, dict) else None
    names = [one["sweep"] for one in sweeps]
    chosen = wanted if wanted in names else next(iter(names), None)
    answer: dict[str, Any] = {"sweeps": [], "shown": None}
    if chosen is not None:
        with contextlib.suppress(StudioError):  # its last run was removed in between
            answer = {"sweeps": sweeps, "shown": _slim(results_of(services.store, chosen))}
    text = json.dumps(answer, ensure_ascii=False, default=str)
    answer["mark"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    known = asked.get("mark") if isinstance(asked, dict) else None
    return {"mark": known} if known == answer["mark"] else answer


def _slim(results: Results) -> dict[str, Any]:
    """What the page draws of a sweep's results: 200 runs are sent every few seconds while they are trained."""
    told = results.as_json()
    for run in told["runs"]:
        run.pop("error")
        run["metrics"] = {name: _rounded(value) for name, value in run["metrics"].items() if is_figure(name)}
    return told


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _wire(page: Page, lines: gr.Textbox, *, told: gr.HTML, start: gr.Button) -> None:
    services, quiet = page.services, {"show_progress": "hidden", "api_visibility": "private"}
    form: set[Component] = {lines, *page.draft.components()}

    def made(values: Values) -> Sweep:
        config, lang = page.draft.read(values), here()
        name = config.name or config.method.type
        grid = grid_of(str(values.get(lines) or ""))
        where = say(lang, "sweep.here")
        return make_sweep(config.model_dump(mode="json"), grid=grid, name=name, where=where, owner=False)

    @guard
    def count(values: Values) -> dict[Component, Any]:
        if not str(values.get(lines) or "").strip():
            return {told: "", start: gr.update(interactive=False)}
        try:
            sweep = made(values)
        except StudioError as error:
            return {told: html.escape(translate(here(), error)), start: gr.update(interactive=False)}
        said = say(here(), "sweep.count", count=len(sweep.points), first=sweep.points[0].config.name)
        return {told: html.escape(said), start: gr.update(interactive=True)}

    @guard
    def begin(values: Values) -> dict[Component, Any]:
        queued = queue_sweep(services, made(values))
        return {told: html.escape(say(here(), "sweep.queued" if queued else "sweep.taken", count=queued))}

    gr.on([lines.change, lines.blur], count, form, [told, start], trigger_mode="always_last", **quiet)
    start.click(begin, form, [told], show_progress="hidden", api_name="sweep_queue").then(
        None, None, None, js="() => window.TUNEFORK.refreshStatus()", **quiet
    )


def queue_sweep(services: Services, sweep: Sweep) -> int:
    """Queue every point that has no run yet, or only one that came to nothing; how many these were."""
    queued, before = 0, runs_of(services.store, sweep.sweep_id)
    for point in sweep.points:
        run = before.get(point.number)
        if run is not None and run.status in TAKEN:
            continue
        queued += 1
        if run is not None and can_go_on(run):
            services.worker.resume(run.run_id)
            continue
        run_id = services.worker.start(point.config)
        mark(services.store.open(run_id).path, sweep, point)
    return queued
