"""Runs one training job: a config and a run directory in, an adapter and an event log out. Knows nothing of Gradio.

Three callers share it: the page's worker thread, the command line, and a distributed launcher.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from studio.adapters.base import without_expected
from studio.config import RunConfig
from studio.data.prepare import report_of
from studio.data.scan import Cancelled
from studio.errors import StudioError
from studio.model.adapter import is_beside
from studio.model.hardware import threads_for
from studio.model.memory import describe
from studio.model.precision import back_to
from studio.model.reference import check_reference
from studio.model.slot import ModelSlot
from studio.runs.data_report import keep_data_report
from studio.runs.events import EventLog, Listener
from studio.runs.store import ADAPTER, MODEL, STOP, hold, is_figure
from studio.settings import Settings
from studio.training.arguments import check_arguments, steps_of
from studio.training.build import INITIAL, build
from studio.training.failure import explain, give_back
from studio.training.judge import check_rows_fit
from studio.training.plan import blocking, findings, sequences_of
from studio.training.questions import check_questions
from studio.training.stage import Stage, stage
from studio.training.tracking import followed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Trainer

    from studio.model.load import LoadedModel
    from studio.training.callback import RecordCallback

RECORDED = ("torch", "transformers", "trl", "peft", "datasets")


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `status` is that of its last event."""

    run_id: str
    status: Literal["finished", "stopped"]
    steps: int
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _StopFile:
    """A wish to stop, as whoever looks at rows asks for it."""

    path: Path

    def is_set(self) -> bool:
        return self.path.exists()


def train(
    config: RunConfig, run_dir: Path, slot: ModelSlot, *, settings: Settings, listeners: Iterable[Listener] = ()
) -> Outcome:
    """Train as `config` says into `run_dir`; every end, also a bad one, is an event with a sentence."""
    with (
        hold(run_dir),
        EventLog(run_dir, listeners=listeners) as log,
        followed(log, config, run_dir, settings=settings),
    ):
        began = time.monotonic()
        try:
            return _run(config, run_dir, slot, settings=settings, log=log)
        except Exception as error:
            told = explain(error, run_dir=run_dir)
            seconds = round(time.monotonic() - began, 2)
            give_back(error, run_dir)
            with suppress(OSError):  # where nothing can be written, whoever started the run is told all the same
                log.tell("failed", told.template, told.details, seconds=seconds, error=type(error).__name__)
            if told is error:
                raise
            raise told from error


def _run(config: RunConfig, run_dir: Path, slot: ModelSlot, *, settings: Settings, log: EventLog) -> Outcome:
    from studio.training.callback import StopRequested

    began = time.monotonic()
    beside = config.adapter is not None and config.adapter.beside
    check_arguments(config)
    log.tell("phase", "Reading and tokenizing the data", phase="data")
    try:
        staged = stage(config, settings, progress=_phases(log), cancelled=_StopFile(run_dir / STOP))
    except Cancelled:
        return _stopped_early(run_dir, log)
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
    log.tell("phase", "Loading the model", phase="model")
    with slot.lease(f"the run {run_dir.name}", wait=True):  # a reply that is being written is let finish
        loaded = slot.load(config.model, progress=_phases(log))
        try:
            trainer, record = build(config, run_dir, slot, staged=staged, log=log)
        except StopRequested:
            return _stopped_early(run_dir, log)
        _write_started(log, config, run_dir, staged=staged, trainer=trainer, loaded=loaded)
        with threads_for(loaded.parameters, "cpu" if loaded.device == "cpu" else "cuda"):
            metrics = _train(trainer, record, began=began)
        with without_expected(None if config.adapter is None else type(config.adapter)):
            saved = _save(trainer.model, staged, run_dir, beside=beside, dtype=loaded.dtype)
        steps = int(trainer.state.global_step)
        del trainer
        if config.method.chats:
            try:
                slot.attach(run_dir.name, saved)
            except StudioError as error:  # what was learned is on the disk: Chat will say it again
                log.tell("warning", error.template, error.details)
    status: Literal["finished", "stopped"] = "stopped" if record.stopping else "finished"
    log.tell(
        status,
        *_last_words(status, steps, best=metrics.get("best_step")),
        step=steps,
        metrics=metrics,
        seconds=round(time.monotonic() - began, 2),
        adapter=beside,
    )
    return Outcome(run_id=run_dir.name, status=status, steps=steps, metrics=metrics)


