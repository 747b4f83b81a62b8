"""The hidden folder beside its target in which an export is made, and what is left of one that was killed."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.runs.lock import held
from studio.runs.store import hold

NEW = 60.0  # seconds in which a folder may be there and not locked yet


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """An empty folder on the target's disk, which goes at the end with whatever is still in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.part-"
    for other in list(target.parent.iterdir()):
        if other.name.startswith(prefix) and _abandoned(other):
            shutil.rmtree(other, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        with hold(place):
            folder = place / target.name
            folder.mkdir()
            yield folder
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _abandoned(place: Path) -> bool:
    """No living process makes an export in it."""
    try:
        return time.time() - place.stat().st_mtime > NEW and not held(place)
    except OSError:
        return False
