"""Files and folders that appear whole or not at all, whatever kills the process. Knows nothing of runs.

Each is made beside its place under a hidden name, forced to the disk, and renamed. So is what goes: a folder is renamed
away before its first file is deleted.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

OLD = "-old"


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file; whoever reads it sees the old one or the new one, never a part. Text is UTF-8."""
    with _replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def writing_whole(path: Path) -> Iterator[TextIO]:
    """A text file to write piece by piece, which appears whole or not at all. Line ends stay as they are written.

    What is no ordinary file (a pipe, a device) is written straight on.
    """
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as text:
            yield text
        return
    with _replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.detach()  # flushes, and leaves the file open


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file beside its place, which takes the place once all is on the disk."""
    staged = path.with_name(f".{path.name}-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with staged.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to the disk, where the system knows how (Windows does it by itself)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Force every file below a folder to the disk, and the folders' lists of names after them."""
    for where, _, names in os.walk(folder, topdown=False):
        for name in names:
            with (Path(where) / name).open("rb+") as file:
                os.fsync(file.fileno())
        sync_folder(Path(where))


def put_folder(staged: Path, target: Path) -> None:
    """Move a finished folder to its place. One that is there goes aside first; `settle` mends a crash in between."""
    sync_tree(staged)
    old = _old(target)
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    staged.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def settle(target: Path) -> None:
    """After a crash inside `put_folder`: the older folder is back where no new one came."""
    old = _old(target)
    if old.exists() and not target.exists():
        old.rename(target)
    elif old.exists():
        shutil.rmtree(old, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Delete a folder; after a crash in the middle nothing of it is seen under its name."""
    if not folder.exists():
        return
    gone = Path(tempfile.mkdtemp(prefix=".gone-", dir=folder.parent))
    folder.rename(gone / folder.name)
    shutil.rmtree(gone, ignore_errors=True)


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}{OLD}")