def _stopped_early(run_dir: Path, log: EventLog) -> Outcome:
    log.tell("stopped", "Stopped while the data was read: nothing was learned, and nothing is saved.", step=0)
    return Outcome(run_id=run_dir.name, status="stopped", steps=0)


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
        versions={name: version(name) for name in RECORDED} | {"python": platform.python_version()},
    )


def _train(trainer: Trainer, record: RecordCallback, *, began: float) -> dict[str, Any]:
    """Train to the end or to the stop; returns the last figures."""
    from studio.training.callback import StopRequested

    metrics: dict[str, Any] = {"setup_seconds": round(time.monotonic() - began, 2)}
    try:
        output = trainer.train()
        metrics.update(train_loss=output.metrics.get("train_loss"), train_seconds=output.metrics.get("train_runtime"))
    except StopRequested:
        record.stopping = True
    for entry in trainer.state.log_history:
        metrics.update({name: value for name, value in entry.items() if is_figure(name)})
    if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint:
        metrics.update(best_step=trainer.state.best_global_step, best_metric=trainer.state.best_metric)
    return {name: value for name, value in metrics.items() if value is not None}


def _save(model: PreTrainedModel, staged: Stage, run_dir: Path, *, beside: bool, dtype: str) -> Path:
    """The trained weights and the tokenizer, staged beside their place and renamed into it.

    A model's own weights go back to the type they were loaded in; an adapter keeps its float32.
    """
    import torch

    target = run_dir / (ADAPTER if beside else MODEL)
    made, initial = run_dir / f".{target.name}-new", run_dir / INITIAL
    shutil.rmtree(made, ignore_errors=True)
    if beside:
        # Rows of new tokens are the adapter's own; PEFT would look the base up to save its whole embedding as well.
        options: dict[str, Any] = {"save_embedding_layers": False, "selected_adapters": ["default"]}
        if initial.is_dir():
            options["path_initial_model_for_weight_conversion"] = str(initial)
        model.save_pretrained(str(made), **options)
        shutil.rmtree(initial, ignore_errors=True)
    else:
        back_to(model, getattr(torch, dtype)).save_pretrained(str(made))
    staged.tokenizer.save_pretrained(str(made))
    if target.exists():
        shutil.rmtree(target)
    made.rename(target)
    return target


def _last_words(status: str, steps: int, *, best: int | None) -> tuple[str, dict[str, Any]]:
    if best is not None:
        if status == "finished":
            return "Finished after {steps} steps. Saved are the best weights, those of step {best}.", {
                "steps": steps,
                "best": best,
            }
        return "Stopped after step {steps}. Saved are the best weights until then, those of step {best}.", {
            "steps": steps,
            "best": best,
        }
    if status == "finished":
        return "Finished after {steps} steps. What was learned is saved.", {"steps": steps}
    if steps == 0:
        return "Stopped before the first step: the weights are saved, but nothing was learned.", {}
    return "Stopped after step {steps}. What was learned until then is saved and usable.", {"steps": steps}


def _phases(log: EventLog) -> Any:
    """Progress of a download as phase events, at most one a second."""
    last = [0.0]

    def tell(sentence: str, fraction: float | None) -> None:
        if time.monotonic() - last[0] >= 1:
            last[0] = time.monotonic()
            log.write("phase", phase="fetch", message=sentence, fraction=fraction)

    return tell


def request_stop(run_dir: Path) -> None:
    """Ask a run, in whatever process, to stop after its micro-batch."""
    (run_dir / STOP).touch()
