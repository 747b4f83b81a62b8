"""A trainer that goes on from a checkpoint as if it had never stopped. Knows nothing of when they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import RunConfig
from studio.errors import RunFailed, WorkspaceError
from studio.runs.checkpoint import Checkpoint, read, verify
from studio.training.keeper import SUMS, TRAINED, Keeper, patient
from studio.training.random_state import loader_state, random_state, set_loader_state, set_random_state
from studio.training.state_file import load_state, load_tensors

if TYPE_CHECKING:
    from torch import nn
    from transformers import Trainer

    from studio.adapters import Adapter

# Settings that may be others when a run goes on: they change neither rows nor shapes nor what the optimizer keeps.
FREE = frozenset(
    f"training.{name}"
    for name in (
        "learning_rate", "num_train_epochs", "max_steps", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps",
        "weight_decay", "max_grad_norm", "logging_steps", "eval_strategy", "eval_steps", "per_device_eval_batch_size",
        "save_strategy", "save_steps", "save_minutes", "save_total_limit", "load_best_model_at_end",
        "metric_for_best_model", "early_stopping_patience", "early_stopping_threshold", "gradient_checkpointing",
        "on_divergence", "spike_factor",
    )
)  # fmt: skip
FREE_SECTIONS = ("name", "evaluation", "generation", "tracking")
ACCEPTABLE = ("optimizer", "data")  # what one may choose to go on without
SPARED = frozenset({"optimizer"})  # of these, those that are files of a checkpoint


@dataclass(frozen=True)
class Resume:
    """From where a run goes on. `despite` names what may be missing or other; `slower` scales the learning rate."""

    checkpoint: Checkpoint
    despite: frozenset[str] = frozenset()
    slower: float = 1.0
    changed: tuple[str, ...] = field(default=())


def settings_changed(checkpoint: Checkpoint, config: RunConfig) -> tuple[str, ...]:
    """The settings that are others than the checkpoint's; a sentence where one of them cannot be."""
    before = _flat(checkpoint.facts.get("settings") or {})
    now = _flat(config.model_dump(mode="json"))
    changed = tuple(key for key in sorted({*before, *now}) if before.get(key) != now.get(key))
    fixed = [key for key in changed if not _is_free(key, config)]
    if fixed:
        raise WorkspaceError(
            "A run goes on with the same rows, model and adapter; {keys} cannot change. Start a new run instead; "
            "adapter.adapter_name_or_path lets it begin with this one's adapter.",
            keys=", ".join(fixed),
        )
    return tuple(key for key in changed if key not in FREE_SECTIONS)


def check_content(resume: Resume, *, data: list[str], supervised: int, total: int) -> None:
    """The checkpoint's files by their hashes, and the rows it was made with against today's."""
    verify(resume.checkpoint, without=SPARED & resume.despite)
    facts = resume.checkpoint.facts
    same = facts.get("data") == data and (facts.get("supervised"), facts.get("tokens")) == (supervised, total)
    if not same and "data" not in resume.despite:
        raise WorkspaceError(
            "The data is no longer what the checkpoint of step {step} was trained on. Bring the files back, or go on "
            "with --despite data: the curve is another then.",
            step=resume.checkpoint.step,
        )


def other_versions(checkpoint: Checkpoint) -> str:
    """Libraries that are of another version than when the checkpoint was written: `torch 2.12 -> 2.13`."""
    before: Mapping[str, str] = checkpoint.facts.get("versions") or {}
    now = {name: version(name) for name in before if name != "python"}
    return ", ".join(f"{name} {before[name]} -> {one}" for name, one in now.items() if before[name] != one)


