"""What Chat sets against the base: what a run has saved, or one of its checkpoints. Loads nothing.

Its name, `RUN_ID` or `RUN_ID@STEP`, is what the page's choice and its links hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from studio.errors import WorkspaceError
from studio.runs.checkpoint import Checkpoint, latest, verify
from studio.runs.store import RunRecord, RunStore

AT = "@"


@dataclass(frozen=True)
class Compared:
    """A run, and the step of one of its checkpoints; None is what it has saved at its end."""

    record: RunRecord
    step: int | None = None

    @property
    def name(self) -> str:
        return named(self.record.run_id, self.step)

    @cached_property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint as it is on the disk now; a sentence where it is not there any more, or not whole."""
        return None if self.step is None else latest(self.record.path, step=self.step)

    @property
    def adapter_id(self) -> str:
        """Under which it is attached: another one wherever a run has trained the same step anew."""
        return self.name if self.checkpoint is None else f"{self.name}:{self.checkpoint.time:.3f}"

    @property
    def folder(self) -> Path:
        """Where the weights that answer are. A sentence where there are none, or where the run's model scores replies
        and writes none."""
        if self.checkpoint is None or not self.record.answers:
            return self.record.weights()
        return self.checkpoint.path

    def weights(self) -> Path:
        """The folder to load, a checkpoint's only with its content as it was written."""
        folder = self.folder
        if self.checkpoint is not None and folder == self.checkpoint.path:
            verify(self.checkpoint)
        return folder

    def scoring_weights(self) -> Path:
        """The same of a reward run."""
        if self.checkpoint is None or self.record.answers:
            return self.record.scoring_weights()
        verify(self.checkpoint)
        return self.checkpoint.path


def named(run_id: str, step: int | None = None) -> str:
    """How the page writes down a choice."""
    return run_id if step is None else f"{run_id}{AT}{step}"


def compared(store: RunStore, name: str) -> Compared:
    """The choice that a name stands for; a sentence where there is no such run."""
    run_id, mark, step = name.partition(AT)
    if mark and not (step.isascii() and step.isdigit() and len(step) < 12):
        raise WorkspaceError("{name} names no checkpoint. Choose a run, or one of its checkpoints.", name=name[:80])
    return Compared(store.open(run_id), int(step) if mark else None)
