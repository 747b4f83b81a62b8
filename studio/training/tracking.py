"""Whoever watches a run from outside: its trackers, and the webhook at its end. What goes wrong here ends no run."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from studio.config import RunConfig
from studio.config.files import dump
from studio.errors import ConfigError
from studio.runs.events import TERMINAL, Event, EventLog
from studio.settings import Settings
from studio.training.trackers import TRACKERS, Tracker
from studio.training.trackers.base import Tracked
from studio.training.webhook import Webhook

logger = logging.getLogger(__name__)

UNTOLD = frozenset({"time", "step", "elapsed_seconds", "eta_seconds"})  # a tracker has clocks of its own


def check_trackers(config: RunConfig) -> None:
    """A tracker whose package is missing is told before a run begins."""
    for name in config.tracking.report_to:
        package = TRACKERS[name].package
        if find_spec(package) is None:
            raise ConfigError(
                "tracking.report_to has {name}, and the package {package} is not installed. "
                "Run: pip install {package}, or take it out.",
                name=name,
                package=package,
            )


@contextlib.contextmanager
def followed(log: EventLog, config: RunConfig, run_dir: Path, *, settings: Settings) -> Iterator[None]:
    """While it lasts, the run's events reach its trackers, and its end the webhook."""
    if settings.webhook is not None:
        log.follow(Webhook(settings.webhook, config, run_dir))
    if not config.tracking.report_to:
        yield
        return
    trackers = Trackers(log, config, run_dir, settings=settings)
    log.follow(trackers)
    try:
        yield
    finally:
        trackers.close()


class Trackers:
    """Hands every figure of a run to each of its trackers. One that raises is told once and left out."""

    def __init__(self, log: EventLog, config: RunConfig, run_dir: Path, *, settings: Settings) -> None:
        self._log = log
        self._waiting = list(config.tracking.report_to)  # they begin with the first figure
        self._open: dict[str, Tracker] = {}
        self._resumed: int | None = None
        self._run = Tracked(
            run_id=run_dir.name,
            run_dir=run_dir,
            shared=settings.workspace,
            name=config.name or run_dir.name,
            project=config.tracking.project,
            settings=config.model_dump(mode="json"),
            text=dump(config),
        )

    def __call__(self, event: Event) -> None:
        kind = event["kind"]
        if kind == "resumed":
            self._resumed = event.get("step")
        elif kind in ("log", "evaluated"):
            self._begin()
            figures = figures_of(event)
            for name, tracker in list(self._open.items()):
                with self._left_out(name):
                    tracker.put(figures, int(event.get("step") or 0))
        elif kind in TERMINAL:
            self.close(failed=kind == "failed")

    def _begin(self) -> None:
        names, self._waiting = self._waiting, []
        for name in names:
            with self._left_out(name):
                self._open[name] = TRACKERS[name](self._run, resumed=self._resumed)

    def close(self, *, failed: bool = True) -> None:
        """Let every tracker end; one that is closed is not closed again."""
        while self._open:
            name, tracker = self._open.popitem()
            with self._left_out(name):
                tracker.close(failed=failed)

    @contextlib.contextmanager
    def _left_out(self, name: str) -> Iterator[None]:
        """Watching never kills a run."""
        try:
            yield
        except Exception as error:  # somebody else's code, which may raise anything
            self._open.pop(name, None)
            logger.warning("the tracker %s is left out", name, exc_info=error)
            first = next(iter(str(error).splitlines()), "")
            self._log.tell(
                "warning",
                "The tracker {name} is left out from here on ({problem}). Training goes on.",
                {"name": name, "problem": f"{type(error).__name__}: {first[:200]}"},
            )


def figures_of(event: Event) -> dict[str, float]:
    """An event's numbers as trackers name them: train/loss, eval/loss."""
    figures: dict[str, Any] = {
        name: value
        for name, value in event.items()
        if name not in UNTOLD and isinstance(value, int | float) and not isinstance(value, bool)
    }
    return {
        f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}": float(value)
        for name, value in figures.items()
    }
