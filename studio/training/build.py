"""A run's trainer: the method's own, over a model tree that is the run's alone. Trains nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from studio.config import RunConfig
from studio.errors import RunFailed
from studio.methods.base import Parts
from studio.model.adapter import peft_config
from studio.model.reference import load_reference
from studio.model.slot import ModelSlot
from studio.runs.events import EventLog
from studio.runs.store import CHECKPOINTS
from studio.training.arguments import trainer_arguments
from studio.training.stage import Stage

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback

    from studio.training.callback import RecordCallback


def build(
    config: RunConfig, run_dir: Path, slot: ModelSlot, *, staged: Stage, log: EventLog
) -> tuple[Trainer, RecordCallback]:
    """A trainer over a fresh skeleton that shares the slot's weights (or over a copy, to train them all)."""
    from studio.training.callback import RecordCallback

    loaded = slot.loaded
    if loaded is None:
        raise RunFailed("The model was unloaded before training began. Start the run again.")
    record = RecordCallback(log, run_dir, device=loaded.device, rests=config.method.rests)
    model = slot.trainee(copy=config.adapter is None)
    prepared = staged.prepared
    reference = load_reference(config, slot.settings, base=loaded)
    if getattr(config.method, "precompute_ref_log_probs", False):
        log.tell("phase", "Reading the rows with the reference model", phase="reference")
    parts = Parts(
        model=model,
        tokenizer=staged.tokenizer,
        train=prepared.train,
        eval=prepared.eval,
        peft_config=peft_config(config.adapter, model) if config.adapter is not None else None,
        arguments=trainer_arguments(
            config, device=loaded.device, dtype=loaded.dtype, has_eval=prepared.eval is not None
        ),
        output_dir=run_dir / CHECKPOINTS,
        device=loaded.device,
        callbacks=(record, *_early_stop(config)),
        reference=reference,
    )
    trainer = config.method.build_trainer(parts)
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)  # it prints every log to stdout, which carries JSON here
    return trainer, record


def _early_stop(config: RunConfig) -> Iterator[TrainerCallback]:
    """What ends a run whose evaluations no longer get better."""
    training = config.training
    if training.early_stopping_patience is not None:
        from transformers import EarlyStoppingCallback

        yield EarlyStoppingCallback(training.early_stopping_patience, training.early_stopping_threshold)