class Kept:
    """Mixed into a trainer's class: its checkpoints are the keeper's, and it goes on from them."""

    keeper: Keeper
    resume: Resume | None
    adapter_kind: Adapter | None
    loaded: dict[str, Any]
    _loader: Any = None
    _there = False  # whether everything is as the checkpoint has it

    def _evaluate(self, *given: Any, **named: Any) -> Any:
        self.keeper.note(self)
        metrics = super()._evaluate(*given, **named)  # type: ignore[misc]
        self.keeper.evaluated = self._now
        return metrics

    @property
    def _now(self) -> int:
        trainer: Any = self
        return int(trainer.state.global_step)

    def _maybe_log_save_evaluate(self, *given: Any, **named: Any) -> None:
        super()._maybe_log_save_evaluate(*given, **named)  # type: ignore[misc]
        self.keeper.note(self)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Where the best weights are wanted the trainer asks for this at each evaluation; the best so far is kept."""
        trainer: Any = self
        state = trainer.state
        if trainer.args.load_best_model_at_end and state.best_global_step != self._now and not self.keeper.asked:
            return
        if state.best_global_step:
            place = Path(trainer.args.output_dir) / f"checkpoint-{state.best_global_step}"
            if place.is_dir() or state.best_global_step == self._now:
                state.best_model_checkpoint = str(place)
        self.keeper.note(self)
        self.keeper.save(trainer)

    def _finalize_training(self, *given: Any, **named: Any) -> Any:
        if self.resume is not None and not self._there:  # the checkpoint was of the last step
            self._load_rng_state(None)
        self.keeper.finish(self)
        return super()._finalize_training(*given, **named)  # type: ignore[misc]

    def _run_epoch(self, *given: Any, **named: Any) -> Any:
        inside = named["resume_from_checkpoint"] and named["epoch"] == named["epochs_trained"]
        if inside and named["steps_trained_in_current_epoch"] > 0:
            noted = self._random()["epoch"]
            if noted is not None:
                set_random_state(noted["random"])
                set_loader_state(named["train_dataloader"], noted["loader"])
            self.keeper.epoch_random = noted
            _let_skipped_know_their_size()
        elif inside:
            self.keeper.epoch_random = None
            self._loader = named["train_dataloader"]
        else:
            self.keeper.begin_epoch(named["train_dataloader"])
        trainer: Any = self
        # A checkpoint of the last step: the trainer's loop would take one more before it looks.
        if inside and trainer.state.global_step >= trainer.state.max_steps:
            self._load_rng_state(named["resume_from_checkpoint"])
            trainer.control.should_training_stop = True
            return None
        return super()._run_epoch(*given, **named)  # type: ignore[misc]

    def _random(self) -> dict[str, Any]:
        """This process's generators as they were."""
        trainer: Any = self
        found: dict[str, Any] = self.loaded["random"][trainer.args.process_index]
        return found

    def _load_from_checkpoint(self, folder: str, model: Any = None) -> None:
        trainer: Any = self
        load_trained(trainer.accelerator.unwrap_model(trainer.model), Path(folder))
        parts = {name: load_state(Path(folder), name) for name in ("trainer", "random")}
        if len(parts["random"]) != trainer.args.world_size:
            raise RunFailed(
                "The checkpoint was written by {before} processes, and {now} are here. Start as many as before.",
                before=len(parts["random"]),
                now=trainer.args.world_size,
            )
        self.loaded = parts
        if self.resume is not None:
            self.keeper.go_on(parts["trainer"], step=self.resume.checkpoint.step)
        if self.adapter_kind is not None and parts["trainer"]["adapter"] is not None:
            self.adapter_kind.restore(trainer.accelerator.unwrap_model(trainer.model), parts["trainer"]["adapter"])

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or self.resume is None:
            return
        _load_optimizer(self, Path(checkpoint), self.resume)
        _straighten_state(self)

    def _load_scaler(self, checkpoint: str | None) -> None:
        trainer: Any = self
        if checkpoint is not None and (Path(checkpoint) / "scaler.json").is_file():
            trainer.accelerator.scaler.load_state_dict(load_state(Path(checkpoint), "scaler"))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """The trainer asks for this at the very place in its loop where the checkpoint was written."""
        trainer: Any = self
        noted = self.loaded["trainer"]
        set_random_state(self._random()["step"])
        trainer._tr_loss = noted["tr_loss"].to(trainer.args.device)
        trainer._globalstep_last_logged, trainer._total_loss_scalar = noted["logged"], noted["total_loss"]
        trainer._initial_global_step = 0  # the mean loss is that of all steps
        for name in SUMS:
            for mode, sums in noted["sums"].get(name, {}).items():
                there = getattr(trainer, name)[mode]
                there.clear()
                there.update(sums)
        for name, value in noted["kept"].items():
            setattr(trainer, name, value)
        for one, count in zip(patient(trainer), noted["patience"], strict=False):
            one.early_stopping_patience_counter = count
        self._there = True
        if noted["evaluation_due"]:
            self._make_up_for_evaluation()
        if self.keeper.epoch_random is None:
            self.keeper.epoch_random = {"random": random_state(), "loader": loader_state(self._loader)}
        self.keeper.note(self)

    def _make_up_for_evaluation(self) -> None:
        """The one that a stop left out at the checkpoint's step; the run may end by what it finds."""
        from studio.training.callback import StopRequested

        trainer: Any = self
        metrics = trainer._evaluate(None, None)
        trainer._determine_best_metric(metrics=metrics, trial=None)
        _straighten_state(self)
        if trainer.control.should_training_stop:
            self.keeper.note(self)
            raise StopRequested

    def _load_best_model(self) -> None:
        trainer: Any = self
        best = read(Path(trainer.state.best_model_checkpoint))
        verify(best)
        load_trained(trainer.accelerator.unwrap_model(trainer.model), best.path)


