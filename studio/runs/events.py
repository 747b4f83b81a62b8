"""The event log of a run: `events.jsonl`, append-only, one JSON object a line. Knows nothing of training.

Every event has `time` (unix seconds), `kind` and, where it belongs to one, `step`. Kinds:
started, resumed, phase, log, evaluated, sample, checkpoint, warning, finished, stopped, failed, paused. Those for
people to read carry a sentence: `message`, and its `template` and `details`. `resumed` says that the run goes on from
its `step`: what the log holds before it of later steps is void (`in_force`).
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from studio.runs.spare import SpareRoom, is_full

EVENTS = "events.jsonl"
TERMINAL = frozenset({"finished", "stopped", "failed", "paused"})
VOIDED = frozenset({"log", "evaluated", "sample", "checkpoint"})  # kinds that a resumed run can make void
SUMMED = 2_097_152  # characters of new log after which its summary is brought up to date
NO_LOG = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
TYPES = {"time": (float, int), "step": (int,), "total_steps": (int,), "metrics": (dict,), "message": (str,)}
Event = dict[str, Any]
Listener = Callable[[Event], None]


class EventLog:
    """Appends events to a run's log; one write a line, so that a reader never sees half of two."""

    def __init__(self, run_dir: Path, *, listeners: Iterable[Listener] = ()) -> None:
        self._file = (run_dir / EVENTS).open("a", encoding="utf-8", newline="\n")
        self._listeners = tuple(listeners)
        self._lock = threading.Lock()
        self._last = (_last_time(run_dir / EVENTS), time.monotonic())  # of the event before
        self._spare = SpareRoom(run_dir)
        self._spare.keep()
        self._run_dir, self._unsummed, self._summing = run_dir, 0, threading.Thread()

    def follow(self, listener: Listener) -> None:
        """Tell one more listener of every event from now on."""
        self._listeners = (*self._listeners, listener)

    def write(self, kind: str, step: int | None = None, **fields: Any) -> Event:
        """Append one event; what ends a run is also forced to the disk."""
        event: Event = {"time": round(self._now(), 3), "kind": kind}
        if step is not None:
            event["step"] = step
        event.update({name: _plain(value) for name, value in fields.items()})
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
        with self._lock:
            self._append(line, last=kind in TERMINAL)
        self._sum_up(len(line))
        for listen in self._listeners:
            listen(event)
        return event

    def _append(self, line: str, *, last: bool) -> None:
        """One line on the disk; the room that was kept is for the last one."""
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            if not (last and is_full(error)):
                raise
            self._spare.give_up()
            self._file.flush()  # what is not written yet is still there to be written
        if last:
            self._spare.give_up()
            os.fsync(self._file.fileno())

    def _sum_up(self, length: int) -> None:
        """A log that grows long has a summary beside it, so that it is opened in no time."""
        self._unsummed += length
        if self._unsummed < SUMMED or self._summing.is_alive():
            return
        from studio.runs.summary import keep

        self._unsummed = 0
        self._summing = threading.Thread(target=keep, args=(self._run_dir,), name="summary", daemon=True)
        self._summing.start()

    def _now(self) -> float:
        """Unix seconds that never go back: after a clock was set back, its times go on from the last one."""
        wall, steady = time.time(), time.monotonic()
        last, then = self._last
        if wall < last:
            wall = last + max(steady - then, 0.0)
        self._last = (wall, steady)
        return wall

    def tell(
        self, kind: str, template: str, details: dict[str, Any] | None = None, *, step: int | None = None, **fields: Any
    ) -> Event:
        """An event with a sentence: finished in `message`, and as template and details for other languages."""
        details = {name: str(value) for name, value in (details or {}).items()}
        message = template.format(**details) if details else template
        return self.write(kind, step, message=message, template=template, details=details, **fields)

    def close(self) -> None:
        self._spare.leave()
        with suppress(OSError):  # a line that found no room: whoever wrote it was told
            self._file.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_events(path: Path, offset: int = 0, *, limit: int | None = None) -> tuple[list[Event], int]:
    """Events from a byte offset on, and the offset to go on from. An unfinished last line is left for later."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            chunk = file.read() if limit is None else file.read(limit)
    except NO_LOG:
        return [], offset
    end = chunk.rfind(b"\n") + 1
    events = [event for event in map(parsed, chunk[:end].splitlines()) if event is not None]
    return events, offset + end


def events_of(path: Path, kind: str) -> list[Event]:
    """All events of one kind, without reading the others as JSON."""
    mark = f'"kind": "{kind}"'.encode()
    try:
        with path.open("rb") as file:
            lines = [line for line in file if mark in line[:100] and line.endswith(b"\n")]
    except NO_LOG:
        return []
    return [event for event in map(parsed, lines) if event is not None and event["kind"] == kind]


def first_event(path: Path, kind: str, *, before: str = "log") -> Event | None:
    """The first event of a kind, looked for up to the first one of kind `before`."""
    try:
        with path.open("rb") as file:
            for line in file:
                event = parsed(line) if line.endswith(b"\n") else None
                if event is not None and event["kind"] in (kind, before):
                    return event if event["kind"] == kind else None
    except NO_LOG:
        pass
    return None


def last_event(path: Path, kind: str, *, within: int = 8_388_608) -> Event | None:
    """The last event of a kind in the last `within` bytes, the others not read as JSON."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, 2) - within)
            file.seek(start)
            log = file.read()
    except NO_LOG:
        return None
    at = len(log)
    while (at := log.rfind(f'"kind": "{kind}"'.encode(), 0, at)) >= 0:
        end = log.find(b"\n", at)
        event = parsed(log[log.rfind(b"\n", 0, at) + 1 : end]) if end >= 0 else None
        if event is not None and event["kind"] == kind:
            return event
    return None


def in_force(events: Iterable[Event]) -> list[Event]:
    """The events that still hold: without those of later steps than the one that the run went on from."""
    found, limit = list[Event](), math.inf
    for event in reversed(list(events)):
        step = event.get("step") or 0
        if event["kind"] == "resumed":
            limit = min(limit, step)
        if event["kind"] not in VOIDED or step <= limit:
            found.append(event)
    return found[::-1]


def last_events(path: Path, *, window: int = 65_536) -> list[Event]:
    """The events in the last `window` bytes, or in more where one line is longer: enough for a run's status."""
    try:
        size = path.stat().st_size
        start = max(0, size - window)
        with path.open("rb") as file:
            file.seek(start)
            chunk = file.read()
    except NO_LOG:
        return []
    lines = chunk[: chunk.rfind(b"\n") + 1].splitlines()
    found = [event for event in map(parsed, lines[1:] if start else lines) if event is not None]
    return found if found or not start else last_events(path, window=window * 16)


def _last_time(path: Path) -> float:
    """When the last event was written; 0 where there is none."""
    times = [event.get("time") for event in last_events(path, window=8192)]
    return max((float(one) for one in times if isinstance(one, int | float)), default=0.0)


def parsed(line: bytes) -> Event | None:
    """One line, or None for a torn one (a machine that lost power leaves such a line in mid-file).

    What everybody reckons with is what it should be, or is not there.
    """
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or type(event.get("kind")) is not str:
        return None
    for name, kinds in TYPES.items():
        if name in event and type(event[name]) not in kinds:
            del event[name]
    return event


def _plain(value: Any) -> Any:
    """JSON has no NaN: such a figure is written as text, so that nobody takes it for a number."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        return _plain(value.item())
    return value
