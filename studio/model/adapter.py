"""LoraAdapter -> PEFT config and parameter counts, by a model's own module names. Loads no weights, trains nothing."""

from __future__ import annotations

import difflib
import functools
from typing import TYPE_CHECKING

from studio.config import LoraAdapter, ModelConfig
from studio.config.adapter import ALL_LINEAR, ATTENTION
from studio.errors import ConfigError
from studio.model.new_tokens import added_to, embeddings_of, growth, let_trainers_read_bias, trained_rows
from studio.model.shape import count_parameters, shape_of
from studio.model.tokenizer import load_tokenizer
from studio.settings import Settings

if TYPE_CHECKING:
    from peft import LoraConfig
    from torch import nn
    from transformers import PreTrainedModel


def candidate_modules(model: PreTrainedModel) -> tuple[str, ...]:
    """The names that `adapter.target_modules` may hold: linear layers by the end of their name, in their order."""
    return tuple(dict.fromkeys(_suffix(name) for name, _ in _linear(model)))


def saveable_modules(model: PreTrainedModel) -> tuple[str, ...]:
    """The names that `adapter.modules_to_save` may hold: every module with weights of its own, by its end."""
    names = [
        _suffix(name)
        for name, module in model.named_modules(remove_duplicate=False)
        if _own_parameters(module) and name
    ]
    return tuple(dict.fromkeys(names))


def _linear(model: PreTrainedModel) -> list[tuple[str, nn.Module]]:
    """Linear layers with their full names; the output embedding is not among them."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings()
    return [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear | Conv1D) and m is not output]


def _suffix(name: str) -> str:
    """`model.layers.0.self_attn.q_proj` -> `q_proj`; a numbered one keeps its parent: `mlp.0`."""
    parts = name.split(".")
    end = len(parts) - 1
    while end > 0 and parts[end].isdigit():
        end -= 1
    return ".".join(parts[end:])


def _own_parameters(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


def target_names(adapter: LoraAdapter, model: PreTrainedModel) -> tuple[str, ...]:
    """What `adapter.target_modules` means for this model, as ends of module names."""
    candidates = candidate_modules(model)
    wanted = adapter.target_modules
    if wanted == ALL_LINEAR:
        return candidates
    if wanted == ATTENTION:
        found = dict.fromkeys(_suffix(name) for name, _ in _linear(model) if _in_attention(name))
        if not found:
            raise ConfigError(
                "adapter.target_modules is attention, but this model calls no layer that; there are: {names}.",
                names=", ".join(candidates),
            )
        return tuple(found)
    if not wanted:
        raise ConfigError("adapter.target_modules is empty. Set all-linear, attention, or names of the model's layers.")
    for name in wanted:
        if name not in candidates:
            raise _not_a_target(name, model, candidates)
    return tuple(wanted)


def _in_attention(name: str) -> bool:
    return any("attn" in part or "attention" in part for part in name.lower().split("."))


def _not_a_target(name: str, model: PreTrainedModel, candidates: tuple[str, ...]) -> ConfigError:
    output = model.get_output_embeddings()
    if any(module is output and full.endswith(name) for full, module in model.named_modules(remove_duplicate=False)):
        return ConfigError(
            "adapter.target_modules holds {name}, the output layer, which the trainer reads without its adapter. "
            "Put it into adapter.modules_to_save instead.",
            name=name,
        )
    near = difflib.get_close_matches(name, candidates, n=1)
    return ConfigError(
        "adapter.target_modules holds {name}, which this model does not have; there are: {names}.{hint}",
        name=name,
        names=", ".join(candidates),
        hint=f" Did you mean {near[0]}?" if near else "",
    )


def saved_names(adapter: LoraAdapter, model: PreTrainedModel) -> tuple[str, ...]:
    """`adapter.modules_to_save`, checked; spelled out in full where PEFT would find more than was meant."""
    modules = [name for name, _ in model.named_modules(remove_duplicate=False)]
    names: list[str] = []
    for wanted in adapter.modules_to_save:
        meant = [name for name in modules if name == wanted or name.endswith("." + wanted)]
        if not meant:
            raise ConfigError(
                "adapter.modules_to_save holds {name}, which this model does not have; there are: {names}.",
                name=wanted,
                names=", ".join(saveable_modules(model)),
            )
        found_by_peft = [name for name in modules if name.endswith(wanted)]
        names += [wanted] if meant == found_by_peft else meant
    return tuple(dict.fromkeys(names))


def peft_config(adapter: LoraAdapter, model: PreTrainedModel) -> LoraConfig:
    """The PEFT config for this model, every name in it checked against the model's own."""
    from peft import LoraConfig
    from transformers.pytorch_utils import Conv1D

    targets = target_names(adapter, model)
    saved = saved_names(adapter, model)
    new_rows = trained_rows(model, whole=saved)
    if new_rows:
        let_trainers_read_bias()
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=adapter.r,
        lora_alpha=adapter.lora_alpha,
        lora_dropout=adapter.lora_dropout,
        target_modules=list(targets),
        bias=adapter.bias,
        use_rslora=adapter.use_rslora,
        use_dora=adapter.use_dora,
        modules_to_save=list(saved) or None,
        trainable_token_indices=new_rows or None,
        fan_in_fan_out=any(isinstance(module, Conv1D) for _, module in _linear(model)),
    )


