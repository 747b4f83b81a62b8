"""How many bytes runs and the workspace take on the disk. Measured once, and again where a folder has changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from studio.runs.events import EVENTS

CHANGING = (".", EVENTS, "checkpoints", "adapter", "model")  # one of these changes with whatever a run writes
Signature = tuple[int, ...]


class Usage:
    """Sizes of runs' folders. `known` never reads the disk, `measure` only what has changed since."""

    def __init__(self) -> None:
        self._measured: dict[Path, tuple[Signature, int]] = {}

    def known(self, folder: Path) -> int | None:
        """The size that was measured last, if it ever was."""
        found = self._measured.get(folder)
        return found[1] if found else None

    def measure(self, folder: Path) -> int:
        """The size of a run's folder now."""
        signature = _signature(folder)
        found = self._measured.get(folder)
        if found is None or found[0] != signature:
            found = self._measured[folder] = (signature, folder_bytes(folder))
        return found[1]


def folder_bytes(folder: Path) -> int:
    """The bytes of all files below a folder; what vanishes meanwhile counts nothing, nor does what a link names."""
    total, seen, rest = 0, set(), [str(folder)]
    while rest:
        try:
            with os.scandir(rest.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        rest.append(entry.path)
                        continue
                    stat = entry.stat(follow_symlinks=False)
                    if stat.st_nlink > 1:  # one file under several names
                        if stat.st_ino in seen:
                            continue
                        seen.add(stat.st_ino)
                    total += stat.st_size
        except OSError:
            continue
    return total


def free_bytes(folder: Path) -> int:
    """What is free on the folder's disk."""
    return shutil.disk_usage(folder).free


def _signature(folder: Path) -> Signature:
    found: list[int] = []
    for name in CHANGING:
        try:
            stat = (folder / name).stat()
        except OSError:
            found += (0, 0)
        else:
            found += (stat.st_mtime_ns, stat.st_size)
    return tuple(found)
