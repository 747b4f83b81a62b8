"""Who works on a run now: the lock in its directory, which the system frees when its holder dies. Waits for nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from studio.errors import WorkspaceError

LOCK = "lock"
_asking = threading.Lock()  # two askers of one process would each take the other for a run's holder


def held(run_dir: Path) -> bool:
    """Whether a living process, this one or another, works on the run."""
    if not (run_dir / LOCK).exists():
        return False
    with _asking:
        lock = FileLock(run_dir / LOCK, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return True
        lock.release()
    return False


def hold(run_dir: Path) -> FileLock:
    """The lock that says 'a living process works on this run'. The system frees it when the process dies.

    One object a run and process, so that it may be taken again by whoever works for its holder.
    """
    return FileLock(run_dir / LOCK, timeout=5, thread_local=False, is_singleton=True)


@contextmanager
def holding(run_dir: Path) -> Iterator[None]:
    """That lock for as long as the run is worked on; a sentence where another process has it."""
    lock = hold(run_dir)
    try:
        lock.acquire()
    except Timeout as error:
        raise training_now(run_dir.name) from error
    try:
        yield
    finally:
        lock.release()


def training_now(run_id: str) -> WorkspaceError:
    return WorkspaceError("The run {run} is training now. Stop or pause it first.", run=run_id)
