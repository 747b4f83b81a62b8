"""TensorBoard: event files in the run's own directory. `tensorboard --logdir WORKSPACE/runs` shows all runs."""

from __future__ import annotations

from typing import ClassVar

from studio.training.trackers.base import Tracked, Tracker

FOLDER = "tensorboard"
FLUSH = 10  # seconds until a figure can be seen


class TensorBoard(Tracker):
    """One writer; a run that goes on from a step takes back what lies after it."""

    package: ClassVar[str] = "tensorboard"

    def __init__(self, run: Tracked, *, resumed: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        purge = None if resumed is None else resumed + 1
        self._writer = SummaryWriter(str(run.run_dir / FOLDER), purge_step=purge, flush_secs=FLUSH)
        self._writer.add_text("run.yaml", "\n".join(f"    {line}" for line in run.text.splitlines()))

    def put(self, figures: dict[str, float], step: int) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self, *, failed: bool) -> None:
        self._writer.close()
