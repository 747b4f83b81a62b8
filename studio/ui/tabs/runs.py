"""The Runs tab: every run of the workspace; open one to see its curve and settings, and use them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.config.run import RunConfig
from studio.runs import RunRecord
from studio.runs.bin import Bin
from studio.ui.exports import export_row
from studio.ui.guard import guard, here, sentence
from studio.ui.overlay import overlay_card
from studio.ui.page import Page
from studio.ui.plots import live_plot, watch
from studio.ui.runs_labels import LabelFields, fill_labels, label_fields, wire_labels
from studio.ui.runs_table import Table, delete_runs, listed, runs_table, wire_table
from studio.ui.scrubber import Scrubber, at, scrubber_card, wire_scrubber
from studio.ui.sweeps import sweep_results
from studio.ui.takeaway import life_card, take_away
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.services import Services

LONGEST_NAME = 80  # of a run's name


@dataclass
class Parts:
    """The tab's components."""

    table: Table
    labels: LabelFields
    opened: Any
    chosen: Any
    text: Any
    load: Any
    chat: Any
    duplicate: Any
    delete: Any
    note: Any
    plot: Any
    scrubber: Scrubber

    def all(self) -> list[Any]:
        """What changes with the opened run."""
        buttons = [self.load, self.chat, self.duplicate, self.delete]
        living = [self.opened, self.chosen, self.text, self.note, self.plot, self.scrubber.box]
        return [self.table.listing, *self.labels.all(), *buttons, *living]


def build(page: Page) -> None:
    """Lay the tab out and wire it once every tab is there."""
    i18n = page.i18n
    page.refs["runs-picked"] = gr.Textbox("[]", visible="hidden", elem_id="runs-picked")
    with page.card("runs.list", elem_id="runs-card"):
        table = runs_table(page)
    chosen = gr.Textbox("", visible="hidden", elem_id="runs-chosen")
    overlay_card(page)
    with gr.Column(visible=False, elem_id="runs-opened") as opened, page.halves():
        with page.choices(), page.card("runs.opened"):
            with gr.Row(elem_classes=["actions"]):
                load = gr.Button(i18n("runs.load"), variant="primary", size="sm", elem_id="runs-load")
                chat = gr.Button(i18n("runs.chat"), size="sm", elem_id="runs-chat")
                duplicate = gr.Button(i18n("runs.duplicate"), size="sm", elem_id="runs-duplicate")
                delete = gr.Button(i18n("runs.delete"), size="sm", elem_id="runs-delete")
            take_away(page, chosen)
            export_row(page, chosen)
            note = gr.Markdown("", elem_classes=["hint"], visible=False)
            labels = label_fields(page)
            text = gr.Code(
                "",
                language=None,
                label=i18n("runs.config"),
                interactive=False,
                elem_id="runs-config",
                max_lines=28,
                show_line_numbers=False,
            )
        with page.living():
            plot = live_plot(page.refs["live-runs"], elem_id="runs-plot", run=None)
            scrubber = scrubber_card(page)
            life_card(page, chosen)
    page.refs["sweep-results"] = sweep_results(page)
    parts = Parts(table, labels, opened, chosen, text, load, chat, duplicate, delete, note, plot, scrubber)
    _let_open(page, parts)
    page.later(lambda: _wire(page, parts))


def _let_open(page: Page, parts: Parts) -> None:
    """For the other tabs: what opens a run here, at one of its checkpoints."""

    @guard
    def open_run(run_id: str | None, step: int | None = None) -> dict[Component, Any]:
        opened = _show(page.services, parts, run_id, force=True, step=step)
        return {**opened, page.refs["tabs"]: gr.Tabs(selected="runs")}

    @guard
    def open_tick(event: gr.EventData) -> dict[Component, Any]:
        step = event.step if isinstance(event.step, int) else None
        return open_run(str(event.run), step)

    page.refs |= {"open-run": open_run, "open-tick": open_tick, "open-run-outputs": [page.refs["tabs"], *parts.all()]}


