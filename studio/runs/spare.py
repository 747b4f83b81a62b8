"""Room kept on the disk for a run's last words, given up when the disk is full. Knows nothing of events."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

FILE, BYTES = ".spare", 65_536
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SpareRoom:
    """A small file of one folder. Where not even that can be written, there is none: the run finds out soon enough."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._mine = False

    def keep(self) -> None:
        """Take the room, unless it is taken: another log of the same folder is open, or was when its process died.

        Random bytes: a file system that compresses would keep no room for zeros.
        """
        with suppress(OSError), self._path.open("xb") as file:
            self._mine = True
            file.write(os.urandom(BYTES))

    def leave(self) -> None:
        """Give the room back that this one took."""
        if self._mine:
            self.give_up()

    def give_up(self) -> None:
        """Give the room back, whoever took it."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def is_full(error: BaseException) -> bool:
    """Whether an error, or one that it came of, says that no more can be written: no space, quota, size of files.

    Rust's libraries (safetensors, tokenizers) tell it in words only.
    """
    told: BaseException | None = error
    for _ in range(10):
        if told is None:
            return False
        if isinstance(told, OSError) and told.errno in FULL:
            return True
        if any(f"os error {number})" in str(told) for number in FULL) or "No space left on device" in str(told):
            return True
        told = told.__cause__ or told.__context__
    return False
