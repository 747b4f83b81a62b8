"""Who works on a run now: the lock in its directory, which the system frees when its holder dies. Waits for nobody."""

from __future__ import annotations

import threading
from pathlib import Path

from filelock import FileLock, Timeout

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
