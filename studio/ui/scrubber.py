"""The checkpoints of the run that is open: one is picked on a track, then put into Chat, gone on from, or branched.

What comes from the page are a run's id, a step and some settings, all of which are checked where they are used.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from studio.chat.compared import named
from studio.errors import ConfigError, StudioError
from studio.runs import RunRecord
from studio.runs.checkpoint import latest, whole
from studio.runs.origin import read_origin
from studio.runs.track import finite
from studio.training.going_on import branch
from studio.ui.facts import as_value
from studio.ui.going_on import tell_place
from studio.ui.guard import guard, here
from studio.ui.plots import script
from studio.ui.words import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from studio.services import Services
    from studio.ui.page import Page

FIGURES = ("loss", "eval_loss")


@dataclass
class Scrubber:
    """The component; its value is JSON {run, step}: which run, and at which checkpoint it begins."""

    box: Any


def scrubber_card(page: Page) -> Scrubber:
    """The card; it follows what `at` gives it."""
    services = page.services

    def checkpoints(asked: object = None) -> dict[str, Any]:
        run_id = asked.get("run") if isinstance(asked, dict) else None
        try:
            return checkpoints_of(services, run_id) if isinstance(run_id, str) and run_id else {}
        except StudioError:
            return {}

    with page.card("scrub.title", elem_id="runs-scrubber-card"):
        box = gr.HTML(
            at(None),
            elem_id="runs-scrubber",
            html_template="<div class='tf-scrub'></div>",
            js_on_load=script("live.js", "scrubber.js"),
            server_functions=[checkpoints],
            apply_default_css=False,
        )
    return Scrubber(box)


def at(run_id: str | None, step: int | None = None) -> str:
    """The component's value. Never twice the same text."""
    return as_value({"run": run_id, "step": step, "asked": time.time()})


def checkpoints_of(services: Services, run_id: str) -> dict[str, Any]:
    """{run, status, name, origin, total, checkpoints: [{step, time, bytes, epoch, loss, eval_loss}], settings}."""
    record = services.store.open(run_id)
    there, rows = whole(record.path), []
    for one in there:
        figures = one.facts.get("figures") or {}
        told = {"step": one.step, "time": one.time, "bytes": one.bytes, "epoch": finite(one.facts.get("epoch"))}
        rows.append(told | {name: finite(figures.get(name)) for name in FIGURES})
    try:
        training = record.config().training.model_dump(mode="json")
    except StudioError:  # settings that cannot be used here any more: nothing can go on with them
        training = None
    settings = training and {name: training[name] for name in ("learning_rate", "num_train_epochs", "max_steps")}
    return {
        "run": run_id,
        "name": record.name,
        "status": record.status,
        "origin": _origin(services, record),
        "total": max([record.total_steps or 0, record.steps, *(one.step for one in there)]),
        "checkpoints": rows,
        "settings": settings,
    }


def _origin(services: Services, record: RunRecord) -> dict[str, Any] | None:
    """Where the run comes from, in words, with the parent's id where it is still there."""
    origin = read_origin(record.path)
    if origin is None:
        return None
    name, parent = origin.name or "", None
    if origin.run_id:
        try:
            name, parent = services.store.open(origin.run_id).name, origin.run_id
        except StudioError:
            name = origin.run_id
    return {"kind": origin.kind, "run": parent, "name": name, "step": origin.step}


def wire_scrubber(
    page: Page, parts: Scrubber, *, show: Callable[[str], dict[Component, Any]], shown: list[Any]
) -> None:
    """What the card's buttons do. `show(run_id)` opens a run in the tab: updates of `shown`."""
    services, quiet = page.services, {"show_progress": "hidden", "api_visibility": "private"}

    @guard
    def chat(event: gr.EventData) -> list[Any]:
        opened: list[Any] = page.refs["open-chat"](named(str(event.run), _step(event)))
        return opened

    @guard
    def go_on(event: gr.EventData) -> dict[Component, Any]:
        run_id = services.worker.resume(str(event.run), step=_step(event))
        tell_place(services, run_id)
        return show(run_id)

    @guard
    def begin_branch(event: gr.EventData) -> dict[Component, Any]:
        record = services.store.open(str(event.run))
        run_dir = branch(
            services.store, record, changes_of(record, _step(event), event.changes), step=_step(event),
            name=str(event.changes.get("name") or "").strip() or None,
        )  # fmt: skip
        services.worker.resume(run_dir.name)
        made = services.store.open(run_dir.name)
        gr.Info(say(here(), "scrub.branched", name=made.name), title=say(here(), "scrub.branch"))
        tell_place(services, run_dir.name)
        return show(run_dir.name)

    @guard
    def parent(event: gr.EventData) -> dict[Component, Any]:
        return show(str(event.run))

    parts.box.select(chat, None, [page.refs["tabs"], page.refs["chat-run"]], queue=False, **quiet)
    parts.box.input(go_on, None, shown, **quiet)
    parts.box.submit(begin_branch, None, shown, **quiet)
    parts.box.expand(parent, None, shown, **quiet)


def changes_of(record: RunRecord, step: int, given: Any) -> dict[str, Any]:
    """The settings of a branch, from what stands in the fields; a sentence where it would train nothing."""
    training = record.config().training
    changes: dict[str, Any] = {}
    for name in ("learning_rate", "num_train_epochs", "max_steps"):
        text = str(given.get(name) or "").strip()
        value = _number(text, name) if text else None
        if value is not None and value != getattr(training, name):
            changes[f"training.{name}"] = int(value) if name == "max_steps" else value
    total = latest(record.path, step=step).facts.get("total_steps")
    more = changes.keys() & {"training.num_train_epochs", "training.max_steps"}
    if total is not None and step >= total and not more:
        raise ConfigError(
            "Step {step} is the last one of these settings, so a branch from there would train nothing. Give it more "
            "epochs or steps.",
            step=step,
        )
    return changes


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (name == "max_steps" and value != int(value)):
        raise ConfigError("{setting} has to be a number; it is {value}.", setting=f"training.{name}", value=text[:40])
    return value


def _step(event: gr.EventData) -> int:
    step = event.step
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise ConfigError("There is no checkpoint of step {step}.", step=str(step)[:20])
    return step
