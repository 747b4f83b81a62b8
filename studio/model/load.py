"""ModelConfig -> LoadedModel, every file checked on the way. Knows nothing of adapters or training."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model import hardware
from studio.model.folder import check_safetensors, explained, weight_files
from studio.model.locate import needs_download, resolve
from studio.model.merge import with_merged
from studio.model.new_tokens import added_to, give_rows
from studio.model.progress import Progress, quiet, without_bars
from studio.model.shape import check_attention, count_parameters, shape_of_folder
from studio.model.tokenizer import check_ids, load_tokenizer, tokenizer_notes
from studio.model.unsloth import load_fast
from studio.settings import Settings

__all__ = [
    "LoadedModel",
    "Progress",
    "load_model",
    "load_tokenizer",
    "needs_download",
    "resolve",
    "tokenizer_notes",
]

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class LoadedModel:
    """A base model in memory. `parameters` counts tied weights once; `device` as torch names it."""

    config: ModelConfig
    path: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    dtype: str
    device: str
    parameters: int
    weight_bytes: int
    quantized: bool


def load_model(config: ModelConfig, settings: Settings, *, progress: Progress | None = None) -> LoadedModel:
    """Tokenizer and frozen weights in evaluation mode, or one sentence on why not."""
    name = config.model_name_or_path
    say = progress or quiet
    folder = Path(resolve(config, settings, progress=progress))
    files = weight_files(folder, name=name)
    shape = shape_of_folder(folder, name=name, trust_remote_code=settings.trust_remote_code)
    if config.attn_implementation:
        check_attention(config.attn_implementation, shape)
    tokenizer = load_tokenizer(config, settings, progress=progress)
    check_ids(tokenizer, shape.get_input_embeddings().num_embeddings, name=name)
    parameters = count_parameters(shape)
    device = hardware.target_device(config.device_map, hardware.detect())
    dtype = hardware.choose_dtype(config.dtype, device, stored_dtype(files), parameters=parameters)
    _fits(parameters, dtype, config=config, device=device)
    say(f"Loading {name} ({parameters / 1e6:.0f} M parameters).", None)
    if config.use_unsloth:
        model = load_fast(folder, config, dtype=dtype, length=None)
    else:
        model, info = _from_pretrained(folder, config, settings, dtype=dtype)
        _covers(info, name=name)
    if config.merged_adapters:
        model = with_merged(model, config.merged_adapters, settings)
    parameters += give_rows(model, added_to(tokenizer))
    _freeze(model)
    return LoadedModel(
        config=config,
        path=str(folder),
        model=model,
        tokenizer=tokenizer,
        dtype=dtype,
        device=str(model.device),
        parameters=parameters,
        weight_bytes=int(model.get_memory_footprint()),
        quantized=config.quantization != "none",
    )


def _from_pretrained(
    folder: Path, config: ModelConfig, settings: Settings, *, dtype: str
) -> tuple[PreTrainedModel, dict[str, Any]]:
    import torch
    from transformers import AutoModelForCausalLM

    device = hardware.detect()
    options: dict[str, Any] = {}
    quantization = hardware.quantization_config(config, hardware.target_device(config.device_map, device), dtype)
    place = hardware.placement(config.device_map, device)
    if quantization is not None:
        options["quantization_config"] = quantization
        place = place or {"": "cpu"}
    if config.attn_implementation:
        options["attn_implementation"] = config.attn_implementation
    with explained("weights", name=config.model_name_or_path), without_bars():
        model, info = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=getattr(torch, dtype),
            device_map=place,
            trust_remote_code=settings.trust_remote_code,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
    return model, info


def _covers(info: dict[str, Any], *, name: str) -> None:
    """Refuse weights that leave parts of the model unset, or that belong to another one."""
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        keys = sorted(str(key) for key in info.get(kind) or ())
        if keys:
            raise ModelError(
                "{model}: the weights do not fit its config.json ({count} {kind}, first {first}). "
                "Fetch the model again, or choose another.",
                model=name,
                count=len(keys),
                kind=kind.replace("_", " "),
                first=keys[0],
            )


def _freeze(model: PreTrainedModel) -> None:
    """The base is only ever read. Its quantized layers keep the packing that can be trained through."""
    model.requires_grad_(False)
    model.eval()
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # bitsandbytes repacks such weights at the first evaluation, and gradients are 0 from then on.
            module.support_avx512bf16_for_cpu = False


def _fits(parameters: int, dtype: str, *, config: ModelConfig, device: hardware.Device) -> None:
    """Refuse a model that is larger than the memory left, rather than have the system end the process."""
    import psutil

    if device.kind != "cpu":
        return
    per_parameter = {"none": hardware.BYTES[dtype], "8-bit": 1.1, "4-bit": 0.6}[config.quantization]
    needed, free = parameters * per_parameter, psutil.virtual_memory().available
    if needed > free:
        raise ModelError(
            "{model} needs {needed} GB of memory as {form}, and {free} GB are free. "
            "Choose a smaller model, model.dtype: bfloat16 or model.quantization: 4-bit.",
            model=config.model_name_or_path,
            needed=round(needed / 1e9, 1),
            form=dtype if config.quantization == "none" else config.quantization,
            free=round(free / 1e9, 1),
        )


def stored_dtype(files: list[Path]) -> str | None:
    """The dtype of the largest tensor in the first file, by torch's name."""
    names = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
    tensors = check_safetensors(files[0]).values()
    largest = max(tensors, key=lambda one: functools.reduce(lambda a, b: a * b, one[1], 1), default=None)
    return names.get(largest[0]) if largest else None
