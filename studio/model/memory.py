"""What a model is and what its weights will take, from its config alone. Reads no weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.adapters.targets import candidate_modules
from studio.config import ModelConfig
from studio.config.model import AUTO, SMOLLM2
from studio.model import fetch, hardware
from studio.model.adapter_file import find_adapter, read_adapter
from studio.model.folder import read_json, weight_files
from studio.model.locate import folder_here, needs_download, resolve
from studio.model.new_tokens import added_to, rows_for
from studio.model.shape import check_attention, count_parameters, shape_of
from studio.model.templates.choose import choose
from studio.model.tokenizer import load_tokenizer, tokenizer_notes
from studio.model.unsloth import check_unsloth
from studio.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class ModelFacts:
    """`modules` are the names `adapter.target_modules` may hold; `weight_bytes` is for `dtype` and the quantization."""

    name: str
    architecture: str
    parameters: int
    layers: int
    hidden_size: int
    context_length: int | None
    vocab_size: int
    chat_template: bool
    dtype: str
    weight_bytes: int
    modules: tuple[str, ...]
    notes: tuple[str, ...] = ()


def describe(config: ModelConfig, settings: Settings) -> ModelFacts:
    """The facts that a choice of model needs; of weights that are here, the headers are checked.

    A Hub id is asked for its config once, then read from the cache.
    """
    model = shape_of(config, settings)
    here = folder_here(config, settings)
    if here is not None:
        weight_files(here, name=config.model_name_or_path)  # what is missing or cut is said now, not after Start
    if config.use_unsloth:
        check_unsloth()
    for name in config.merged_adapters:
        read_adapter(find_adapter(name, settings))
    if config.attn_implementation:
        check_attention(config.attn_implementation, model)
    inner = model.config.get_text_config()
    device = hardware.target_device(config.device_map, hardware.detect())
    parameters = count_parameters(model)
    stored = str(model.config.dtype).removeprefix("torch.") if model.config.dtype else None
    dtype = hardware.choose_dtype(config.dtype, device, stored, parameters=parameters)
    has_template = has_chat_template(config, settings)
    return ModelFacts(
        name=config.model_name_or_path,
        architecture=type(model).__name__,
        parameters=parameters,
        layers=int(getattr(inner, "num_hidden_layers", 0) or 0),
        hidden_size=int(getattr(inner, "hidden_size", 0) or 0),
        context_length=context_length(model),
        vocab_size=_vocabulary(int(getattr(inner, "vocab_size", 0) or 0), config, settings),
        chat_template=has_template,
        dtype=dtype,
        weight_bytes=weight_bytes(model, dtype=dtype, quantization=config.quantization),
        modules=candidate_modules(model),
        notes=_notes(config, settings, device=device, has_template=has_template),
    )


def _vocabulary(rows: int, config: ModelConfig, settings: Settings) -> int:
    """The embedding's rows, with those of tokens that the chat template adds."""
    return rows_for(rows, added_to(load_tokenizer(config, settings))) if config.add_template_tokens else rows


def context_length(model: PreTrainedModel) -> int | None:
    """The tokens a model can read at once; None where its config sets no limit."""
    inner = model.config.get_text_config()
    for field in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = getattr(inner, field, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def has_chat_template(config: ModelConfig, settings: Settings) -> bool:
    """Whether the tokenizer will have a chat template; only a model without one needs it built to know."""
    if config.chat_template != AUTO:
        choose(config.chat_template, settings)
        return True
    if config.model_name_or_path == SMOLLM2 and fetch.folder_of(settings) is None:
        return True
    folder = Path(resolve(config, settings, weights=False))
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    tokenizer = folder / "tokenizer_config.json"
    if tokenizer.is_file() and read_json(tokenizer).get("chat_template"):
        return True
    return bool(load_tokenizer(config, settings).chat_template)  # detection reads the vocabulary


def weight_bytes(model: PreTrainedModel, *, dtype: str, quantization: str) -> int:
    """Bytes of the weights in memory; quantized, only the linear layers other than the output shrink."""
    from torch import nn

    width = hardware.BYTES[dtype]
    total = count_parameters(model) * width
    if quantization == "none":
        return total
    output = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, nn.Linear) and module is not output:
            size, rows = module.weight.numel(), module.out_features
            # NF4 with double quantization: half a byte, one byte for 64 values, four for 64 * 256.
            small = size / 2 + size / 64 + size / 4096 if quantization == "4-bit" else size + 4 * rows
            total -= int(size * width - small)
    return total


def _notes(config: ModelConfig, settings: Settings, *, device: hardware.Device, has_template: bool) -> tuple[str, ...]:
    notes = []
    download = needs_download(config, settings)
    if download:
        notes.append(download)
    if not download:
        notes += tokenizer_notes(load_tokenizer(config, settings), config)
    reason = hardware.quantizations(device)[config.quantization]
    if reason:
        notes.append(f"{config.quantization} does not run here: {reason}")
    if config.dtype == "bfloat16" and device.kind == "cpu" and not device.bfloat16:
        notes.append("This CPU has no bfloat16 instructions, so bfloat16 will be slow; float32 is faster.")
    return tuple(notes)
