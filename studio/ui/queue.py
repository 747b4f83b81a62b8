"""The queue card: what trains now, here or in another process, and what waits, in order. Begins nothing by itself.

Its script reads (`queue`) whenever the header's poll says that something changed; a click comes as a `select` event.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.errors import StudioError
from studio.runs.queue import Waiting
from studio.ui.guard import guard, here
from studio.ui.plots import script
from studio.ui.preview import method_name
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.config import RunConfig
    from studio.services import Services

DOUBLE = 5.0  # seconds in which the same click is the same run, also on a machine that is busy
SHOWN = 50


def queue_card(services: Services) -> gr.HTML:
    """The card's component; hidden while nothing trains and nothing waits."""

    def queue(_asked: object = None) -> dict[str, Any]:
        return queue_of(services)

    return gr.HTML(
        "",
        elem_id="queue",
        html_template="<div class='tf-panel tf-queue tf-gone'></div>",
        js_on_load=script("live.js", "queue.js"),
        server_functions=[queue],
        apply_default_css=False,
    )


def wire_queue(services: Services, card: gr.HTML) -> None:
    """What the card's buttons do; the header's next poll draws it anew."""

    @guard
    def act(event: gr.EventData) -> None:
        do, run_id = str(event.do), str(event.run)
        if do == "cancel":
            services.worker.cancel(run_id)
        elif do == "stop":
            services.worker.stop(run_id)
        elif do in ("up", "down", "front"):
            services.worker.move(run_id, do)  # type: ignore[arg-type]

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    card.select(act, None, None, **quiet).then(None, None, None, js="() => window.TUNEFORK.refreshStatus()", **quiet)


def queue_of(services: Services) -> dict[str, Any]:
    """{training: [run], waiting: [run], more: how many of these are not listed}."""
    current = services.worker.current
    ours = [current] if current else []
    training = [_row(services, run_id, elsewhere=run_id != current) for run_id in [*ours, *others_of(services)]]
    entries = services.worker.queue.entries()
    waiting = [_row(services, entry.run_id, entry=entry) for entry in entries[:SHOWN]]
    return {"training": training, "waiting": waiting, "more": max(0, len(entries) - SHOWN)}


def others_of(services: Services) -> tuple[str, ...]:
    """The runs that other processes train in this workspace, as a command line beside the page."""
    return services.living.besides(services.worker.current)


def mark_of(services: Services) -> str:
    """Another text whenever the card has something new to show."""
    return "|".join([services.worker.queue.mark, services.worker.current or "", *others_of(services)])


def _row(services: Services, run_id: str, *, entry: Waiting | None = None, elsewhere: bool = False) -> dict[str, Any]:
    row: dict[str, Any] = {"run": run_id, "name": run_id, "method": "", "elsewhere": elsewhere}
    try:
        record = services.store.open(run_id)
        row |= {"name": record.name, "method": method_name(record.method, short=True)}
    except StudioError:  # its directory was removed by hand meanwhile
        return row
    if entry is not None and entry.action == "resume":
        step = record.steps if entry.step is None else entry.step
        row["goes_on"] = say(here(), "train.queue.goes_on", step=step)
    return row


@dataclass
class Starter:
    """Starts runs for pages. A double click is one run; two pages are two, the second of which waits."""

    services: Services
    _last: dict[str, tuple[RunConfig, str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, visitor: str, config: RunConfig) -> tuple[str, int | None]:
        """The run's id, and its place where it waits. The same click a moment ago gives the run of that click."""
        with self._lock:
            now = time.monotonic()
            self._last = {one: last for one, last in self._last.items() if now - last[2] < DOUBLE}
            before = self._last.get(visitor)
            run_id = before[1] if before and before[0] == config else self.services.worker.start(config)
            self._last[visitor] = (config, run_id, time.monotonic())
        return run_id, self.services.worker.queue.place(run_id)