def _wire(page: Page, parts: Parts) -> None:
    services, quiet = page.services, {"show_progress": "hidden", "api_visibility": "private"}
    shown, listing = parts.all(), parts.table.listing

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

    @guard
    def duplicate(chosen: str) -> dict[Component, Any]:
        record = services.store.open(chosen)
        gr.Info(say(here(), "runs.duplicated", name=record.name), title=say(here(), "runs.duplicate"))
        return {**page.draft.fill(copy_of(record)), page.refs["tabs"]: gr.Tabs(selected="train")}

    def show(chosen: str, **more: Any) -> dict[Component, Any]:
        return _show(services, parts, chosen or None, **more)

    def relist(run_id: str) -> str:
        return listed(services.store.list(), run_id, in_bin=Bin(services.store).count())

    @guard
    def delete(chosen: str) -> dict[Component, Any]:
        return show(chosen, undo=delete_runs(services, [chosen]))

    gr.on([page.refs["tab-runs"].select, parts.plot.change, listing.submit], refresh, parts.chosen, shown, **quiet)
    wire_table(page, parts.table, chosen=parts.chosen, show=show, outputs=shown)
    wire_labels(page, parts.labels, chosen=parts.chosen, listing=listing, relist=relist)
    parts.duplicate.click(duplicate, parts.chosen, [*page.draft.components(), page.refs["tabs"]], **quiet)
    parts.delete.click(delete, parts.chosen, shown, **quiet)
    listing.select(choose, None, shown, **quiet)
    page.refs["sweep-results"].select(choose, None, shown, **quiet)
    wire_scrubber(page, parts.scrubber, show=lambda run_id: show(run_id, force=True), shown=shown)
    parts.plot.select(page.refs["open-tick"], None, page.refs["open-run-outputs"], **quiet)
    parts.load.click(load, parts.chosen, [*page.draft.components(), parts.note], **quiet)
    parts.chat.click(page.refs["open-chat"], parts.chosen, [page.refs["tabs"], page.refs["chat-run"]], **quiet)


def copy_of(record: RunRecord) -> RunConfig:
    """A run's settings as a new draft. It is a run of its own: what is changed in the form is nobody's."""
    name = say(here(), "runs.copy_of", name=record.name)
    if len(name) > LONGEST_NAME:
        name = record.name
    return record.config().model_copy(update={"name": name})


def _show(
    services: Services, parts: Parts, chosen: str | None, *, force: bool = False, step: int | None = None, **more: Any
) -> dict[Component, Any]:
    """The list, and the run that is open, at a checkpoint of it: the chosen one, else the newest. `more` goes to the
    table."""
    runs = services.store.list()
    known = {run.run_id: run for run in runs}
    record = known.get(chosen or "") or next(iter(runs), None)
    said = {"in_bin": Bin(services.store).count(), **more}
    answer: dict[Component, Any] = {parts.table.listing: listed(runs, record.run_id if record else None, **said)}
    if record is None:
        return {**answer, parts.opened: gr.update(visible=False), parts.chosen: ""}
    answer[parts.chat] = gr.update(interactive=record.saved is not None)
    if force or record.run_id != chosen:
        record = services.store.open(record.run_id)  # read anew: what is listed may have been kept
        foreign = record.foreign
        answer |= fill_labels(parts.labels, record, {tag for run in runs for tag in run.tags})
        answer |= {
            parts.opened: gr.update(visible=True),
            parts.chosen: record.run_id,
            parts.text: record.yaml_text(),
            parts.note: gr.update(value=sentence(foreign) if foreign else "", visible=foreign is not None),
            parts.load: gr.update(interactive=foreign is None),
            parts.duplicate: gr.update(interactive=foreign is None),
            parts.plot: watch(record.run_id),
            parts.scrubber.box: at(record.run_id, step),
        }
    return answer
