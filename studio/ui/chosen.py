"""What Chat may set against the base: runs, and checkpoints of a run, as a list to choose from. Loads nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.chat.compared import named
from studio.runs import RunRecord
from studio.runs.checkpoint import whole
from studio.ui.guard import here
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.services import Services

UNSAVED = 20  # runs without saved weights whose checkpoints are looked for, the newest


def choice_of(services: Services, chosen: str | None) -> Any:
    """The list for the dropdown; the chosen one stays chosen while it is there.

    A run stands for what it has saved; where it was cut short, its last checkpoint stands in its place. The chosen
    run's other checkpoints follow it.
    """
    opened = run_of(chosen)
    choices: list[tuple[str, str]] = []
    unsaved = UNSAVED
    for run in services.store.list():
        steps = []
        if run.run_id == opened or (not run.saved and unsaved > 0):
            unsaved -= not run.saved
            steps = [one.step for one in reversed(whole(run.path))]
        if run.saved:
            choices.append((label_of(run), run.run_id))
        elif run.run_id != opened:
            steps = steps[:1]
        choices += [(label_of(run, step), named(run.run_id, step)) for step in steps]
    known = [value for _, value in choices]
    value = chosen if chosen in known else next((one for one in known if run_of(one) == opened), None)
    return gr.update(choices=choices, value=value or next(iter(known), None))


def run_of(name: str | None) -> str | None:
    """The run's id in a choice."""
    return name.partition("@")[0] if name else None


def title_of(run: RunRecord, step: int | None) -> str:
    """`name`, or `name · step 40`."""
    return run.name if step is None else say(here(), "chat.of_step", name=run.name, step=step)


def label_of(run: RunRecord, step: int | None = None) -> str:
    """The same with the run's time, where its name does not hold that already."""
    when = "" if run.name == run.run_id else f" · {time.strftime('%m-%d %H:%M', time.localtime(run.created))}"
    return run.name + when if step is None else say(here(), "chat.of_step", name=run.name + when, step=step)
