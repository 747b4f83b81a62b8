"""What shows a run besides its own page, a file each: TRACKERS by their names in `tracking.report_to`."""

from __future__ import annotations

from studio.training.trackers.base import Tracker
from studio.training.trackers.tensorboard import TensorBoard
from studio.training.trackers.trackio import Trackio
from studio.training.trackers.wandb import WandB

TRACKERS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "trackio": Trackio, "wandb": WandB}

__all__ = ["TRACKERS", "Tracker"]
