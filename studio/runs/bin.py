"""The bin: runs that were deleted and can come back. A run goes in and out by one rename.

`RUNS/.bin/TIME/RUN_ID/` is a run in the bin; TIME, when it went in, is what an entry is called.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from studio.errors import BusyError, WorkspaceError
from studio.runs.disk import remove_folder, sync_folder
from studio.runs.facts import RUN_YAML, read_facts, signature_of
from studio.runs.lock import LOCK
from studio.runs.store import RunRecord, RunStore, record_of

BIN, MOVING = ".bin", ".bin.lock"
ENTRY = re.compile(r"\d{4}-\d\d-\d\d-\d{6}(-\d+)?")
ALIVE = ("running", "queued")


@dataclass(frozen=True)
class Binned:
    """One run in the bin."""

    entry: str
    run: RunRecord
    deleted: float


class Bin:
    """What was deleted from a store of runs. Ids and entries from outside are checked before they become a path."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self.path = store.runs_dir / BIN

    def delete(self, run_id: str) -> str:
        """Put a run into the bin; returns its entry. BusyError while it is being trained or waits for its turn."""
        self._store.open(run_id)
        with FileLock(self._store.runs_dir / MOVING, timeout=20):  # taking a lock makes the folder it lies in
            record = self._store.open(run_id)
            if record.status in ALIVE:
                raise _busy(record)
            lock = FileLock(record.path / LOCK, timeout=0, thread_local=False)
            try:
                lock.acquire()
            except Timeout:
                raise _busy(record) from None
            try:
                if sys.platform == "win32":
                    lock.release()  # there a folder with an open file in it cannot be moved
                return self._move_in(record)
            finally:
                lock.release()

    def restore(self, name: str) -> str:
        """Bring back an entry, or the run of that id that was deleted last; returns the run's id."""
        found = self._find(name)
        target = self._store.runs_dir / found.name
        try:
            if target.exists():
                raise FileExistsError
            found.rename(target)
        except FileExistsError:
            raise _taken(found.name) from None
        except OSError as error:
            if target.exists():
                raise _taken(found.name) from error
            raise _cannot(found.name, error) from error
        with contextlib.suppress(OSError):  # another one's run may have come into the entry
            found.parent.rmdir()
        sync_folder(self._store.runs_dir)
        return found.name

    def runs(self) -> list[Binned]:
        """What is in the bin, the last one first."""
        folders = sorted(self._folders(), key=_order, reverse=True)
        return [Binned(one.parent.name, _record(one), _when(one.parent)) for one in folders]

    def count(self) -> int:
        return len(self._folders())

    def empty(self) -> int:
        """Delete what is in the bin for ever, and what an earlier emptying has left; returns how many runs."""
        entries = [one for one in _inside(self.path) if ENTRY.fullmatch(one.name) or one.name.startswith(".gone-")]
        count = self.count()
        for one in entries:
            try:
                remove_folder(one)
            except OSError as error:
                raise _cannot(one.name, error) from error
        return count

    def _folders(self) -> list[Path]:
        entries = [one for one in _inside(self.path) if ENTRY.fullmatch(one.name)]
        return [run for one in entries for run in _inside(one) if (run / RUN_YAML).is_file()]

    def _find(self, name: str) -> Path:
        matching = [one for one in self._folders() if name in (one.parent.name, one.name)]
        if not matching:
            raise WorkspaceError(
                "There is no run {run_id!r} in the bin. `python launch.py runs bin` lists those there are.",
                run_id=name[:80],
            )
        return max(matching, key=_order)

    def _move_in(self, record: RunRecord) -> str:
        stamp = time.strftime("%Y-%m-%d-%H%M%S")
        try:
            self.path.mkdir(exist_ok=True)
            entry = _claimed(self.path, stamp)
            record.path.rename(entry / record.run_id)
            sync_folder(entry)
        except OSError as error:
            raise _cannot(record.run_id, error) from error
        return entry.name


def _record(folder: Path) -> RunRecord:
    signature = signature_of(folder)
    return record_of(folder, read_facts(folder), created=signature[0] / 1e9)


def _claimed(folder: Path, stamp: str) -> Path:
    """A new entry; two of one second get two."""
    count = 1
    while True:
        entry = folder / (stamp if count == 1 else f"{stamp}-{count}")
        try:
            entry.mkdir()
        except FileExistsError:
            count += 1
        else:
            return entry


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _order(folder: Path) -> tuple[str, int, str]:
    """By when a run came into the bin."""
    entry = folder.parent.name
    return entry[:17], int(entry[18:] or 1), folder.name


def _when(entry: Path) -> float:
    return time.mktime(time.strptime(entry.name[:17], "%Y-%m-%d-%H%M%S"))


def _busy(record: RunRecord) -> BusyError:
    return BusyError(
        "The run {run} is {status}: it cannot go into the bin. Stop it or take it out of the queue first.",
        run=record.run_id,
        status=record.status,
    )


def _taken(run_id: str) -> WorkspaceError:
    return WorkspaceError(
        "The run {run} cannot come back: another run of that id is there by now. Delete that one first, then restore "
        "this one by its entry in the bin.",
        run=run_id,
    )


def _cannot(name: str, error: OSError) -> WorkspaceError:
    return WorkspaceError("Cannot move or delete {run}: {reason}.", run=name, reason=error.strerror or error)
