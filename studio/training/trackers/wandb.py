"""Weights & Biases, offline: files in the run's own directory. `wandb sync` of that folder is the user's own act."""

from __future__ import annotations

import os
from typing import ClassVar

from studio.training.trackers.base import Tracked, Tracker

FOLDER = "wandb"
# Read when wandb starts its process: where it keeps its own things, and that it tells nobody of its errors.
QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
OWN = ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")


class WandB(Tracker):
    """Its mode is given here, so that no setting of the environment brings it online."""

    package: ClassVar[str] = "wandb"

    def __init__(self, run: Tracked, *, resumed: int | None) -> None:
        folder = run.run_dir / FOLDER
        folder.mkdir(exist_ok=True)
        for name in OWN:
            os.environ.setdefault(name, str(run.shared / ".wandb"))
        os.environ.update(QUIET)
        import wandb

        settings = wandb.Settings(
            mode="offline", console="off", silent=True, save_code=False, disable_git=True, disable_job_creation=True,
            x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
        )  # fmt: skip
        self._run = wandb.init(
            project=run.project, name=run.name, config=run.settings, dir=str(folder), mode="offline",
            group=run.run_id, reinit="create_new", settings=settings,
        )  # fmt: skip

    def put(self, figures: dict[str, float], step: int) -> None:
        self._run.log(figures, step=step)

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=1 if failed else 0)
