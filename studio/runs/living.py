"""Which runs of a workspace a living process trains now, this one or another. Of a log it reads the end alone."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from studio.runs.events import EVENTS, TERMINAL, last_events
from studio.runs.lock import LOCK, held

if TYPE_CHECKING:
    from studio.runs.store import RunRecord

FRESH = 2.0  # seconds that an answer is good for


def last_alive(runs: Iterable[RunRecord]) -> RunRecord | None:
    """The run whose log grew last, which need not be the newest: an older one may have gone on."""

    def grew(run: RunRecord) -> tuple[float, float]:
        try:
            return max((run.path / EVENTS).stat().st_mtime, run.created), run.created
        except OSError:  # nothing is written yet
            return run.created, run.created

    return max(runs, key=grew, default=None)


class LivingRuns:
    """Looks through the folder of runs at most every two seconds, however many pages ask.

    A run whose last event ended it is not looked at again until its log changes: a thousand runs cost a few
    milliseconds.
    """

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._lock = threading.Lock()
        self._found: tuple[str, ...] = ()
        self._looked = -FRESH
        self._ended: dict[str, tuple[int, int]] = {}

    def ids(self) -> tuple[str, ...]:
        """Ids of the runs in training, in the order of their names."""
        with self._lock:
            if time.monotonic() - self._looked >= FRESH:
                self._found = tuple(sorted(filter(self._living, self._names())))
                self._looked = time.monotonic()
            return self._found

    def besides(self, run_id: str | None) -> tuple[str, ...]:
        """Those that are not `run_id` and live at this very moment."""
        return tuple(name for name in self.ids() if name != run_id and self._living(name))

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._runs_dir) as found:
                return [one.name for one in found if not one.name.startswith(".") and one.is_dir()]
        except OSError:
            return []

    def _living(self, name: str) -> bool:
        folder = self._runs_dir / name
        try:
            known = (folder / EVENTS).stat()
        except OSError:
            return False  # nothing is written yet, or nothing is there
        mark = (known.st_mtime_ns, known.st_size)
        if self._ended.get(name) == mark or not (folder / LOCK).exists():
            return False
        tail = last_events(folder / EVENTS, window=4096)
        if tail and tail[-1]["kind"] in TERMINAL:
            self._ended[name] = mark
            return False
        return held(folder)