def kept(trainer: Trainer, keeper: Keeper, *, resume: Resume | None, adapter: Adapter | None) -> Trainer:
    """The same trainer, whatever its method, with checkpoints of ours."""
    kind = type(trainer)
    one: Any = trainer
    one.__class__ = type(kind.__name__, (Kept, kind), {})
    one.keeper, one.resume, one.adapter_kind, one.loaded = keeper, resume, adapter, {}
    return trainer


def load_trained(model: nn.Module, folder: Path) -> None:
    """Everything that is trained as the checkpoint has it; a sentence where it does not fit."""
    import torch

    values = load_tensors(folder / f"{TRAINED}.safetensors")
    there = {name: one for name, one in model.named_parameters() if one.requires_grad}
    fits = there.keys() == values.keys() and all(one.shape == values[name].shape for name, one in there.items())
    if not fits:
        raise WorkspaceError(
            "The checkpoint {folder} holds other weights than this run trains. Model and adapter have to be those it "
            "was written with.",
            folder=folder,
        )
    with torch.no_grad():
        for name, one in there.items():
            one.copy_(values[name])


def _load_optimizer(trainer: Any, folder: Path, resume: Resume) -> None:
    optimizer, schedule = trainer.optimizer, trainer.lr_scheduler
    fresh = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    if "optimizer" not in resume.despite:
        optimizer.load_state_dict(load_state(folder, "optimizer"))
    if resume.checkpoint.facts.get("schedule") != type(schedule).__name__:
        raise RunFailed("A run goes on with the kind of schedule it began with. Set training.lr_scheduler_type back.")
    schedule.load_state_dict(load_state(folder, "schedule"))
    if "optimizer" in resume.despite:
        for group, rate in zip(optimizer.param_groups, schedule.get_last_lr(), strict=True):
            group["lr"] = rate
    if not resume.changed and resume.slower == 1.0:
        return
    for at, (group, new) in enumerate(zip(optimizer.param_groups, fresh, strict=True)):
        rate, before = float(new.get("initial_lr", new["lr"])), float(group.get("initial_lr", group["lr"]))
        if "training.learning_rate" not in resume.changed:
            rate = before  # which may be lower than the file's, after the run went back
        rate *= resume.slower
        now = float(group["lr"]) * rate / before if before else rate
        group.update({key: value for key, value in new.items() if key != "lr"})
        if hasattr(schedule, "lr_lambdas"):
            schedule.base_lrs[at], group["initial_lr"] = rate, rate
            now = rate * schedule.lr_lambdas[at](schedule.last_epoch)
        group["lr"] = now
    schedule._last_lr = [group["lr"] for group in optimizer.param_groups]


def _let_skipped_know_their_size() -> None:
    """accelerate reckons a last batch's rows by its sampler's batch size, which the sampler it skips with lacks: the
    figures of an epoch's last step would be other means than in a run without a break."""
    from accelerate.data_loader import SkipBatchSampler

    for name in ("batch_size", "num_processes", "split_batches"):
        setattr(SkipBatchSampler, name, property(attrgetter(f"batch_sampler.{name}")))


def _straighten_state(trainer: Any) -> None:
    """What the loaded state says of intervals and places, as it is today."""
    state = trainer.state
    state.compute_steps(trainer.args, state.max_steps)
    if state.best_global_step:
        place = Path(trainer.args.output_dir) / f"checkpoint-{state.best_global_step}"
        state.best_model_checkpoint = str(place) if place.is_dir() else None


def _is_free(key: str, config: RunConfig) -> bool:
    if key in FREE or key.partition(".")[0] in FREE_SECTIONS:
        return True
    section, _, name = key.partition(".")
    return section == "method" and name != "type" and name not in config.method.shapes_tokens


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, one in value.items():
        if isinstance(one, Mapping) and prefix == "":
            found |= _flat(one, f"{key}.")
        else:
            found[f"{prefix}{key}"] = one
    return found
