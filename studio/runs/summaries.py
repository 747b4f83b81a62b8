"""Summaries of the runs that pages look at, kept in memory and brought up to date. What takes long goes on in a thread
of its own while the page has a sample. Knows nothing of pages.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from studio.runs.events import EVENTS
from studio.runs.summary import CHUNK, Summary, load, sketch

AT_ONCE = 4_194_304  # bytes of a log that are read while a page waits: about 0.2 s
KEPT = 8  # runs


@dataclass
class _Entry:
    summary: Summary
    lock: threading.Lock = field(default_factory=threading.Lock)
    reader: threading.Thread | None = None
    sketched: Summary | None = None


class Summaries:
    """Hands out a run's summary. `busy` says whether a training goes on here, which reading must not slow down."""

    def __init__(self, busy: Callable[[], bool] = lambda: False) -> None:
        self._busy = busy
        self._entries: OrderedDict[Path, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def of(self, run_dir: Path) -> Iterator[tuple[Summary, bool]]:
        """(summary, whole): up to the log's end, or a sample of it while the whole is still being read."""
        path, entry = run_dir / EVENTS, self._entry(run_dir)
        with entry.lock:
            if not path.exists():
                yield Summary(), True
            elif not self._reads(entry) and self._left(entry, path) <= AT_ONCE:
                entry.summary.read(path)
                entry.sketched = None
                yield entry.summary, True
            else:
                entry.sketched = entry.sketched or sketch(path)
                self._begin(entry, run_dir)
                yield entry.sketched, False

    def whole(self, run_dir: Path) -> bool:
        """Whether nothing long is left to read."""
        entry = self._entry(run_dir)
        return not self._reads(entry) and self._left(entry, run_dir / EVENTS) <= AT_ONCE

    def wait(self, run_dir: Path, seconds: float) -> bool:
        """Until what was begun is read."""
        reader = self._entry(run_dir).reader
        if reader is not None:
            reader.join(seconds)
        return self.whole(run_dir)

    def _entry(self, run_dir: Path) -> _Entry:
        with self._lock:
            entry = self._entries.get(run_dir)
            if entry is None or not (self._reads(entry) or entry.summary.belongs(run_dir / EVENTS)):
                entry = self._entries[run_dir] = _Entry(load(run_dir))
            self._entries.move_to_end(run_dir)
            while len(self._entries) > KEPT:
                self._entries.popitem(last=False)
            return entry

    @staticmethod
    def _reads(entry: _Entry) -> bool:
        return entry.reader is not None and entry.reader.is_alive()

    @staticmethod
    def _left(entry: _Entry, path: Path) -> int:
        with contextlib.suppress(OSError):
            return path.stat().st_size - entry.summary.offset
        return 0

    def _begin(self, entry: _Entry, run_dir: Path) -> None:
        if not self._reads(entry):
            entry.reader = threading.Thread(target=self._read, args=(entry, run_dir), name="summary", daemon=True)
            entry.reader.start()

    def _read(self, entry: _Entry, run_dir: Path) -> None:
        """Read to the end, a piece at a time; while a training goes on, with three times the rest between them."""
        with contextlib.suppress(OSError):  # the run is gone
            whole = False
            while not whole:
                began = time.monotonic()
                whole = entry.summary.read(run_dir / EVENTS, limit=CHUNK)
                if self._busy():
                    time.sleep(3 * (time.monotonic() - began))
            entry.summary.save(run_dir)
