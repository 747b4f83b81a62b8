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


class Inspector:
    """One thread for all pages: the look that was asked for last comes first."""

    def __init__(self, settings: Settings, *, ready: Callable[[], None]) -> None:
        self._settings, self._ready = settings, ready
        self._looks: OrderedDict[str, Look] = OrderedDict()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self, config: RunConfig) -> Look:
        """The look at these rows, begun where it is not; a StudioError where the sources cannot be opened."""
        from studio.training.stage import rows_key

        key = rows_key(config, self._settings)
        with self._lock:
            found = self._looks.setdefault(key, Look(config))
            found.asked = time.monotonic()
            self._looks.move_to_end(key)
            while len(self._looks) > KEPT_LOOKS:
                self._looks.popitem(last=False)[1].cancelled.set()
            if not found.over and not found.stopped and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._work, name="inspector", daemon=True)
                self._thread.start()
        return found

    def stop(self, config: RunConfig) -> None:
        """Give this look up until it is asked to go on."""
        look_now = self.ask(config)
        look_now.stopped = True
        look_now.cancelled.set()

    def go_on(self, config: RunConfig) -> Look:
        """Take a look up again that was given up or that failed; what was done is not done again."""
        from studio.training.stage import rows_key

        key = rows_key(config, self._settings)
        with self._lock:
            before = self._looks.get(key)
            if before is not None and (before.stopped or before.error is not None):
                del self._looks[key]
        return self.ask(config)

    def _next(self) -> Look | None:
        with self._lock:
            waiting = [one for one in reversed(self._looks.values()) if not one.over and not one.stopped]
            fresh = [one for one in waiting if time.monotonic() - one.asked < PATIENCE]
            if not fresh:
                self._thread = None
                return None
            return fresh[0]

    def _work(self) -> None:
        self._ready()
        while (one := self._next()) is not None:
            self._look(one)

    def _look(self, one: Look) -> None:
        from studio.data.scan import Cancelled
        from studio.training.stage import look

        began = time.monotonic()
        one.cancelled.clear()

        def progress(done: int, total: int) -> None:
            one.done, one.total = done, total
            with self._lock:
                newest = next(reversed(self._looks.values()), one)
            if newest is not one or time.monotonic() - one.asked > PATIENCE:
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
