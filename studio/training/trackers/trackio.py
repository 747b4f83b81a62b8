"""trackio: a database in the workspace. `trackio show` draws it; nothing leaves the machine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import ClassVar

from studio.training.trackers.base import Tracked, Tracker

DIRECTORY = "TRACKIO_DIR"
# With one of these trackio sends what it is given to a Space, a server or a chat.
ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_BUCKET_ID", "TRACKIO_DATASET_ID", "TRACKIO_WEBHOOK_URL")


class Trackio(Tracker):
    """A run goes on under its own name; the directory is TRACKIO_DIR, else `trackio` in the workspace."""

    package: ClassVar[str] = "trackio"

    def __init__(self, run: Tracked, *, resumed: int | None) -> None:
        os.environ.setdefault(DIRECTORY, str(run.shared / "trackio"))  # read when trackio is imported
        with _at_home():
            import trackio

            self._finish = trackio.finish
            self._run = trackio.init(
                project=run.project, name=run.run_id, config=run.settings, resume="allow", embed=False,
                auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip

    def put(self, figures: dict[str, float], step: int) -> None:
        self._run.log(figures, step=step)

    def close(self, *, failed: bool) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            self._finish()  # its run's own `finish` would be called again when the process ends


@contextlib.contextmanager
def _at_home() -> Iterator[None]:
    """Without what sends figures away, and with its remarks on stderr: stdout may carry an answer."""
    held = {name: value for name in ELSEWHERE if (value := os.environ.pop(name, None)) is not None}
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.environ.update(held)
