"""Writes what a trainer does into the run's event log and obeys the stop file. Knows nothing of Gradio."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback  # noqa: TID253 - this module is imported only where training starts

from studio.errors import RunFailed
from studio.runs.events import EventLog
from studio.runs.store import STOP

if TYPE_CHECKING:
    from torch import nn
    from transformers import TrainerControl, TrainerState, TrainingArguments

_BOOKKEEPING = {"total_flos", "train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss"}


class StopRequested(Exception):
    """Leaves an evaluation at once when a stop was asked for. Caught in `train`."""


class RecordCallback(TrainerCallback):
    """Every log, evaluation and checkpoint becomes an event. Loss that is no number ends the run."""

    def __init__(self, log: EventLog, run_dir: Path, *, device: str, rests: bool = False) -> None:
        """`rests` says that a step without any gradient can be right."""
        self._log = log
        self._stop = run_dir / STOP
        self._run_dir = run_dir
        self._device = device
        self._rests = rests
        self._began = 0.0
        self._mark = (0.0, 0.0)  # (seconds, tokens) at the previous log
        self.stopping = False

    def _obey(self, control: TrainerControl) -> None:
        if self._stop.exists():
            self.stopping = True
            control.should_training_stop = True
            control.should_evaluate = control.should_save = False

    def heed(self) -> None:
        """Leave at once where a stop was asked for."""
        if self._stop.exists():
            self.stopping = True
            raise StopRequested

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.monotonic()
        self._mark = (self._began, 0.0)
        self._obey(control)

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
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
        self._obey(control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._obey(control)

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.heed()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        figures = {name: value for name, value in (logs or {}).items() if name not in _BOOKKEEPING}
        if any(name.startswith("eval_") for name in figures):
            self._log.write("evaluated", state.global_step, **figures)
            return
        if "loss" not in figures:
            return
        self._log.write("log", state.global_step, **figures, **self._pace(state, figures))
        self._check(state.global_step, figures)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        folder = f"checkpoints/checkpoint-{state.global_step}"
        self._log.write("checkpoint", state.global_step, path=folder)

    def _pace(self, state: TrainerState, figures: dict[str, Any]) -> dict[str, Any]:
        """Tokens a second since the last log, seconds left, memory of the process or the GPU in bytes."""
        now, tokens = time.monotonic(), float(figures.get("num_tokens", 0))
        seconds, before = self._mark
        self._mark = (now, tokens)
        rate = (tokens - before) / max(now - seconds, 1e-6)
        done = max(state.global_step, 1)
        left = (now - self._began) / done * max(state.max_steps - state.global_step, 0)
        return {
            "tokens_per_second": round(rate, 1),
            "eta_seconds": round(left, 1),
            "memory_bytes": memory_in_use(self._device),
            "elapsed_seconds": round(now - self._began, 3),
        }

    def _check(self, step: int, figures: dict[str, Any]) -> None:
        loss = figures["loss"]
        if loss != loss or loss in (float("inf"), float("-inf")):
            raise RunFailed(
                "The loss is no longer a number at step {step}. Lower training.learning_rate, "
                "or load the model in float32 or bfloat16.",
                step=step,
            )


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
