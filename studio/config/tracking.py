"""Where a run's figures go beside its own event log: trackers on this machine. Names and choices alone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from studio.section import Section, knob, names_of

Tracker = Literal["tensorboard", "trackio", "wandb"]


class TrackingConfig(Section):
    """`report_to` is the trainer's own name for it; `project` is under which trackio and W&B file the run."""

    report_to: Annotated[tuple[Tracker, ...], BeforeValidator(names_of)] = knob((), advanced=True)
    project: str = knob("tunefork", advanced=True, min_length=1, max_length=80, pattern=r"^[\w][\w.\- ]*$")