def count_trainable(adapter: LoraAdapter | None, config: ModelConfig, settings: Settings) -> tuple[int, int]:
    """(trainable, total) parameters without weights, in milliseconds; None is full fine-tuning."""
    model = shape_of(config, settings)
    trainable, total = _count(adapter, model)
    if not config.add_template_tokens:
        return trainable, total
    pieces = added_to(load_tokenizer(config, settings))
    saved = () if adapter is None else saved_names(adapter, model)
    for name, layer in embeddings_of(model).items():
        grown = growth(layer, pieces)
        whole = adapter is None or _matches(name, saved)
        new = grown if whole else len(pieces) * int(layer.weight.shape[1])
        trainable += new
        total += grown if adapter is None else grown + new
    return trainable, total


@functools.lru_cache(maxsize=256)
def _count(adapter: LoraAdapter | None, model: PreTrainedModel) -> tuple[int, int]:
    """PEFT's own figures (a test compares), reckoned from the shapes because PEFT takes half a second."""
    base = count_parameters(model)
    if adapter is None:
        return base, base
    targets, saved = target_names(adapter, model), saved_names(adapter, model)
    added, targeted = 0, set()
    for name, module in _linear(model):
        if _matches(name, targets) and not _inside(name, saved):
            targeted.add(name)
            inputs, outputs = _sizes(module)
            added += adapter.r * (inputs + outputs) + (outputs if adapter.use_dora else 0)
    copied: set[str] = set()
    for name, module in model.named_modules(remove_duplicate=False):
        if _matches(name, saved):
            added += count_parameters(module)
            copied.add(name)
    return added + _trained_biases(adapter, model, targeted=targeted, copied=copied), base + added


def _trained_biases(adapter: LoraAdapter, model: PreTrainedModel, *, targeted: set[str], copied: set[str]) -> int:
    """Biases of the base that train in place."""
    if adapter.bias == "none":
        return 0
    wanted = {
        name: parameter.numel()
        for name, parameter in model.named_parameters()
        if "bias" in name.rpartition(".")[2] and not _inside(name, tuple(copied))
    }
    if adapter.bias == "all":
        return sum(wanted.values())
    return sum(size for name, size in wanted.items() if name.rpartition(".")[0] in targeted)


def _matches(name: str, ends: tuple[str, ...]) -> bool:
    return any(name == end or name.endswith("." + end) for end in ends)


def _inside(name: str, ends: tuple[str, ...]) -> bool:
    """True where a module or one of its parents is named by `ends`."""
    parts = name.split(".")
    return any(_matches(".".join(parts[:count]), ends) for count in range(1, len(parts) + 1))


def _sizes(module: nn.Module) -> tuple[int, int]:
    """(inputs, outputs) of a linear layer; GPT-2's Conv1D keeps its weight the other way round."""
    from torch import nn

    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    inputs, outputs = module.weight.shape
    return int(inputs), int(outputs)
