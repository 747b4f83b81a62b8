"""How a run ends and goes on, in words and by its checkpoints. Builds no trainer.

What goes on is the same run (`resume_of`), with more steps (`extend`), or another one from its checkpoint (`branch`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from studio.config import RunConfig
from studio.config.files import dump, lay
from studio.errors import ConfigError, StudioError, WorkspaceError
from studio.runs.checkpoint import broken, latest, link, tidy, verify, whole
from studio.runs.disk import write_whole
from studio.runs.events import EventLog
from studio.runs.origin import ORIGIN
from studio.runs.stopping import StopKind
from studio.runs.store import RUN_YAML, RunRecord, RunStore
from studio.training.resume import ACCEPTABLE, SPARED, Resume, other_versions, settings_changed

End = Literal["finished", "stopped", "paused"]
STATUS_OF: Mapping[StopKind | None, End] = {
    None: "finished", "keep": "stopped", "abandon": "stopped", "pause": "paused"
}  # fmt: skip
SLOWER = 0.5  # the learning rate's share each time a run goes back
MOST_BACK = 3


def resume_of(
    record: RunRecord, *, step: int | None = None, despite: Collection[str] = (), held: bool = False
) -> Resume:
    """From where a run goes on; a sentence where it cannot. `held`: by whoever asks."""
    if record.status == "running" and not held:
        raise WorkspaceError("The run {run} is training now. Stop or pause it first.", run=record.run_id)
    unknown = set(despite) - set(ACCEPTABLE)
    if unknown:
        known = ", ".join(ACCEPTABLE)
        raise ConfigError("--despite takes {names}; got {value}.", names=known, value=sorted(unknown)[0])
    tidy(record.path)
    checkpoint = latest(record.path, step=step, without=SPARED & set(despite))
    config = record.config()
    changed = settings_changed(checkpoint, config)
    total = checkpoint.facts.get("total_steps")
    if record.status == "finished" and not changed and total is not None and checkpoint.step >= total:
        raise WorkspaceError(
            "The run {run} is at its last step, {step}. Set more steps or epochs to go on: "
            "`train --resume {run} --max_steps {more}`.",
            run=record.run_id,
            step=checkpoint.step,
            more=2 * checkpoint.step,
        )
    return Resume(checkpoint=checkpoint, despite=frozenset(despite), changed=changed)


def extend(record: RunRecord, changes: Mapping[str, Any], *, step: int | None = None) -> RunConfig:
    """The run's own file with other settings, such as more epochs; refused where it could not go on with them."""
    if record.status == "running":
        raise WorkspaceError("The run {run} is training now. Stop or pause it first.", run=record.run_id)
    config = changed_config(record, changes)
    settings_changed(latest(record.path, step=step), config)
    place = record.path / RUN_YAML
    made = place.stat().st_mtime_ns
    write_whole(place, dump(config))
    os.utime(place, ns=(made + 1, made + 1))  # the run is as old as it was; it is read anew all the same
    return config


def branch(
    store: RunStore, record: RunRecord, changes: Mapping[str, Any], *, step: int | None = None,
    name: str | None = None, despite: Collection[str] = (),
) -> Path:  # fmt: skip
    """A new run that begins at a checkpoint of another, with other settings; its directory, ready to be resumed."""
    without = SPARED & set(despite)
    checkpoint = latest(record.path, step=step, without=without)
    config = changed_config(record, changes)
    config = config.model_copy(update={"name": name or f"{record.name}-from-{checkpoint.step}"})
    settings_changed(checkpoint, config)
    verify(checkpoint, without=without)
    run_dir = store.create(config)
    link(checkpoint, run_dir, without=without)
    origin = {"run_id": record.run_id, "step": checkpoint.step, "kind": "branch"}
    write_whole(run_dir / ORIGIN, json.dumps(origin) + "\n")
    with EventLog(run_dir) as log:  # from here on it is a run that waits to go on, not one that is about to begin
        told = {"run": record.run_id, "step": checkpoint.step}
        log.tell("phase", "Branched from {run} at its step {step}.", told, phase="branch")
    return run_dir


def changed_config(record: RunRecord, changes: Mapping[str, Any]) -> RunConfig:
    """A run's settings with some of them (dotted keys) set anew."""
    return lay(record.config().model_dump(mode="json"), changes, name="the settings to go on with", owner=False)


def tell_resumed(log: EventLog, resume: Resume, *, gone: Collection[int], total_steps: int) -> None:
    """The event from which on later steps in the log are void, and what else is to be known."""
    step = resume.checkpoint.step
    if gone:
        log.tell(
            "warning",
            "The checkpoints of steps {steps} are removed: those steps are trained anew.",
            {"steps": ", ".join(map(str, gone))},
        )
    for problem in broken(resume.checkpoint.path.parents[1]).values():
        log.tell("warning", problem.template, problem.details)
    other = other_versions(resume.checkpoint)
    if other:
        words = "Libraries are of other versions than before ({versions}); figures may differ."
        log.tell("warning", words, {"versions": other})
    if resume.despite:
        parts = ", ".join(sorted(resume.despite))
        log.tell("warning", "It goes on without, or with another: {parts}.", {"parts": parts})
    if resume.changed:
        log.tell("warning", "It goes on with other settings: {keys}.", {"keys": ", ".join(resume.changed)})
    log.tell(
        "resumed",
        "Goes on from the checkpoint of step {step}.",
        {"step": step},
        step=step,
        path=resume.checkpoint.name,
        total_steps=total_steps,
    )


def go_back(
    config: RunConfig, run_dir: Path, log: EventLog, error: StudioError, *, times: int, before: Resume | None
) -> Resume:
    """The last good checkpoint of a run that diverged, with a smaller learning rate; the error where it is not to, or
    cannot, go back."""
    there = whole(run_dir)
    if config.training.on_divergence != "go_back" or times > MOST_BACK or not there:
        raise error
    last = there[-1]
    again = before is not None and before.checkpoint.step == last.step
    slower = SLOWER * (before.slower if again and before is not None else 1.0)
    log.tell("warning", error.template, error.details)
    log.tell(
        "warning",
        "The run goes back to step {step} with {share} of the learning rate.",
        {"step": last.step, "share": f"{slower:g}"},
    )
    return Resume(checkpoint=last, slower=slower, changed=settings_changed(last, config))


def last_words(kind: StopKind | None, steps: int, *, best: int | None) -> tuple[str, dict[str, Any]]:
    """The sentence of a run's last event."""
    if kind == "abandon":
        return "Abandoned after step {steps}: nothing of it is kept.", {"steps": steps}
    if kind == "pause":
        return "Paused after step {steps}: memory is given back, and the run can go on.", {"steps": steps}
    if best is not None:
        told = {"steps": steps, "best": best}
        if kind is None:
            return "Finished after {steps} steps. Saved are the best weights, those of step {best}.", told
        return "Stopped after step {steps}. Saved are the best weights until then, those of step {best}.", told
    if kind is None:
        return "Finished after {steps} steps. What was learned is saved.", {"steps": steps}
    if steps == 0:
        return "Stopped before the first step: the weights are saved, but nothing was learned.", {}
    return "Stopped after step {steps}. What was learned until then is saved and usable.", {"steps": steps}
