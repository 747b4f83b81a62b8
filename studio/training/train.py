"""Runs one training job: a config and a run directory in, an adapter and an event log out. Knows nothing of Gradio.

Three callers share it: the page's worker thread, the command line, and a distributed launcher.
"""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.adapters.base import without_expected
from studio.config import RunConfig
from studio.data.prepare import report_of
from studio.data.scan import Cancelled
from studio.errors import StudioError
from studio.model.adapter import is_beside
from studio.model.hardware import describe_device, threads_for
from studio.model.memory import describe
from studio.model.reference import check_reference
from studio.model.slot import ModelSlot
from studio.runs.checkpoint import drop_after, tidy
from studio.runs.data_report import keep_data_report
from studio.runs.disk import remove_folder
from studio.runs.events import EVENTS, EventLog, Listener, events_of
from studio.runs.lock import holding
from studio.runs.stopping import asked_to_stop, forget_stop
from studio.runs.store import ADAPTER, MODEL, STOP, is_figure
from studio.settings import Settings
from studio.training.arguments import check_arguments, steps_of
from studio.training.build import INITIAL, build
from studio.training.failure import explain, give_back
from studio.training.going_on import (
    STATUS_OF,
    End,
    check_steps_left,
    go_back,
    keep_config,
    last_words,
    tell_refused,
    tell_resumed,
)
from studio.training.judge import check_rows_fit
from studio.training.keeper import data_identity, versions
from studio.training.plan import blocking, findings, sequences_of
from studio.training.questions import check_questions
from studio.training.resume import Resume, check_content, settings_changed
from studio.training.saving import save_trained
from studio.training.stage import Stage, stage
from studio.training.tracking import followed

