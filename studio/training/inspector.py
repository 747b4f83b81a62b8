"""Looks at every row in the background for the page, as long as somebody waits for it. Knows nothing of Gradio.

A look that nobody asks for any more is given up; what it has done is kept and taken up by the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studio.config import RunConfig
from studio.errors import DataError, StudioError
from studio.settings import Settings

if TYPE_CHECKING:  # the page is there before anybody looks at rows
    from studio.data.scan import Scan

logger = logging.getLogger(__name__)

PATIENCE = 20.0  # seconds for which a look goes on that no page asks for
AWAY = 3.0  # seconds after which a page that asks again has come back; one that waits asks more often
KEPT_LOOKS = 8


@dataclass
class Look:
    """One look at every row: how far it is, and what came of it."""

    config: RunConfig
    done: int = 0
    total: int = 0
    scan: Scan | None = None
    error: StudioError | None = None
    seconds: float = 0.0
    stopped: bool = False  # by a person: it goes on only when asked to
    asked: float = field(default_factory=time.monotonic)
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        return self.scan is not None or self.error is not None

    @property
    def is_waited_for(self) -> bool:
        """Whether it is worth going on with."""
        return not self.over and not self.stopped and time.monotonic() - self.asked < PATIENCE


class Inspector:
    """One thread for all pages. The look that was wanted last comes first, and the others wait for its end.

    `_looks` are in the order in which they came to be wanted: asking again for one that is waited for changes
    nothing, or two pages would take the thread from one another at each of their questions.
    """

    def __init__(self, settings: Settings, *, ready: Callable[[], None]) -> None:
        self._settings, self._ready = settings, ready
        self._looks: OrderedDict[str, Look] = OrderedDict()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._current: Look | None = None

    def ask(self, config: RunConfig) -> Look:
        """The look at these rows, begun where it is not; a StudioError where the sources cannot be opened."""
        return self._ask(self._key(config), config)

    def stop(self, config: RunConfig) -> None:
        """Give this look up until it is asked to go on."""
        key = self._key(config)
        with self._lock:
            found = self._looks.setdefault(key, Look(config))
            if not found.over:
                found.stopped = True
                found.cancelled.set()

    def go_on(self, config: RunConfig) -> Look:
        """Take a look up again that was given up or that failed; what was done is not done again."""
        key = self._key(config)
        with self._lock:
            before = self._looks.get(key)
            if before is not None and (before.stopped or before.error is not None):
                del self._looks[key]
        return self._ask(key, config)

    def _key(self, config: RunConfig) -> str:
        from studio.training.stage import rows_key

        return rows_key(config, self._settings)

    def _ask(self, key: str, config: RunConfig) -> Look:
        now = time.monotonic()
        with self._lock:
            found = self._looks.get(key)
            if found is None or (found.scan is not None and not found.scan.is_there):
                found = self._looks[key] = Look(config)
                self._looks.move_to_end(key)
            elif now - found.asked > AWAY:
                self._looks.move_to_end(key)
            found.asked = now
            while len(self._looks) > KEPT_LOOKS:
                oldest = min(self._looks, key=lambda one: self._looks[one].asked)
                self._looks.pop(oldest).cancelled.set()
            self._take_turns()
        return found

    def _take_turns(self) -> None:
        """With the lock held: the look that comes first is in work, or will be next."""
        first = self._first()
        if first is None:
            return
        if self._current is not None and self._current is not first:
            self._current.cancelled.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="inspector", daemon=True)
            self._thread.start()

    def _first(self) -> Look | None:
        """Of those waited for, the one wanted last; one that a page went away from only when there is no other."""
        now = time.monotonic()
        waiting = [one for one in reversed(self._looks.values()) if one.is_waited_for]
        return next((one for one in waiting if now - one.asked < AWAY), waiting[0] if waiting else None)

    def _next(self) -> Look | None:
        """The look to work on; with none, the thread is over."""
        with self._lock:
            self._current = self._first()
            if self._current is None:
                self._thread = None
            else:
                self._current.cancelled.clear()
            return self._current

    def _work(self) -> None:
        self._ready()
        while (one := self._next()) is not None:
            self._look(one)

    def _look(self, one: Look) -> None:
        from studio.data.scan import Cancelled
        from studio.training.stage import look

        began = time.monotonic()

        def progress(done: int, total: int) -> None:
            one.done, one.total = done, total
            if not one.is_waited_for:
                one.cancelled.set()

        try:
            one.scan = look(one.config, self._settings, rows=progress, cancelled=one.cancelled).scan
        except Cancelled:
            return
        except StudioError as error:
            one.error = error
        except Exception as error:  # the page must say it: a thread has nobody to raise to
            logger.exception("the look at every row failed")
            one.error = DataError(
                "The look at every row failed: {kind}: {text}", kind=type(error).__name__, text=str(error)[:300]
            )
        finally:
            one.seconds += time.monotonic() - began
