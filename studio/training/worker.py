"""The training thread of the server, one run after another from the queue. Knows nothing of pages: a page may close,
the thread goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from filelock import FileLock, Timeout

from studio.config import RunConfig
from studio.errors import BusyError, StudioError, WorkspaceError
from studio.model.slot import ModelSlot
from studio.runs.disk import remove_folder
from studio.runs.events import EVENTS, EventLog, last_events
from studio.runs.queue import Move, RunQueue, Waiting
from studio.runs.stopping import StopKind, ask_to_stop, forget_stop
from studio.runs.store import RunStore, hold
from studio.settings import Settings
from studio.training.failure import explain
from studio.training.going_on import changed_config, resume_of, tell_refused

logger = logging.getLogger(__name__)

NO_LIBRARY = "A library cannot be imported ({problem}). Install Tunefork again as its README says."
CANCELLED = "Taken out of the queue before it began: nothing was learned."


class Worker:
    """One training at a time, in a thread of its own; the others wait in the workspace's queue.

    However a run ends (finished, stopped, paused, failed), the next one begins.
    """

    def __init__(
        self, store: RunStore, slot: ModelSlot, settings: Settings, *, ready: Callable[[], None] = lambda: None
    ) -> None:
        """`ready` returns when the heavy libraries may be imported."""
        self._store, self._slot, self._settings, self._ready = store, slot, settings, ready
        self.queue = RunQueue(store.runs_dir)
        self._changed = threading.Condition()  # guards what follows; told of at the end of each run
        self._thread: threading.Thread | None = None
        self._run_id: str | None = None
        self._closing = False

    @property
    def current(self) -> str | None:
        """The id of the run that trains now."""
        return self._run_id

    def start(self, config: RunConfig) -> str:
        """Make the run's directory; train into it at once, or when its turn comes. Returns the run's id at once."""
        with self._changed:
            self._let_end()
            run_dir = self._store.create(config)
            try:
                self.queue.add(Waiting(run_dir.name))
            except WorkspaceError:
                remove_folder(run_dir)
                raise
            self._go_on()
            return run_dir.name

    def resume(self, run_id: str, *, step: int | None = None, changes: Mapping[str, Any] | None = None) -> str:
        """Let a run go on from a checkpoint (None: the last one), with `changes` of its settings where there are some,
        at once or when its turn comes."""
        with self._changed:
            self._let_end()
            record = self._store.open(run_id)
            if record.status == "running":
                raise BusyError("{run} is training already.", run=run_id)
            config = changed_config(record, changes or {})
            resume_of(record, config=config, step=step)  # a sentence now, not when its turn comes
            forget_stop(record.path)
            self.queue.add(Waiting(run_id, "resume", step, dict(changes or {})))
            self._go_on()
            return run_id

    def cancel(self, run_id: str) -> bool:
        """Take a run that waits out of the queue; whether it was there. One that never began ends as stopped."""
        with self._changed:
            waiting = {entry.run_id: entry for entry in self.queue.entries()}
            if not self.queue.remove(run_id):
                return False
        entry = waiting.get(run_id)
        run_dir = self._store.runs_dir / run_id
        if entry and entry.action == "start" and not last_events(run_dir / EVENTS):
            with EventLog(run_dir) as log:
                log.tell("stopped", CANCELLED, step=0)
        self.wake()
        return True

    def move(self, run_id: str, where: Move) -> None:
        """Another place in the queue."""
        self.queue.move(run_id, where)
        self.wake()

    def wake(self) -> None:
        """Begin what waits where nothing trains, as after the server's start or a full disk."""
        with self._changed:
            self._go_on()

    def stop(self, run_id: str | None = None, *, kind: StopKind = "keep") -> str | None:
        """Ask the run to stop after its micro-batch, or take it out of the queue; returns the id of the run asked, None
        when none trains. A run of another process is asked as well."""
        chosen = run_id or self.current
        if chosen is None:
            return None
        record = self._store.open(chosen)
        if not self.cancel(chosen):
            ask_to_stop(record.path, kind)
        return chosen

    def join(self, seconds: float | None = None) -> bool:
        """Wait until nothing trains here and nothing waits; True when it is so."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._run_id is None, seconds)
            thread = self._thread
        if done and thread is not None:
            thread.join(seconds)
        return done

    def shutdown(self, *, seconds: float = 20) -> None:
        """The server closes: stop the run so that its adapter is kept. What waits goes on waiting."""
        with self._changed:
            self._closing = True
        if self.current is not None:
            self.stop()
            self.join(seconds)

    def _let_end(self) -> None:
        """A run whose last event is written needs some milliseconds more to leave its thread."""
        run_id = self._run_id
        if run_id is None:
            return
        try:
            ended = self._store.open(run_id).status != "running"
        except WorkspaceError:  # its directory was removed by hand
            return
        if ended:
            self._changed.wait_for(lambda: self._run_id != run_id, 10)

    def _go_on(self) -> None:
        """Begin the next run where none trains; the caller holds the condition."""
        if self._run_id is not None or self._closing:
            return
        held: list[FileLock] = []
        try:
            entry = self.queue.take(lambda one: self._begin(one, held))
        except (OSError, WorkspaceError) as error:  # the disk is full: nothing is lost, the queue stands
            logger.warning("the queue stands still: %s", error)
            entry = None
        if entry is None:
            for lock in held:
                lock.release()
            return
        self._run_id = entry.run_id
        self._thread = threading.Thread(
            target=self._work, args=(entry, held[0]), name=f"train-{entry.run_id}", daemon=True
        )
        self._thread.start()

    def _begin(self, entry: Waiting, held: list[FileLock]) -> bool:
        """From here on the run counts as running. False where it is trained already, or was."""
        run_dir = self._store.runs_dir / entry.run_id
        lock = hold(run_dir)
        try:
            lock.acquire(timeout=2)
        except Timeout:
            logger.warning("%s leaves the queue: another process trains it", entry.run_id)
            return False
        if entry.action == "start" and any(event["kind"] != "phase" for event in last_events(run_dir / EVENTS)):
            logger.warning("%s leaves the queue: it has begun before", entry.run_id)
            lock.release()
            return False
        held.append(lock)
        with EventLog(run_dir) as log:
            log.tell("phase", "Waiting for the libraries", phase="libraries")
        return True

    def _work(self, entry: Waiting, lock: FileLock) -> None:
        try:
            self._run(entry)
        except StudioError as error:  # its sentence is in the run's own log; the thread must not die loudly
            logger.warning("%s: %s", entry.run_id, error)
        except Exception:
            logger.exception("%s has ended in an unexpected way", entry.run_id)
        finally:
            lock.release()
            with self._changed:
                self._run_id = None
                self._go_on()
                self._changed.notify_all()

    def _run(self, entry: Waiting) -> None:
        """Wait for the libraries, then train; what keeps the run from its beginning is its last event."""
        run_dir = self._store.runs_dir / entry.run_id
        try:
            self._ready()
            from studio.training.train import train

            record = self._store.open(entry.run_id)
            config, resume = record.config(), None
            if entry.action == "resume":
                config = changed_config(record, entry.changes)
                resume = resume_of(record, config=config, step=entry.step, held=True)
        except Exception as error:
            logger.exception("%s cannot start", entry.run_id)
            told = StudioError(NO_LIBRARY, problem=error) if isinstance(error, ImportError) else explain(error)
            with EventLog(run_dir) as log:
                if entry.action != "resume" or not tell_refused(log, run_dir, told):
                    log.tell("failed", told.template, told.details)
            return
        train(config, run_dir, self._slot, settings=self._settings, resume=resume)
