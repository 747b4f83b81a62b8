"""How often a page may ask, and how long an answer is good for all of them, so that any number of pages costs the
server the same. Knows nothing of what they ask.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

RATE = 2.0  # answers a second in all: a poll takes 1.5 to 3 ms of the processor that trains
MOST = 2000  # pages that are told apart


class Viewers:
    """Counts the pages that have asked of late."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def pause(self, page: object) -> float:
        """Seconds until this page may ask again; 0 while they are so few that each keeps its own pace."""
        if not isinstance(page, str) or not 0 < len(page) <= 40:
            return 0.0
        now = time.monotonic()
        with self._lock:
            self._seen[page] = now
            fresh = 2 * len(self._seen) / RATE + 5
            if len(self._seen) > RATE:
                self._seen = {one: then for one, then in self._seen.items() if now - then < fresh}
            while len(self._seen) > MOST:
                del self._seen[next(iter(self._seen))]
            count = len(self._seen)
        return round(count / RATE, 1) if count > RATE else 0.0


class Remembered:
    """An answer that is found once a second, however many pages ask; anew at once where its key has changed."""

    def __init__(self, *, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._kept: tuple[float, object, Any] = (-seconds, None, None)

    def get(self, key: object, find: Callable[[], Any]) -> Any:
        then, known, answer = self._kept
        now = time.monotonic()
        if known != key or now - then >= self._seconds:
            answer = find()
            self._kept = (now, key, answer)
        return answer
