"""What a run has learned, written as others read it: an adapter or all weights, and the tokenizer. Trains nothing."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.model.precision import back_to
from studio.runs.disk import put_folder
from studio.runs.store import ADAPTER, MODEL

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def save_adapter(model: PreTrainedModel, folder: Path, *, initial: Path) -> None:
    """Safetensors as PEFT reads them. `initial` is what the adapter began with, where it changed the base."""
    # Rows of new tokens are the adapter's own; PEFT would look the base up to save its whole embedding as well.
    options: dict[str, Any] = {"save_embedding_layers": False, "selected_adapters": ["default"]}
    model.save_pretrained(str(folder), **options)
    if initial.is_dir():
        _for_the_plain_base(folder, initial)


def _for_the_plain_base(folder: Path, initial: Path) -> None:
    """LoRA that took weights out of the base, as LoRA beside the whole base: what it began with is taken off again, so
    A and B have twice the rank at the same scaling. Whatever else is trained stays (PEFT's own conversion drops it).
    """
    import torch
    from safetensors.torch import load_file, save_file

    weights, first = load_file(folder / WEIGHTS), load_file(initial / WEIGHTS)
    for name, value in weights.items():
        if name.endswith("lora_A.weight"):
            weights[name] = torch.cat([value, first[name].to(value)], dim=0)
        elif name.endswith("lora_B.weight"):
            weights[name] = torch.cat([value, -first[name].to(value)], dim=1)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    wider = math.sqrt(2) if config.get("use_rslora") else 2
    config["r"], config["lora_alpha"] = 2 * config["r"], wider * config["lora_alpha"]
    for name, by in (("rank_pattern", 2), ("alpha_pattern", wider)):
        config[name] = {layer: by * value for layer, value in (config.get(name) or {}).items()}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


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
