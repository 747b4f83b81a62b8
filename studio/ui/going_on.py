"""The Train tab's buttons that end a run before its time, and those with which it goes on. Trains nothing itself.

They act on the run that the tab shows, also where another process trains it: a wish to stop is a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.errors import ConfigError, StudioError
from studio.runs import RunRecord
from studio.runs.checkpoint import whole
from studio.runs.events import EVENTS, last_events
from studio.runs.living import last_alive
from studio.runs.stopping import StopKind
from studio.ui.facts import as_value, facts_card
from studio.ui.guard import guard, here
from studio.ui.plots import script, watch
from studio.ui.queue import others_of
from studio.ui.words import Language, say, spoken

if TYPE_CHECKING:
    from studio.services import Services
    from studio.ui.page import Page

CUT_SHORT = ("paused", "interrupted", "stopped", "failed")  # what can go on as it was


@dataclass(frozen=True)
class GoingOn:
    """The components. `run` holds the id of the run that they act on."""

    run: Any
    stop: Any
    pause: Any
    abandon: Any
    ended: Any
    outcome: Any
    compare: Any
    go_on: Any
    branch: Any
    longer: Any
    more: Any
    extend: Any

    def all(self) -> list[Any]:
        return list(vars(self).values())


def ends(page: Page) -> dict[str, Any]:
    """Stop, pause, abandon: inside the row of the button that starts."""
    i18n = page.i18n
    return {
        "stop": gr.Button(i18n("train.stop"), elem_id="stop", visible=False),
        "pause": gr.Button(i18n("train.pause"), elem_id="pause", visible=False),
        "abandon": gr.HTML(
            "",
            elem_id="abandon",
            html_template="<span class='tf-abandon'></span>",
            js_on_load=script("live.js", "abandon.js"),
            apply_default_css=False,
            visible=False,
        ),
    }


def goes_on(page: Page, **parts: Any) -> GoingOn:
    """How the last run ended, and what can be done with it now. `parts` are those of `ends`."""
    i18n = page.i18n
    with gr.Column(visible=False, elem_id="train-done", min_width=0) as ended:
        outcome = facts_card("train-outcome", {"lines": []})
        with gr.Row(elem_classes=["actions"]):
            go_on = gr.Button(i18n("train.go_on"), size="sm", elem_id="go-on", visible=False)
            compare = gr.Button(i18n("train.compare"), size="sm", elem_id="compare", visible=False)
            branch = gr.Button(i18n("train.to_runs"), size="sm", elem_id="to-runs", visible=False)
        with gr.Row(elem_classes=["actions", "longer"], visible=False) as longer:
            more = gr.Number(1, label=i18n("train.more_epochs"), elem_id="more", min_width=0, scale=0)
            extend_it = gr.Button(i18n("train.extend"), size="sm", elem_id="extend", min_width=0, scale=0)
    return GoingOn(
        run=gr.State(None), ended=ended, outcome=outcome, compare=compare, go_on=go_on, branch=branch, longer=longer,
        more=more, extend=extend_it, **parts,
    )  # fmt: skip


def wire_going_on(page: Page, parts: GoingOn, *, plot: Any, state: Any, outputs: list[Any]) -> None:
    """What the buttons do. `state()` gives the updates of `outputs`, among them `parts`."""
    services, quiet = page.services, {"show_progress": "hidden", "api_visibility": "private"}

    def end(kind: StopKind, run_id: str | None) -> dict[Component, Any]:
        services.worker.stop(run_id, kind=kind)
        word = "pausing" if kind == "pause" else "stopping"
        button, other = (parts.pause, parts.stop) if kind == "pause" else (parts.stop, parts.pause)
        return {
            button: gr.update(value=say(here(), f"train.{word}"), interactive=False),
            other: gr.update(interactive=False),
            parts.abandon: gr.update(visible=kind == "keep"),
        }

    @guard
    def stop(run_id: str | None) -> dict[Component, Any]:
        return end("keep", run_id)

    @guard
    def pause(run_id: str | None) -> dict[Component, Any]:
        return end("pause", run_id)

    @guard
    def abandon(run_id: str | None) -> dict[Component, Any]:
        return end("abandon", run_id)

    @guard
    def go_on(run_id: str) -> dict[Component, Any]:
        tell_place(services, services.worker.resume(run_id))
        return {plot: watch("current"), **state()}

    @guard
    def longer(run_id: str, more: float | None) -> dict[Component, Any]:
        record = services.store.open(run_id)
        tell_place(services, services.worker.resume(run_id, changes=longer_by(record, more)))
        return {plot: watch("current"), **state()}

    buttons = [parts.stop, parts.pause, parts.abandon]
    parts.stop.click(stop, parts.run, buttons, queue=False, show_progress="hidden", api_name="train_stop")
    parts.pause.click(pause, parts.run, buttons, queue=False, show_progress="hidden", api_name="train_pause")
    parts.abandon.select(abandon, parts.run, buttons, queue=False, **quiet)
    shown = [plot, *outputs]
    parts.go_on.click(go_on, parts.run, shown, show_progress="hidden", api_name="train_resume")
    parts.extend.click(longer, [parts.run, parts.more], shown, **quiet)
    parts.compare.click(
        page.refs["open-chat"], parts.run, [page.refs["tabs"], page.refs["chat-run"]], queue=False, **quiet
    )
    parts.branch.click(page.refs["open-run"], parts.run, page.refs["open-run-outputs"], queue=False, **quiet)


def tell_place(services: Services, run_id: str) -> None:
    """A note where the run has to wait for another."""
    place = services.worker.queue.place(run_id)
    if place:
        gr.Info(say(here(), "train.queue.added", place=place), title=say(here(), "train.queue.title"))


def longer_by(record: RunRecord, more: float | None) -> dict[str, Any]:
    """The settings of a run that is to train some steps more where its steps were counted, else some epochs."""
    training = record.config().training
    if training.max_steps > 0:
        if more is None or more < 1 or more != int(more):
            raise ConfigError("Say how many steps more: a whole number above 0.")
        return {"training.max_steps": max(training.max_steps, record.steps) + int(more)}
    if more is None or more <= 0:
        raise ConfigError("Say how many epochs more: a number above 0.")
    return {"training.num_train_epochs": training.num_train_epochs + more}


def state_of(services: Services, parts: GoingOn) -> dict[Component, Any]:
    """What can be pressed now: for the run in training, here or elsewhere, else for the one that trained last."""
    lang = here()
    run_id = services.worker.current or next(iter(others_of(services)), None)
    running = run_id is not None and services.store.open(run_id).status == "running"
    record = None if running else last_alive(services.store.list())
    ending = {
        parts.run: run_id if running else record.run_id if record else None,
        parts.stop: gr.update(visible=running, interactive=True, value=say(lang, "train.stop")),
        parts.pause: gr.update(visible=running, interactive=True, value=say(lang, "train.pause")),
        parts.abandon: gr.update(visible=running),
    }
    if record is None or record.status in ("running", "queued"):
        return {**ending, parts.ended: gr.update(visible=False)}
    return {**ending, **_ended(record, parts, lang)}


def _ended(record: RunRecord, parts: GoingOn, lang: Language) -> dict[Component, Any]:
    there = whole(record.path)
    step = there[-1].step if there else None
    cut = step is not None and record.status in CUT_SHORT
    lines = [{"text": one, "cls": "tf-error" if record.status == "failed" and not at else "dim" if at else ""}
             for at, one in enumerate(told_of(record, lang, step=step if cut else None))]  # fmt: skip
    counted = False
    try:
        counted = record.config().training.max_steps > 0
        extendable = step is not None and record.status == "finished"
    except StudioError:  # its settings cannot be used here any more
        extendable = cut = False
    return {
        parts.ended: gr.update(visible=True),
        parts.outcome: as_value({"lines": lines}),
        parts.compare: gr.update(visible=record.saved is not None),
        parts.go_on: gr.update(visible=cut, value=say(lang, "train.go_on_from", step=step) if cut else None),
        parts.branch: gr.update(visible=cut and record.status == "failed"),
        parts.longer: gr.update(visible=extendable),
        parts.more: gr.update(
            label=say(lang, "train.more_steps" if counted else "train.more_epochs"),
            value=max(1, record.steps // 2) if counted else 1,
        ),
    }


def told_of(record: RunRecord, lang: Language, *, step: int | None) -> list[str]:
    """How a run ended, and what to do next; `step` is that of the checkpoint from which it can go on."""
    if record.status == "finished":
        return [say(lang, "train.done")]
    if record.status == "interrupted":
        return [say(lang, "train.interrupted_kept" if step is not None else "train.interrupted", step=step)]
    said = last_sentence(record, lang) or say(lang, f"train.{record.status}")
    if record.status != "failed":
        return [said]
    return [said, say(lang, "train.failed_kept" if step is not None else "train.failed_again", step=step)]


def last_sentence(record: RunRecord, lang: Language) -> str:
    """What the event that ended a run says, in a language; nothing where there is none."""
    for event in reversed(last_events(record.path / EVENTS)):
        if event["kind"] == record.status and "message" in event:
            return spoken(lang, str(event["message"]), event.get("template"), event.get("details"))
    return record.error or ""
