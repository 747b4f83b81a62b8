"""Writes the checkpoints of a run and brings a trainer back to one, to the bit. Knows nothing of Gradio.

A checkpoint is the state between two steps: what is trained, the optimizer, the schedule, every random generator, the
place in the data, and what the trainer has summed up for its next log. That state is noted after each step (weights and
optimizer stay as they are until the next one ends), so a run that is stopped inside a long step, or inside an
evaluation, still leaves one of its last whole step.
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio import __version__
from studio.config import RunConfig
from studio.data.prepare import Prepared
from studio.runs.checkpoint import Checkpoint, rotate, write
from studio.runs.events import EventLog
from studio.runs.stopping import asked_to_stop
from studio.training.random_state import loader_state, random_state
from studio.training.saving import save_adapter
from studio.training.state_file import save_state

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import Trainer

    from studio.training.callback import RecordCallback

RECORDED = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
MOST_COST = 0.02  # share of the training time that checkpoints may take; beyond it their interval stretches
SUMS = ("_metrics", "_stored_metrics")  # what TRL's trainers gather for their next log: mode -> name -> values
KEPT = ("_total_train_tokens", "_seen", "_step", "_buffered_inputs")  # what else of them goes on from step to step
TRAINED, STATE = "trained", "trainer_state.json"


class Keeper:
    """Decides when a checkpoint is due, and writes it."""

    def __init__(
        self, config: RunConfig, run_dir: Path, *, log: EventLog, record: RecordCallback, facts: dict[str, Any],
        initial: Path,
    ) -> None:  # fmt: skip
        """`facts` go into each manifest; `initial` is the folder of what an adapter began with, where there is one."""
        self._training, self._adapter = config.training, config.adapter
        self._run_dir, self._log, self._record, self._facts = run_dir, log, record, facts
        self._initial = initial
        self._noted: dict[str, Any] | None = None
        self._between = True  # no optimizer step since the last note
        self._inside = False  # some micro-batches of a step are done
        self._saved: int | None = None  # the step of the last checkpoint of this process
        self._saved_at = time.monotonic()
        self._last_cost, self._wanted = 0.0, False
        self.asked = False  # the last answer of `due`
        self.evaluated: int | None = None  # the last step that was evaluated
        self.epoch_random: dict[str, Any] | None = None
        self.spent = 0.0

    def due(self, step: int, *, epoch_ends: bool, evaluates: bool = False) -> bool:
        """Whether to write one now: by steps, epochs or minutes, as long as they cost little. Not where an epoch's end
        `evaluates` this very step next: the one written after that has its figures behind it."""
        training, now = self._training, time.monotonic()
        if training.save_strategy == "no":
            return False
        by_steps = training.save_strategy == "steps" and step % training.save_steps == 0 and self._saved != step
        by_time = training.save_minutes is not None and now - self._saved_at >= 60 * training.save_minutes
        self._wanted |= by_steps or by_time or (training.save_strategy == "epoch" and epoch_ends)
        affordable = self.spent + self._last_cost <= MOST_COST * self._record.elapsed()
        self.asked = self._wanted and not evaluates and (self.spent == 0 or affordable)
        return self.asked

    def begin_epoch(self, loader: Any) -> None:
        """Note the generators that draw the order of this epoch's rows."""
        self.epoch_random = {"random": random_state(), "loader": loader_state(loader)}

    def go_on(self, told: dict[str, Any], *, step: int) -> None:
        """The run was trained before, as a checkpoint tells."""
        self.spent = float(told["spent"])
        self._saved = step
        self._record.go_on(step=step, elapsed=float(told["elapsed"]), figures=told["figures"])

    def micro_batch_ends(self) -> None:
        """Part of the next step is summed up already: what is noted stays that of the last whole one."""
        self._inside = True

    def optimizer_steps(self) -> None:
        self._between = self._inside = False

    def note(self, trainer: Any) -> None:
        """Remember everything that the next step will change besides weights and optimizer."""
        if self._inside:
            return
        self._between = True
        sums = {name: _plain(getattr(trainer, name)) for name in SUMS if hasattr(trainer, name)}
        self._noted = {
            "step": int(trainer.state.global_step),
            "random": random_state(),
            "trainer": {
                "tr_loss": trainer._tr_loss.detach().clone(),
                "logged": trainer._globalstep_last_logged,
                "total_loss": trainer._total_loss_scalar,
                "sums": sums,
                "kept": {name: getattr(trainer, name) for name in KEPT if hasattr(trainer, name)},
                "patience": [one.early_stopping_patience_counter for one in patient(trainer)],
                "evaluation_due": self._evaluation_due(trainer),
                "elapsed": self._record.elapsed(),
                "figures": dict(self._record.figures),
                "spent": self.spent,
            },
            "state": {name: getattr(trainer.state, name) for name in ("num_input_tokens_seen", "total_flos", "epoch")},
        }

    def _evaluation_due(self, trainer: Any) -> bool:
        """Whether this step is still to be evaluated, as a run that is killed here has to do first."""
        args, state = trainer.args, trainer.state
        if args.eval_strategy == "no" or self.evaluated == state.global_step or state.global_step == 0:
            return False
        if state.global_step >= state.max_steps:
            return True
        if args.eval_strategy == "steps":
            return bool(state.global_step % state.eval_steps == 0)
        return abs(float(state.epoch) - round(state.epoch)) < 1e-9

    def finish(self, trainer: Any) -> Checkpoint | None:
        """At the end of training, or at a stop: as `final`, unless the run is not to leave any."""
        kind = asked_to_stop(self._run_dir)
        if kind == "abandon" or (self._training.save_strategy == "no" and kind != "pause"):
            return None
        return self.final(trainer)

    def final(self, trainer: Trainer) -> Checkpoint | None:
        """The checkpoint of the last whole step, where there is none yet. None before the first step."""
        noted = self._noted
        if noted is None or not self._between or self._saved == noted["step"]:
            return None
        return self.save(trainer)

    def save(self, trainer: Any) -> Checkpoint | None:
        """Write the noted state; every process of a distributed run calls this."""
        noted, began = self._noted, time.monotonic()
        if noted is None:
            return None
        if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
            if self._saved is None:
                self._log.tell("warning", "Under FSDP and DeepSpeed no checkpoints are written: the run cannot go on.")
            self._saved = noted["step"]
            return None
        randoms = _of_every_process(trainer, {"step": noted["random"], "epoch": self.epoch_random})
        made = None
        if trainer.args.should_save:
            facts = self._told(trainer)
            made = write(self._run_dir, noted["step"], lambda made: self._fill(made, trainer, randoms), facts=facts)
            best = {trainer.state.best_global_step} if trainer.args.load_best_model_at_end else set()
            rotate(self._run_dir, keep=self._training.save_total_limit, also={noted["step"], *best} - {None})
        self._saved, self._saved_at, self._wanted = noted["step"], time.monotonic(), False
        self._last_cost = time.monotonic() - began
        self.spent += self._last_cost
        if made is not None:
            self._tell(made)
        return made

    def _tell(self, made: Checkpoint) -> None:
        elapsed = max(self._record.elapsed(), 1e-6)
        self._log.tell(
            "checkpoint",
            "Checkpoint of step {step}: {size} MB in {seconds} s; checkpoints took {share}% of the time so far.",
            {
                "step": made.step,
                "size": f"{made.bytes / 1e6:.1f}",
                "seconds": f"{self._last_cost:.2f}",
                "share": f"{100 * self.spent / elapsed:.1f}",
            },
            step=made.step,
            path=made.name,
            bytes=made.bytes,
            seconds=round(self._last_cost, 3),
            share=round(self.spent / elapsed, 4),
        )

    def _told(self, trainer: Any) -> dict[str, Any]:
        noted = self._noted or {}
        return {
            **self._facts,
            "epoch": noted["state"]["epoch"],
            "figures": noted["trainer"]["figures"],
            "total_steps": trainer.state.max_steps,
            "processes": trainer.args.world_size,
            "schedule": type(trainer.lr_scheduler).__name__,
        }

    def _fill(self, folder: Path, trainer: Any, randoms: list[dict[str, Any]]) -> None:
        from safetensors.torch import save_file

        noted = self._noted or {}
        model = trainer.accelerator.unwrap_model(trainer.model)
        save_file(dict(trained(model)), folder / f"{TRAINED}.safetensors")
        save_state(folder, "optimizer", trainer.optimizer.state_dict())
        save_state(folder, "schedule", trainer.lr_scheduler.state_dict())
        if trainer.accelerator.scaler is not None:
            save_state(folder, "scaler", trainer.accelerator.scaler.state_dict())
        save_state(folder, "random", randoms)
        kept = None if self._adapter is None else self._adapter.kept(model)
        save_state(folder, "trainer", {**noted["trainer"], "adapter": kept})
        state = dataclasses.replace(trainer.state, log_history=[], stateful_callbacks={}, **noted["state"])
        state.save_to_json(str(folder / STATE))
        if self._adapter is not None and self._adapter.beside:
            save_adapter(model, folder / "adapter", initial=self._initial)


