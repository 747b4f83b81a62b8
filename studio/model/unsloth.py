"""Loader and adapter of the package Unsloth in place of transformers' and PEFT's own: its one seam.

Only on a CUDA GPU, and only where the package is installed; never imported otherwise.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model import hardware

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel

PACKAGE = "unsloth"


def check_unsloth(device: hardware.Device | None = None) -> None:
    """A sentence where Unsloth cannot be used here."""
    if (device or hardware.detect()).kind != "cuda":
        raise ModelError("model.use_unsloth needs an NVIDIA GPU, and none is here. Turn it off.")
    if importlib.util.find_spec(PACKAGE) is None:
        raise ModelError(
            "model.use_unsloth needs the package unsloth, which is not installed. Install it into an environment whose "
            "versions it takes (it asks for older ones of trl and transformers than Tunefork's), or turn it off."
        )


def _fast_model() -> Any:
    check_unsloth()
    try:
        return importlib.import_module(PACKAGE).FastLanguageModel
    except Exception as error:
        raise ModelError(
            "The package unsloth cannot be imported ({kind}: {problem}). Its versions of trl and transformers may not "
            "be those installed. Turn model.use_unsloth off.",
            kind=type(error).__name__,
            problem=str(error).splitlines()[0][:200] if str(error) else "no reason given",
        ) from error


def load_fast(folder: Path, config: ModelConfig, *, dtype: str, length: int | None) -> PreTrainedModel:
    """The base model as Unsloth loads and patches it. `length` is the longest sequence, None for the model's own."""
    import torch

    model, _ = _fast_model().from_pretrained(
        model_name=str(folder),
        max_seq_length=length,
        dtype=getattr(torch, dtype),
        load_in_4bit=config.quantization == "4-bit",
        load_in_8bit=config.quantization == "8-bit",
        local_files_only=True,
    )
    found: PreTrainedModel = model
    return found


def with_fast_adapter(model: PreTrainedModel, config: PeftConfig, *, seed: int, checkpointing: bool) -> PeftModel:
    """A LoRA of this config on the model, with Unsloth's kernels."""
    taken = ("r", "lora_alpha", "lora_dropout", "bias", "use_rslora", "modules_to_save")
    made: PeftModel = _fast_model().get_peft_model(
        model,
        **{name: getattr(config, name) for name in taken},
        target_modules=sorted(getattr(config, "target_modules", None) or ()),
        use_gradient_checkpointing="unsloth" if checkpointing else False,
        random_state=seed,
    )
    return made
