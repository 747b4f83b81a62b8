"""A saved adapter on a loaded base, in modules of its own. Knows nothing of how many there are, or who asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import ModelError
from studio.model.adapter_file import AdapterFile, lora_config, read_adapter
from studio.model.folder import explained
from studio.model.load import LoadedModel
from studio.model.share import shared_copy

if TYPE_CHECKING:
    from peft import PeftModel


def attached(base: LoadedModel, folder: Path) -> PeftModel:
    """PEFT's modules on a shared copy of the base; the folder must hold exactly the tensors they need."""
    import torch
    from peft import PeftModelForCausalLM, get_peft_model_state_dict

    adapter = read_adapter(folder)
    name = str(folder)
    with explained("adapter", name=name):
        model = shared_copy(base.model)
        try:
            # PEFT's `low_cpu_mem_usage` would round float32 adapters to the base's bfloat16 on their way.
            with torch.random.fork_rng(devices=[]):  # its first values are drawn, and then replaced
                adapted = PeftModelForCausalLM(model, lora_config(adapter))
        except ValueError as error:  # modules that this base does not have
            raise _wrong_base(adapter, base) from error
        expected = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        if {key: tuple(tensor.shape) for key, tensor in expected.items()} != adapter.shapes:
            raise _wrong_base(adapter, base)
        adapted.load_adapter(name, "default", is_trainable=False, torch_device=str(base.model.device))
        adapted.requires_grad_(False)
        adapted.eval()
        return adapted


def _wrong_base(adapter: AdapterFile, base: LoadedModel) -> ModelError:
    return ModelError(
        "The adapter in {folder} was trained on {trained}, and its weights do not fit {loaded}. Load its base.",
        folder=adapter.folder,
        trained=adapter.base,
        loaded=base.config.model_name_or_path,
    )
