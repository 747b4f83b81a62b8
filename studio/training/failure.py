"""What a run that failed leaves: a sentence for whatever went wrong, and its memory and half-made files given back.

Trains nothing and writes no event.
"""

from __future__ import annotations

import errno
import gc
import shutil
import sys
import traceback
from pathlib import Path

from studio.errors import RunFailed, StudioError
from studio.runs.spare import is_full
from studio.runs.store import ADAPTER, MODEL

# What libraries say in words where memory runs out: torch on a CPU, CUDA, cuBLAS, Metal, the system.
MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory", "alloc_failed")
UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


def explain(error: BaseException, *, run_dir: Path | None = None) -> StudioError:
    """The sentence for an error that is not ours: memory, disk, a lost file, anything else by its name."""
    if isinstance(error, StudioError):
        return error
    text = str(error).strip().splitlines()[0] if str(error).strip() else ""
    if run_dir is not None and not run_dir.is_dir():
        return run_dir_gone(run_dir)
    if _is_memory(error):
        return RunFailed(
            "Out of memory. Lower training.per_device_train_batch_size (raise gradient_accumulation_steps to keep "
            "the effective batch), lower max_length, or turn on gradient_checkpointing."
        )
    if is_full(error):
        return RunFailed(
            "The disk is full. Free some space and let the run go on, or start it again in another workspace."
        )
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return RunFailed(
            "{file} cannot be used ({reason}). Give this user the right to read and write it, or choose another "
            "workspace, then start the run again.",
            file=error.filename or run_dir or "The workspace",
            reason=error.strerror,
        )
    if isinstance(error, FileNotFoundError) and error.filename:
        return RunFailed(
            "{file} is gone, and the run needs it. Put it back, then start the run again.", file=error.filename
        )
    return RunFailed("The run failed: {kind}: {text}", kind=type(error).__name__, text=text[:300])


def run_dir_gone(run_dir: Path) -> RunFailed:
    """The end of a run that has no place left for what it learns."""
    return RunFailed(
        "The folder of the run {run} was deleted or moved while it trained, so nothing of it can be kept. "
        "Start the run again.",
        run=run_dir.name,
    )


def give_back(error: BaseException, run_dir: Path) -> None:
    """Let go of the trainer that the error still holds by its traceback, and of what was half saved."""
    for name in (ADAPTER, MODEL):
        shutil.rmtree(run_dir / f".{name}-new", ignore_errors=True)
    told: BaseException | None = error
    while told is not None:
        traceback.clear_frames(told.__traceback__)
        told = told.__cause__ or told.__context__
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(part in str(error).lower() for part in MEMORY)
