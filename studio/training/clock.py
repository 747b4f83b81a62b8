"""Seconds at work: those that a machine slept, or that its clock jumped, are left out. Knows nothing of training."""

from __future__ import annotations

import time

ASLEEP = 600.0  # seconds between two beats that may be work, however short the others were
LONGER = 20  # than the longest gap before: what is longer is no work


class WorkClock:
    """Counts from its making. Whoever works calls `beat` often, so that a long gap stands out."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._worked = 0.0
        self._longest = 0.0

    def beat(self) -> float:
        """Seconds at work until now. They never go back, and a sleep counts as the longest gap before it."""
        now = time.monotonic()
        gap, self._last = max(now - self._last, 0.0), now
        if gap > max(ASLEEP, LONGER * self._longest):
            gap = self._longest
        self._longest = max(self._longest, gap)
        self._worked += gap
        return self._worked