if TYPE_CHECKING:
    from transformers import Trainer

    from studio.model.load import LoadedModel
    from studio.training.callback import RecordCallback


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `status` is that of its last event."""

    run_id: str
    status: End
    steps: int
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _StopFile:
    """A wish to stop, as whoever looks at rows asks for it."""

    path: Path

    def is_set(self) -> bool:
        return self.path.exists()


def train(
    config: RunConfig,
    run_dir: Path,
    slot: ModelSlot,
    *,
    settings: Settings,
    listeners: Iterable[Listener] = (),
    resume: Resume | None = None,
) -> Outcome:
    """Train as `config` says into `run_dir`, from the beginning or from a checkpoint of it; every end, also a bad one,
    is an event with a sentence."""
    with (
        holding(run_dir),
        EventLog(run_dir, listeners=listeners) as log,
        followed(log, config, run_dir, settings=settings),
    ):
        began = time.monotonic()
        try:
            tidy(run_dir)
            if resume is not None:
                forget_stop(run_dir)
            return _run(config, run_dir, slot, settings=settings, log=log, resume=resume)
        except Exception as error:
            told = explain(error, run_dir=run_dir)
            seconds = round(time.monotonic() - began, 2)
            give_back(error, run_dir)
            with suppress(OSError):  # where nothing can be written, whoever started the run is told all the same
                if resume is not None and tell_refused(log, run_dir, told):
                    raise told from error
                log.tell("failed", told.template, told.details, seconds=seconds, error=type(error).__name__)
            if told is error:
                raise
            raise told from error


def _run(
    config: RunConfig, run_dir: Path, slot: ModelSlot, *, settings: Settings, log: EventLog, resume: Resume | None
) -> Outcome:
    from studio.training.callback import StopRequested

    began = time.monotonic()
    check_arguments(config)
    if resume is not None:
        resume = replace(resume, changed=settings_changed(resume.checkpoint, config))
    try:
        staged = _staged(config, run_dir, settings=settings, log=log)
    except Cancelled:
        return _stopped_early(run_dir, log, resume)
    if resume is not None:
        prepared = staged.prepared
        check_content(resume, data=data_identity(prepared), supervised=prepared.supervised, total=prepared.total)
    log.tell("phase", "Loading the model", phase="model")
    with slot.lease(f"the run {run_dir.name}", wait=True):  # a reply that is being written is let finish
        loaded = slot.load(config.model, progress=_phases(log))
        try:
            trainer, record, metrics = _trained(
                config, run_dir, slot, staged=staged, loaded=loaded, log=log, resume=resume, began=began
            )
        except StopRequested:
            return _stopped_early(run_dir, log, resume)
        kind = asked_to_stop(run_dir) if record.stopping else None
        beside = config.adapter is not None and config.adapter.beside
        saved = None
        if kind != "abandon":
            with without_expected(None if config.adapter is None else type(config.adapter)):
                saved = save_trained(
                    trainer.model, staged.tokenizer, run_dir, beside=beside, dtype=loaded.dtype,
                    initial=run_dir / INITIAL,
                )  # fmt: skip
        steps, total = int(trainer.state.global_step), int(trainer.state.max_steps)
        del trainer
        if kind == "pause":
            slot.unload()
        elif saved is not None and config.method.chats:
            try:
                slot.attach(run_dir.name, saved)
            except StudioError as error:  # what was learned is on the disk: Chat will say it again
                log.tell("warning", error.template, error.details)
    if kind == "abandon":  # what an earlier sitting saved goes too
        drop_after(run_dir, -1)
        for name in (ADAPTER, MODEL):
            remove_folder(run_dir / name)
    status = STATUS_OF[kind]
    log.tell(
        status,
        *last_words(kind, steps, best=metrics.get("best_step")),
        step=steps,
        total_steps=total,
        metrics=metrics,
        seconds=round(time.monotonic() - began, 2),
        adapter=beside and kind != "abandon",
    )
    return Outcome(run_id=run_dir.name, status=status, steps=steps, metrics=metrics)


def _staged(config: RunConfig, run_dir: Path, *, settings: Settings, log: EventLog) -> Stage:
    """The rows of a run, looked at; whatever makes a run over them useless is raised."""
    log.tell("phase", "Reading and tokenizing the data", phase="data")
    staged = stage(config, settings, progress=_phases(log), cancelled=_StopFile(run_dir / STOP))
    check_reference(config, settings)
    check_rows_fit(config, settings, turns=staged.prepared.turns)
    check_questions(config, staged.prepared)
    doctor = report_of(config, staged.prepared.scan)
    keep_data_report(run_dir, doctor.as_json())
    for fault in blocking(doctor):
        raise fault
    for finding in findings(config, staged.prepared, describe(config.model, settings), settings=settings):
        if finding.kind == "warning":
            log.tell("warning", finding.template, finding.details)
    staged.prepared.write()
    return staged


def _trained(
    config: RunConfig, run_dir: Path, slot: ModelSlot, *, staged: Stage, loaded: LoadedModel, log: EventLog,
    resume: Resume | None, began: float,
) -> tuple[Trainer, RecordCallback, dict[str, Any]]:  # fmt: skip
    """The trainer after its last step. Where the run diverges and may go back, it is built again from a checkpoint."""
    from studio.training.callback import Diverged

    back = 0
    while True:
        trainer, record = build(config, run_dir, slot, staged=staged, log=log, resume=resume)
        if resume is not None:
            total = steps_of(config.training, sequences_of(config, staged.prepared))
            if resume.changed and not back:
                check_steps_left(run_dir.name, resume.checkpoint, total=total)
            keep_config(run_dir, config)
            gone = drop_after(run_dir, resume.checkpoint.step)
            tell_resumed(log, resume, gone=gone, total_steps=total)
        if resume is None or not events_of(run_dir / EVENTS, "started"):
            _write_started(log, config, run_dir, staged=staged, trainer=trainer, loaded=loaded)
        try:
            with threads_for(loaded.parameters, "cpu" if loaded.device == "cpu" else "cuda"):
                return trainer, record, _train(trainer, record, began=began, resume=resume)
        except Diverged as error:
            back += 1
            del trainer
            resume = go_back(config, run_dir, log, error, times=back, before=resume)
            traceback.clear_frames(error.__traceback__)


def _stopped_early(run_dir: Path, log: EventLog, resume: Resume | None) -> Outcome:
    if resume is None:
        log.tell("stopped", "Stopped while the data was read: nothing was learned, and nothing is saved.", step=0)
        return Outcome(run_id=run_dir.name, status="stopped", steps=0)
    step = resume.checkpoint.step
    log.tell("stopped", "Stopped before it went on: the run is as it was at step {step}.", {"step": step}, step=step)
    return Outcome(run_id=run_dir.name, status="stopped", steps=step)


def _write_started(
    log: EventLog, config: RunConfig, run_dir: Path, *, staged: Stage, trainer: Trainer, loaded: LoadedModel
) -> None:
    """The event that says what is trained on what: the same digest as the preview of the same first rows."""
    trained = {name: one.numel() for name, one in trainer.model.named_parameters() if one.requires_grad}
    total = loaded.parameters + sum(size for name, size in trained.items() if is_beside(name))
    prepared = staged.prepared
    log.write(
        "started",
        0,
        run_id=run_dir.name,
        name=config.name,
        pid=os.getpid(),
        host=socket.gethostname(),
        digest=prepared.digest,
        turns=prepared.turns,
        data=[
            {"name": one.table.name, "rows": len(one.table.rows), "identity": one.table.identity}
            for one in prepared.corpus.parts
        ],
        total_steps=steps_of(config.training, sequences_of(config, prepared)),
        epochs=config.training.num_train_epochs,
        rows=len(trainer.train_dataset),
        eval_rows=len(prepared.eval) if prepared.eval is not None else 0,
        dropped_rows=len(prepared.dropped),
        supervised_tokens=prepared.supervised,
        total_tokens=prepared.total,
        trainable_parameters=sum(trained.values()),
        total_parameters=total,
        device=loaded.device,
        dtype=loaded.dtype,
        hardware=describe_device(),
        versions=versions(),
    )


def _train(trainer: Trainer, record: RecordCallback, *, began: float, resume: Resume | None) -> dict[str, Any]:
    """Train to the end or to the stop; returns the last figures."""
    from studio.training.callback import StopRequested

    metrics: dict[str, Any] = {"setup_seconds": round(time.monotonic() - began, 2)}
    try:
        output = trainer.train(resume_from_checkpoint=None if resume is None else str(resume.checkpoint.path))
        metrics.update(train_loss=output.metrics.get("train_loss"), train_seconds=output.metrics.get("train_runtime"))
    except StopRequested:
        record.keeper.finish(trainer)
        if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint:
            trainer._load_best_model()
    metrics.update({name: value for name, value in record.figures.items() if is_figure(name)})
    if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint:
        metrics.update(best_step=trainer.state.best_global_step, best_metric=trainer.state.best_metric)
    metrics.update(checkpoint_seconds=round(record.keeper.spent, 2))
    return {name: value for name, value in metrics.items() if value is not None}


def _phases(log: EventLog) -> Any:
    """Progress of a download as phase events, at most one a second."""
    last = [0.0]

    def tell(sentence: str, fraction: float | None) -> None:
        if time.monotonic() - last[0] >= 1:
            last[0] = time.monotonic()
            log.write("phase", phase="fetch", message=sentence, fraction=fraction)

    return tell
