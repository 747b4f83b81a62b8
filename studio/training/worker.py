"""The training thread of the server. Knows nothing of pages: a page may close, the thread goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from studio.config import RunConfig
from studio.errors import BusyError, StudioError
from studio.model.slot import ModelSlot
from studio.runs.events import EventLog
from studio.runs.store import RunStore, hold
from studio.settings import Settings

logger = logging.getLogger(__name__)

NO_LIBRARY = "A library cannot be imported ({problem}). Install Tunefork again as its README says."


class Worker:
    """One training at a time, in a thread of its own."""

    def __init__(
        self, store: RunStore, slot: ModelSlot, settings: Settings, *, ready: Callable[[], None] = lambda: None
    ) -> None:
        """`ready` returns when the heavy libraries may be imported."""
        self._store, self._slot, self._settings, self._ready = store, slot, settings, ready
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._run_id: str | None = None

    @property
    def current(self) -> str | None:
        """The id of the run that trains now."""
        thread = self._thread
        return self._run_id if thread is not None and thread.is_alive() else None

    def start(self, config: RunConfig) -> str:
        """Make the run's directory and start to train into it; returns the run's id at once."""
        with self._lock:
            self._let_end()
            if self.current is not None:
                raise BusyError("{run} is training. Stop it first, or wait until it is done.", run=self.current)
            run_dir = self._store.create(config)
            self._run_id = run_dir.name
            self._thread = threading.Thread(
                target=self._work, args=(config, run_dir.name), name=f"train-{run_dir.name}", daemon=True
            )
            self._thread.start()
            return run_dir.name

    def _let_end(self) -> None:
        """A run whose last event is written needs some milliseconds more to leave its thread."""
        if self.current is not None and self._store.open(self.current).status != "running":
            self.join(10)

    def stop(self, run_id: str | None = None) -> str | None:
        """Ask the run to stop after its micro-batch; returns the id of the run asked, None when none trains."""
        from studio.training.train import request_stop

        chosen = run_id or self.current
        if chosen is None:
            return None
        request_stop(self._store.open(chosen).path)
        return chosen

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the thread; True when it is done."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.current is None

    def shutdown(self, *, seconds: float = 20) -> None:
        """The server closes: stop the run so that its adapter is kept."""
        if self.current is not None:
            self.stop()
            self.join(seconds)

    def _work(self, config: RunConfig, run_id: str) -> None:
        run_dir = self._store.runs_dir / run_id
        with hold(run_dir):
            try:
                self._wait(run_dir)
                from studio.training.train import train
            except ImportError as error:
                logger.exception("%s cannot start", run_id)
                with EventLog(run_dir) as log:
                    log.tell("failed", NO_LIBRARY, {"problem": error})
                return
            try:
                train(config, run_dir, self._slot, settings=self._settings)
            except StudioError as error:  # its sentence is in the run's own log; the thread must not die loudly
                logger.warning("%s: %s", run_id, error)

    def _wait(self, run_dir: Path) -> None:
        """A click before the libraries are there: the run says what it waits for."""
        with EventLog(run_dir) as log:
            log.tell("phase", "Waiting for the libraries", phase="libraries")
        self._ready()