def facts_of(config: RunConfig, prepared: Prepared) -> dict[str, Any]:
    """What a checkpoint's manifest says of the run: settings, rows, versions."""
    return {
        "tunefork": __version__,
        "versions": versions(),
        "settings": config.model_dump(mode="json"),
        "data": data_identity(prepared),
        "supervised": prepared.supervised,
        "tokens": prepared.total,
    }


def data_identity(prepared: Prepared) -> list[str]:
    """The content of every source of a run, by hash."""
    return [str(one.table.identity) for one in prepared.corpus.parts]


def versions() -> dict[str, str]:
    """The libraries that decide on a run's numbers."""
    return {name: version(name) for name in RECORDED} | {"python": platform.python_version()}


def trained(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Name and values of everything that is trained; a sentence where one is no number any more."""
    import torch

    from studio.training.callback import Diverged

    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            value = parameter.detach()
            if not bool(torch.isfinite(value).all()):
                raise Diverged(
                    "What is trained is no longer a number in {name}. Lower training.learning_rate, "
                    "or load the model in float32 or bfloat16.",
                    name=name,
                )
            yield name, value.cpu().contiguous()


def _plain(sums: dict[str, Any]) -> dict[str, Any]:
    """Copied: the trainer goes on to fill its own lists."""
    return {mode: {name: list(values) for name, values in one.items()} for mode, one in sums.items()}


def patient(trainer: Any) -> list[Any]:
    """The callbacks that end a run whose evaluations no longer get better."""
    from transformers import EarlyStoppingCallback

    return [one for one in trainer.callback_handler.callbacks if isinstance(one, EarlyStoppingCallback)]


def _of_every_process(trainer: Any, value: dict[str, Any]) -> list[dict[str, Any]]:
    if trainer.args.world_size == 1:
        return [value]
    from accelerate.utils import gather_object

    found: list[dict[str, Any]] = gather_object([value])
    return found
