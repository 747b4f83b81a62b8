"""A language model's backbone under a fresh head that gives one number. Shares the weights; trains nothing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from studio.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig
    from torch import nn
    from transformers import PreTrainedModel

# What loading left on the model beside its modules, and trainers ask for.
_KEPT = (
    "hf_quantizer", "is_quantized", "quantization_method", "is_loaded_in_4bit", "is_loaded_in_8bit", "hf_device_map",
    "name_or_path",
)  # fmt: skip

KEEPS_FLOAT32 = "kept_in_float32"  # on a model: the modules of it that are saved as they were trained
_SAVED_BY_PEFT = ("classifier", "score")  # for this task, whatever the config says


def scoring_model(model: PreTrainedModel, *, seed: int) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """The model's counterpart for sequence classification with one label, over the same modules, and the names of
    the modules that are new in it. Their first values follow from the seed."""
    import torch
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    kind = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(type(model.config), None)
    if kind is None:
        raise ModelError(
            "{model} has no form that gives scores, which method reward trains. Choose another model.",
            model=model.config.name_or_path or type(model).__name__,
        )
    config = copy.deepcopy(model.config)
    config.num_labels = 1
    with torch.device("meta"):
        made = kind(config)
    prefix = made.base_model_prefix
    setattr(made, prefix, getattr(model, model.base_model_prefix))
    heads = tuple(
        name for name, one in made.named_children() if name != prefix and next(one.parameters(), None) is not None
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in heads:
            _fill(made, getattr(made, name), like=model)
    for name in _KEPT:
        if name in vars(model):
            setattr(made, name, vars(model)[name])
    setattr(made, KEEPS_FLOAT32, heads)
    made.train(model.training)
    return made, heads


def _fill(made: PreTrainedModel, head: nn.Module, *, like: PreTrainedModel) -> None:
    """Give a head's modules memory and the first values that the model's own class gives them."""
    import torch

    head.to_empty(device=like.device)
    head.to(dtype=torch.float32)  # half precision has no room for the gradients of a head that is trained whole
    for module in head.modules():
        made._init_weights(module)
    head.register_forward_pre_hook(_in_own_dtype)


def _in_own_dtype(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a module is given, in the precision of its weights."""
    dtype = next(module.parameters()).dtype
    return tuple(_cast(one, dtype) for one in given)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if getattr(value, "is_floating_point", lambda: False)() else value


def adapter_for_scores(config: PeftConfig, model: PreTrainedModel, heads: tuple[str, ...]) -> PeftConfig:
    """The same adapter for a model with scores: its head is trained whole and saved beside the adapter."""
    adapted = copy.deepcopy(config)
    adapted.task_type = "SEQ_CLS"
    wanted = list(getattr(adapted, "modules_to_save", None) or ())
    names = {name for name, _ in model.named_modules()}
    for name in wanted:
        if not any(one == name or one.endswith("." + name) for one in names):
            raise ConfigError(
                "adapter.modules_to_save holds {name}, which a reward model does not have: it gives scores, not words. "
                "Take it out.",
                name=name,
            )
    adapted.modules_to_save = [*wanted, *(head for head in heads if head not in (*wanted, *_SAVED_BY_PEFT))]
    return adapted
