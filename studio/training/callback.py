"""Writes what a trainer does into the run's event log and obeys the stop file. Knows nothing of Gradio."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback  # noqa: TID253 - this module is imported only where training starts

from studio.errors import RunFailed
from studio.runs.events import EventLog
from studio.runs.store import STOP, is_figure
from studio.training.clock import WorkClock
from studio.training.failure import run_dir_gone

if TYPE_CHECKING:
    from torch import nn
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from studio.training.keeper import Keeper

USUAL = 20  # logs whose median is the usual loss
REMEMBERED = 50  # logs that the trainer keeps
GLANCE = 0.1  # seconds between two looks for a stop inside a step
_BOOKKEEPING = {"total_flos", "train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss"}


class StopRequested(Exception):
    """Leaves a step or an evaluation at once when a stop was asked for. Caught in `train`."""


class Diverged(RunFailed):
    """What is trained, or its loss, is no longer to be used from this step on."""


class RecordCallback(TrainerCallback):
    """Every log and evaluation becomes an event. Loss that is no number ends the run."""

    keeper: Keeper  # given once there is one

    def __init__(
        self, log: EventLog, run_dir: Path, *, device: str, rests: bool = False, spike_factor: float | None = None
    ) -> None:
        """`rests` says that a step without any gradient can be right; a loss of `spike_factor` times the usual one
        ends the run."""
        self._log = log
        self._stop = run_dir / STOP
        self._run_dir = run_dir
        self._device = device
        self._rests = rests
        self._spike_factor = spike_factor
        self._usual: deque[float] = deque(maxlen=USUAL)
        self._clock = WorkClock()
        self._began: float | None = None  # on that clock, as the marks
        self._before = 0.0  # seconds that were trained before this process
        self._first = 0  # the step it began at
        self._mark = (0.0, 0.0)  # (seconds, tokens) at the previous log
        self._looked = 0.0
        self.figures: dict[str, Any] = {}  # the last of each
        self.stopping = False

    def elapsed(self) -> float:
        """Seconds trained, with those before the run was resumed."""
        return self._before + (self._clock.beat() - self._began if self._began is not None else 0.0)

    def go_on(self, *, step: int, elapsed: float, figures: dict[str, Any]) -> None:
        """The run was trained before: for so long, to this step."""
        self._before, self._first, self.figures = elapsed, step, dict(figures)

    def _obey(self, control: TrainerControl) -> None:
        self._check_place()
        if _anybody(self._stop.exists()):
            self.stopping = True
            control.should_training_stop = True
            control.should_evaluate = control.should_save = False

    def heed(self) -> None:
        """Leave at once where a stop was asked for."""
        self._check_place()
        if self._stop.exists():
            self.stopping = True
            raise StopRequested

    def glance(self) -> None:
        """`heed`, for places that are passed many times a second."""
        now = time.monotonic()
        if now - self._looked > GLANCE:
            self._looked = now
            self.heed()

    def _check_place(self) -> None:
        """Without its folder a run would go on for nobody: no stop would reach it, and nothing could be saved."""
        self._clock.beat()
        if not self._run_dir.is_dir():
            raise run_dir_gone(self._run_dir)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = self._clock.beat()
        self._mark = (self._began, float(self.figures.get("num_tokens", 0)))
        self._obey(control)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.keeper.optimizer_steps()

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.keeper.micro_batch_ends()
        if args.world_size == 1:
            self._obey(control)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, *, model: nn.Module, **kwargs: Any) -> None:
        """A step that teaches nothing ends the run. Sharded gradients are not all here to be looked at."""
        if getattr(args, "deepspeed", None) or getattr(args, "fsdp", None):
            return
        found = [one.grad for one in model.parameters() if one.requires_grad and one.grad is not None]
        if not found:
            raise RunFailed(
                "Nothing is learned: no gradient reaches what is trained at step {step}. "
                "Choose other target modules, or turn training.gradient_checkpointing off.",
                step=state.global_step + 1,
            )
        if not self._rests and not any(bool(one.any()) for one in found):  # the first or second is not zero
            raise RunFailed(
                "Nothing is learned: every gradient is zero at step {step}. Load the model without quantization, "
                "or choose other target modules.",
                step=state.global_step + 1,
            )

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        wanted = args.metric_for_best_model
        if wanted and metrics and wanted.removeprefix("eval_") not in _names(metrics):
            raise RunFailed(
                "training.metric_for_best_model is {value}, and the evaluation has no such figure; there are: {names}.",
                value=wanted,
                names=", ".join(_names(metrics)),
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        last = state.global_step >= state.max_steps or float(state.epoch).is_integer()  # the end of an epoch follows
        control.should_save |= self.keeper.due(state.global_step, epoch_ends=False, evaluates=last)
        self._obey(control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_save |= self.keeper.due(state.global_step, epoch_ends=True)
        self._obey(control)

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if args.world_size == 1:
            self.heed()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        del state.log_history[:-REMEMBERED]  # a run may log a million steps, and its events are on the disk
        figures = {name: value for name, value in (logs or {}).items() if name not in _BOOKKEEPING}
        self.figures.update({name: value for name, value in figures.items() if is_figure(name) or name == "num_tokens"})
        if any(name.startswith("eval_") for name in figures):
            self._log.write("evaluated", state.global_step, **figures)
            return
        if "loss" not in figures:
            return
        self._log.write("log", state.global_step, **figures, **self._pace(state, figures))
        self._check(state.global_step, figures)

    def _pace(self, state: TrainerState, figures: dict[str, Any]) -> dict[str, Any]:
        """Tokens a second since the last log, seconds left, memory of the process or the GPU in bytes."""
        now, tokens = self._clock.beat(), float(figures.get("num_tokens", 0))
        seconds, before = self._mark
        self._mark = (now, tokens)
        rate = (tokens - before) / max(now - seconds, 1e-6)
        done = max(state.global_step - self._first, 1)
        left = (now - (self._began or now)) / done * max(state.max_steps - state.global_step, 0)
        return {
            "tokens_per_second": round(rate, 1),
            "eta_seconds": round(left, 1),
            "memory_bytes": memory_in_use(self._device),
            "elapsed_seconds": round(self.elapsed(), 3),
        }

    def _check(self, step: int, figures: dict[str, Any]) -> None:
        loss = figures["loss"]
        if loss != loss or loss in (float("inf"), float("-inf")):
            raise Diverged(
                "The loss is no longer a number at step {step}. Lower training.learning_rate, "
                "or load the model in float32 or bfloat16.",
                step=step,
            )
        usual = sorted(self._usual)[len(self._usual) // 2] if len(self._usual) == USUAL else None
        if self._spike_factor is not None and usual is not None and loss > self._spike_factor * max(usual, 1e-6):
            raise Diverged(
                "The loss is {loss} at step {step}, {times} times what was usual before (training.spike_factor is "
                "{factor}). Lower training.learning_rate, look at the rows of this step, or set "
                "training.on_divergence: go_back.",
                loss=f"{loss:.4g}",
                step=step,
                times=f"{loss / max(usual, 1e-6):.1f}",
                factor=self._spike_factor,
            )
        self._usual.append(float(loss))


def _anybody(wish: bool) -> bool:
    """The first process's view of it, so that all of a distributed run leave at the same step."""
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return wish
    told = [wish]
    torch.distributed.broadcast_object_list(told, src=0)
    return told[0]


def _names(metrics: dict[str, Any]) -> list[str]:
    """An evaluation's figures as `metric_for_best_model` takes them, without those of speed."""
    names = [name.removeprefix("eval_") for name in metrics if name.startswith("eval_")]
    return [name for name in names if not name.endswith(("runtime", "per_second"))]


def memory_in_use(device: str) -> int:
    """Bytes: the GPU's peak for this process, else the process's resident memory."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated())
    import psutil

    return int(psutil.Process().memory_info().rss)
