"""How a run ends and goes on, in words and by its checkpoints. Builds no trainer.

What goes on is the same run (`resume_of`), also with other settings such as more steps, or another one from its
checkpoint (`branch`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from studio.config import RunConfig
from studio.config.files import build, dump, lay, read_yaml
from studio.errors import ConfigError, StudioError, WorkspaceError
from studio.runs.checkpoint import Checkpoint, broken, latest, link, tidy, verify, whole
from studio.runs.disk import write_whole
from studio.runs.events import EVENTS, TERMINAL, EventLog, last_events
from studio.runs.lock import training_now
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
    record: RunRecord, *, config: RunConfig | None = None, step: int | None = None, despite: Collection[str] = (),
    held: bool = False,
) -> Resume:  # fmt: skip
    """From where a run goes on, with its own settings or those in `config`; a sentence where it cannot. Changes
    nothing: `keep_config` does once it goes on. `held`: by whoever asks."""
    if record.status == "running" and not held:
        raise training_now(record.run_id)
    unknown = set(despite) - set(ACCEPTABLE)
    if unknown:
        known = ", ".join(ACCEPTABLE)
        raise ConfigError("--despite takes {names}; got {value}.", names=known, value=sorted(unknown)[0])
    tidy(record.path)
    checkpoint = latest(record.path, step=step, without=SPARED & set(despite))
    changed = settings_changed(checkpoint, config or record.config())
    total = _total(checkpoint, config or record.config())
    if (changed or record.status == "finished") and total is not None:
        check_steps_left(record.run_id, checkpoint, total=total)
    return Resume(checkpoint=checkpoint, despite=frozenset(despite), changed=changed)


def check_steps_left(run_id: str, checkpoint: Checkpoint, *, total: int) -> None:
    """A sentence where a run of `total` steps is over at its checkpoint."""
    if checkpoint.step >= total:
        raise WorkspaceError(
            "The run {run} is at its last step, {step}. Set more steps or epochs to go on: "
            "`train --resume {run} --max_steps {more}`.",
            run=run_id,
            step=checkpoint.step,
            more=2 * checkpoint.step,
        )


def _total(checkpoint: Checkpoint, config: RunConfig) -> int | None:
    """How many steps a run has with these settings; None where only its rows could tell."""
    if config.training.max_steps > 0:
        return config.training.max_steps
    before = (checkpoint.facts.get("settings") or {}).get("training") or {}
    same = all(before.get(name) == getattr(config.training, name) for name in ("max_steps", "num_train_epochs"))
    total = checkpoint.facts.get("total_steps")
    return int(total) if same and total is not None else None


def keep_config(run_dir: Path, config: RunConfig) -> None:
    """The run's own file with the settings that it goes on with, where they are others."""
    place = run_dir / RUN_YAML
    if build(read_yaml(place), name=RUN_YAML) == config:
        return
    made = place.stat().st_mtime_ns
    write_whole(place, dump(config))
    os.utime(place, ns=(made + 1, made + 1))  # the run is as old as it was; it is read anew all the same


def tell_refused(log: EventLog, run_dir: Path, told: StudioError) -> bool:
    """A run that had ended well and could not go on is what it was, and its last event says why; whether it is so."""
    events = last_events(run_dir / EVENTS)
    last = next((one for one in reversed(events) if one["kind"] in (*TERMINAL, "resumed", "started")), None)
    if last is None or last["kind"] not in ("finished", "stopped", "paused"):
        return False
    kept = {name: last[name] for name in ("total_steps", "metrics", "adapter") if name in last}
    log.tell(
        last["kind"],
        "It did not go on, and is as it was. {problem}",
        {"problem": str(told)},
        step=last.get("step"),
        **kept,
    )
    return True


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
    total = _total(checkpoint, config)
    if total is not None:
        check_steps_left(record.run_id, checkpoint, total=total)
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
