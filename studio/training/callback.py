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
    from transformers import TrainerControl, TrainerState, TrainingArguments

_BOOKKEEPING = {"total_flos", "train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss"}


class StopRequested(Exception):
    """Leaves an evaluation at once when a stop was asked for. Caught in `train`."""


class RecordCallback(TrainerCallback):
    """Every log, evaluation and checkpoint becomes an event. Loss that is no number ends the run."""

    def __init__(self, log: EventLog, run_dir: Path, *, device: str) -> None:
        self._log = log
        self._stop = run_dir / STOP
        self._run_dir = run_dir
        self._device = device
        self._began = 0.0
        self._mark = (0.0, 0.0)  # (seconds, tokens) at the previous log
        self.stopping = False

    def _obey(self, control: TrainerControl) -> None:
        if self._stop.exists():
            self.stopping = True
            control.should_training_stop = True
            control.should_evaluate = control.should_save = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.monotonic()
        self._mark = (self._began, 0.0)
        self._obey(control)

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._obey(control)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._obey(control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._obey(control)

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._stop.exists():
            self.stopping = True
            raise StopRequested

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
        loss, norm = figures["loss"], figures.get("grad_norm")
        if loss != loss or loss in (float("inf"), float("-inf")):
            raise RunFailed(
                "The loss is no longer a number at step {step}. Lower training.learning_rate, "
                "or load the model in float32 or bfloat16.",
                step=step,
            )
        if norm is not None and norm == 0 and figures.get("learning_rate") and loss > 0:
            raise RunFailed(
                "Nothing is learned: every gradient is zero at step {step}. Load the model without quantization, "
                "or choose other target modules.",
                step=step,
            )


def memory_in_use(device: str) -> int:
    """Bytes: the GPU's peak for this process, else the process's resident memory."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated())
    import psutil

    return int(psutil.Process().memory_info().rss)
