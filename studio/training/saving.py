"""What a run has learned, written as others read it: an adapter or all weights, and the tokenizer. Trains nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.model.precision import back_to
from studio.runs.disk import put_folder
from studio.runs.store import ADAPTER, MODEL

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def save_adapter(model: PreTrainedModel, folder: Path, *, initial: Path) -> None:
    """Safetensors as PEFT reads them. `initial` is what the adapter began with, where it changed the base."""
    # Rows of new tokens are the adapter's own; PEFT would look the base up to save its whole embedding as well.
    options: dict[str, Any] = {"save_embedding_layers": False, "selected_adapters": ["default"]}
    if initial.is_dir():
        options["path_initial_model_for_weight_conversion"] = str(initial)
    model.save_pretrained(str(folder), **options)


def save_trained(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    run_dir: Path,
    *,
    beside: bool,
    dtype: str,
    initial: Path,
) -> Path:
    """The trained weights and the tokenizer, staged beside their place and renamed into it.

    A model's own weights go back to the type they were loaded in; an adapter keeps its float32.
    """
    import torch

    target = run_dir / (ADAPTER if beside else MODEL)
    made = run_dir / f".{target.name}-new"
    shutil.rmtree(made, ignore_errors=True)
    if beside:
        save_adapter(model, made, initial=initial)
        shutil.rmtree(initial, ignore_errors=True)
    else:
        back_to(model, getattr(torch, dtype)).save_pretrained(str(made))
    tokenizer.save_pretrained(str(made))
    put_folder(made, target)
    return target
