"""The runs of a workspace that wait for their turn: one small file, in order. Trains nothing and knows no page.

The file is written whole under a lock, so that two threads, or a server and a command line, never lose an entry.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from studio.errors import WorkspaceError
from studio.runs.disk import write_whole

QUEUE = "queue.json"
LOCK = "queue.lock"
DAMAGED = "queue.json.damaged"
Move = Literal["up", "down", "front"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waiting:
    """One run that waits: to be begun, or to go on from a checkpoint (`step`; None is the last one), with `changes` of
    its settings (dotted keys)."""

    run_id: str
    action: Literal["start", "resume"] = "start"
    step: int | None = None
    changes: dict[str, Any] = field(default_factory=dict)


class RunQueue:
    """The queue of one folder of runs. Runs that are gone are left out; a damaged file is put aside, not believed."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._file = runs_dir / QUEUE

    def entries(self) -> tuple[Waiting, ...]:
        """What waits now, the next one first."""
        return tuple(entry for entry in self._read() or () if (self.runs_dir / entry.run_id).is_dir())

    def place(self, run_id: str) -> int | None:
        """1 for the next one; None where it does not wait."""
        return next((place for place, entry in enumerate(self.entries(), 1) if entry.run_id == run_id), None)

    @property
    def mark(self) -> str:
        """Another text after each change: whoever shows the queue need not read it to see that it is the same."""
        try:
            found = self._file.stat()
        except OSError:
            return ""
        return f"{found.st_mtime_ns}-{found.st_ino}"

    def add(self, entry: Waiting) -> int:
        """Put a run at the end; one that waits already keeps its place. Returns the place."""

        def change(entries: list[Waiting]) -> list[Waiting]:
            known = [entry if one.run_id == entry.run_id else one for one in entries]
            return known if entry in known else [*known, entry]

        return [one.run_id for one in self._change(change)].index(entry.run_id) + 1

    def remove(self, run_id: str) -> bool:
        """Take a run out; whether it was there."""
        found: list[Waiting] = []

        def change(entries: list[Waiting]) -> list[Waiting]:
            found.extend(one for one in entries if one.run_id == run_id)
            return [one for one in entries if one.run_id != run_id]

        if self._file.exists():
            self._change(change)
        return bool(found)

    def move(self, run_id: str, where: Move) -> None:
        """One place up or down, or to the front; nothing happens at an end, or where the run does not wait."""

        def change(entries: list[Waiting]) -> list[Waiting]:
            at = next((index for index, one in enumerate(entries) if one.run_id == run_id), None)
            if at is None:
                return entries
            to = {"up": max(0, at - 1), "down": at + 1, "front": 0}[where]
            rest = [one for one in entries if one.run_id != run_id]
            return [*rest[:to], entries[at], *rest[to:]]

        self._change(change)

    def take(self, begin: Callable[[Waiting], bool]) -> Waiting | None:
        """The next run, taken out once `begin` has made it a run that goes on; one it declines is taken out and passed.

        Until then it stays in the file: a process that dies in between loses no run.
        """
        if not self._file.exists():
            return None
        with self._locked():
            entries = list(self.entries())
            while entries:
                first = entries.pop(0)
                begun = begin(first)
                self._write(entries)
                if begun:
                    return first
        return None

    def _change(self, change: Callable[[list[Waiting]], list[Waiting]]) -> list[Waiting]:
        with self._locked():
            before = list(self.entries())
            after = change(before)
            if after != before:
                self._write(after)
            return after

    def _locked(self) -> FileLock:
        return FileLock(self.runs_dir / LOCK, timeout=20)

    def _write(self, entries: Sequence[Waiting]) -> None:
        try:
            if self._file.exists() and self._read() is None:
                self._file.replace(self.runs_dir / DAMAGED)
            write_whole(self._file, json.dumps({"waiting": [asdict(entry) for entry in entries]}, indent=1) + "\n")
        except OSError as error:
            raise WorkspaceError(
                "The queue of waiting runs cannot be written in {path} ({reason}). "
                "Free some space, or choose another workspace with --workspace.",
                path=self.runs_dir,
                reason=error.strerror or error,
            ) from error

    def _read(self) -> list[Waiting] | None:
        """None where the file cannot be understood."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))["waiting"]
            return list({one["run_id"]: _entry(one) for one in found}.values())
        except FileNotFoundError:
            return []
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            logger.warning("%s cannot be understood (%s); no run waits", self._file, error)
            return None


def _entry(found: dict[str, Any]) -> Waiting:
    """An entry of the file. ValueError for what is none: a run's id is a name, never a path."""
    run_id, action, step = found["run_id"], found.get("action", "start"), found.get("step")
    changes = found.get("changes", {})
    whole = step is None or (isinstance(step, int) and not isinstance(step, bool) and step >= 0)
    known = re.fullmatch(r"[A-Za-z0-9][\w.\-]*", run_id) and action in ("start", "resume")
    if not known or not whole or not isinstance(changes, dict):
        raise ValueError(f"{found} is no waiting run")
    return Waiting(run_id, action, step, changes)
