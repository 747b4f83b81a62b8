"""A model's modules without its weights: built on the meta device, in milliseconds. Knows nothing of memory or chat."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import ModelConfig
from studio.config.model import SMOLLM2
from studio.errors import ModelError
from studio.model import fetch
from studio.model.folder import explained, first_line, read_config
from studio.model.locate import resolve
from studio.model.progress import without_bars
from studio.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def shape_of(config: ModelConfig, settings: Settings) -> PreTrainedModel:
    """The model on the meta device. Shared and cached: read it, never change it (`copy.deepcopy` first)."""
    if config.model_name_or_path == SMOLLM2 and fetch.folder_of(settings) is None:
        return _known_shape()
    folder = Path(resolve(config, settings, weights=False))
    return shape_of_folder(folder, name=config.model_name_or_path, trust_remote_code=settings.trust_remote_code)


def shape_of_folder(folder: Path, *, name: str, trust_remote_code: bool) -> PreTrainedModel:
    """The same for a folder that is already here. A changed config.json is read anew."""
    raw = read_config(folder, name=name, trust_remote_code=trust_remote_code)
    changed = (folder / "config.json").stat().st_mtime_ns
    _supported(raw, name=name, trust_remote_code=trust_remote_code)
    return _shape(str(folder), name, trust_remote_code, changed)


@functools.lru_cache(maxsize=8)
def _shape(folder: str, name: str, trust_remote_code: bool, changed: int) -> PreTrainedModel:
    from transformers import AutoConfig

    with explained("config.json", name=name), without_bars():
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)
        return _build(config, trust_remote_code=trust_remote_code)


@functools.lru_cache(maxsize=1)
def _known_shape() -> PreTrainedModel:
    from transformers import AutoConfig

    return _build(AutoConfig.for_model(**fetch.CONFIG), trust_remote_code=False)


def _build(config: Any, *, trust_remote_code: bool) -> PreTrainedModel:
    """In no type of its own: transformers builds in a type by making it the process's default for a moment, and another
    thread may be training or loading then."""
    import torch
    from transformers import AutoModelForCausalLM

    stored = config.dtype
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(
            config, dtype=None, trust_remote_code=trust_remote_code
        )
    model.config.dtype = stored
    return model


def _supported(raw: dict[str, Any], *, name: str, trust_remote_code: bool) -> None:
    """Say in words what transformers would say in a screenful."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if raw["model_type"] in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or (trust_remote_code and raw.get("auto_map")):
        return
    raise ModelError(
        "{model} is of the kind {kind}, which the installed transformers does not know as a model that writes text. "
        "Choose a causal language model.",
        model=name,
        kind=raw["model_type"],
    )


def check_attention(wanted: str, model: PreTrainedModel) -> None:
    """Refuse an attention implementation that this model or this machine does not have."""
    try:
        model.get_correct_attn_implementation(wanted, is_init_check=True)
    except (ValueError, ImportError) as error:
        raise ModelError(
            "model.attn_implementation is {value}, which does not run here ({reason}). Set it to null, sdpa or eager.",
            value=wanted,
            reason=first_line(error).partition(". ")[0],
        ) from error


def count_parameters(model: PreTrainedModel) -> int:
    """Parameters, tied ones counted once."""
    return sum(parameter.numel() for parameter in model.parameters())
