"""Adapters merged into a base model as it is loaded, one after the other. Knows nothing of the slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.adapters.base import without_expected
from studio.errors import ModelError
from studio.model.adapter_file import find_adapter, loaded_config, read_adapter
from studio.model.folder import explained
from studio.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def with_merged(model: PreTrainedModel, names: tuple[str, ...], settings: Settings) -> PreTrainedModel:
    """The model with each named adapter added to its weights; every tensor of an adapter has to find its place."""
    import torch
    from peft import PeftModelForCausalLM, get_peft_model_state_dict

    for name in names:
        adapter = read_adapter(find_adapter(name, settings))
        with explained("adapter", name=str(adapter.folder)), without_expected(adapter.kind):
            try:
                with torch.random.fork_rng(devices=[]):  # its first values are drawn, and then replaced
                    adapted = PeftModelForCausalLM(model, loaded_config(adapter))
            except ValueError as error:  # modules that this base does not have
                raise _does_not_fit(name, adapter.base, model.name_or_path) from error
            there = get_peft_model_state_dict(adapted, save_embedding_layers=False)
            if {key: tuple(tensor.shape) for key, tensor in there.items()} != adapter.shapes:
                raise _does_not_fit(name, adapter.base, model.name_or_path)
            adapted.load_adapter(str(adapter.folder), "default", torch_device=str(model.device))
            model = adapted.merge_and_unload(safe_merge=True)
    return model


def _does_not_fit(name: str, base: str, loaded: str) -> ModelError:
    return ModelError(
        "model.merged_adapters: {name} was trained on {base}, and its weights do not fit {loaded}. Take it out, or "
        "choose its base.",
        name=name,
        base=base,
        loaded=loaded,
    )
