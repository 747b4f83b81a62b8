"""A run's trainer: the method's own, over a model tree that is the run's alone. Trains nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from studio.adapters import Adapter, LoraAdapter
from studio.adapters.base import without_expected
from studio.adapters.freeze import FreezeAdapter
from studio.adapters.targets import linear_layers
from studio.config import RunConfig
from studio.errors import RunFailed
from studio.methods.base import Parts
from studio.model.adapter import moves_weights, peft_config, start_of
from studio.model.adapter_file import AdapterFile
from studio.model.first_values import batches_of, keep_first_biases, put_first_values, remember
from studio.model.precision import train_in_float32
from studio.model.reference import load_reference
from studio.model.slot import ModelSlot
from studio.model.unsloth import with_fast_adapter
from studio.runs.events import EventLog
from studio.runs.store import CHECKPOINTS
from studio.training.arguments import steps_of, trainer_arguments
from studio.training.interrupt import look_between_layers
from studio.training.judge import load_judge
from studio.training.keeper import Keeper, facts_of
from studio.training.optimizer import faster_b
from studio.training.plan import sequences_of
from studio.training.questions import questions
from studio.training.resume import Resume, kept
from studio.training.stage import Stage

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel, Trainer, TrainerCallback

    from studio.training.callback import RecordCallback

INITIAL = "initial_adapter"  # what an adapter began with that took weights out of the base


def build(
    config: RunConfig, run_dir: Path, slot: ModelSlot, *, staged: Stage, log: EventLog, resume: Resume | None = None
) -> tuple[Trainer, RecordCallback]:
    """A trainer over a fresh skeleton that shares the slot's weights (or over a copy, to train them all)."""
    from studio.training.callback import RecordCallback

    loaded = slot.loaded
    if loaded is None:
        raise RunFailed("The model was unloaded before training began. Start the run again.")
    adapter = config.adapter
    rests = config.method.rests or (adapter is not None and adapter.rests)
    record = RecordCallback(log, run_dir, device=loaded.device, rests=rests, spike_factor=config.training.spike_factor)
    record.keeper = Keeper(
        config, run_dir, log=log, record=record, facts=facts_of(config, staged.prepared), initial=run_dir / INITIAL
    )
    before = None if adapter is None else start_of(adapter, slot.settings)
    if getattr(config.method, "precompute_ref_log_probs", False):
        log.tell("phase", "Reading the rows with the reference model", phase="reference")
    model, adapted = _model(config, slot, staged=staged, before=before)
    parts = Parts(
        model=model,
        tokenizer=staged.tokenizer,
        train=staged.prepared.train,
        eval=staged.prepared.eval,
        peft_config=adapted,
        arguments=trainer_arguments(
            config, device=loaded.device, dtype=loaded.dtype, has_eval=staged.prepared.eval is not None
        ),
        output_dir=run_dir / CHECKPOINTS,
        device=loaded.device,
        callbacks=(record, *_early_stop(config), *(() if adapter is None else adapter.callbacks())),
        reference=load_reference(config, slot.settings, base=loaded),
        scorer=load_judge(config, slot),
    )
    with without_expected(None if adapter is None else type(adapter)):
        trainer = config.method.build_trainer(parts)
    from transformers import PrinterCallback

    from studio.training.samples import SampleCallback

    trainer.remove_callback(PrinterCallback)  # it prints every log to stdout, which carries JSON here
    if config.method.generates:
        trainer.add_callback(SampleCallback(log, lambda: config.method.samples(trainer)))
    if adapter is not None and adapter.beside:
        put_first_values(
            trainer.model, adapter, before=before, weights=Path(loaded.path), batches=batches_of(trainer),
            reference=config.method.has_reference,
        )  # fmt: skip
        remember(trainer.model, adapter, run_dir / INITIAL)
    train_in_float32(trainer.model)
    if adapter is not None and adapter.beside and config.method.has_reference:
        keep_first_biases(trainer.model)
    if isinstance(adapter, LoraAdapter) and adapter.loraplus_lr_ratio is not None:
        trainer.optimizer = faster_b(trainer, adapter.loraplus_lr_ratio)
    if trainer.args.world_size == 1:
        look_between_layers(trainer.model, record.glance)
    trainer = _examined(trainer, config, slot, staged=staged, log=log, record=record)
    return kept(trainer, record.keeper, resume=resume, adapter=adapter), record


def _examined(
    trainer: Trainer, config: RunConfig, slot: ModelSlot, *, staged: Stage, log: EventLog, record: RecordCallback
) -> Trainer:
    """The trainer, made to answer validation rows at its evaluations where the run asks for that."""
    asked = questions(config, staged.prepared, staged.tokenizer)
    if not asked.samples and not asked.scored:
        return trainer
    from studio.training.generative import Examiner, examined

    examiner = Examiner(asked, staged.tokenizer, config.evaluation, log=log, base=slot.base_model(), heed=record.heed)
    return examined(trainer, examiner)


def _trainee(adapter: Adapter | None, slot: ModelSlot) -> PreTrainedModel:
    """The module tree that is trained: frozen beside an adapter, else with parameters of its own."""
    if adapter is None:
        return slot.trainee(copy=True).float()  # half precision rounds small steps away
    if isinstance(adapter, FreezeAdapter):
        return slot.trainee(own=frozenset(adapter.trained(slot.base_model())))
    model = slot.trainee()
    if moves_weights(adapter):  # it is done in place
        for _, layer in linear_layers(model):
            layer.weight.data = layer.weight.data.clone()
    return model


def _model(
    config: RunConfig, slot: ModelSlot, *, staged: Stage, before: AdapterFile | None
) -> tuple[PreTrainedModel, PeftConfig | None]:
    """What is trained, and the adapter that a trainer has still to put on it."""
    adapter, training = config.adapter, config.training
    model = _trainee(adapter, slot)
    if adapter is None or not adapter.beside:
        return model, None
    steps = steps_of(training, sequences_of(config, staged.prepared))
    wanted = peft_config(adapter, model, total_steps=steps, before=before)
    if not config.model.use_unsloth:
        return model, wanted
    checkpointing = training.gradient_checkpointing
    return with_fast_adapter(model, wanted, seed=training.seed, checkpointing=checkpointing), None


def _early_stop(config: RunConfig) -> Iterator[TrainerCallback]:
    """What ends a run whose evaluations no longer get better."""
    training = config.training
    if training.early_stopping_patience is not None:
        from transformers import EarlyStoppingCallback

        yield EarlyStoppingCallback(training.early_stopping_patience, training.early_stopping_threshold)
