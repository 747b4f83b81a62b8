"""Where an adapter may sit: a model's own module names, and what the settings' names mean. Builds no adapter."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator

from studio.errors import ConfigError
from studio.section import names_of

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

ALL_LINEAR = "all-linear"
ATTENTION = "attention"


def _targets(value: object) -> object:
    """`q_proj,v_proj` and `[q_proj, v_proj]` both give a tuple; the two group names stay text."""
    return value if value in (ALL_LINEAR, ATTENTION) else names_of(value)


Targets = Annotated[Literal["all-linear", "attention"] | tuple[str, ...], BeforeValidator(_targets)]


def candidate_modules(model: PreTrainedModel) -> tuple[str, ...]:
    """The names that `adapter.target_modules` may hold: linear layers by the end of their name, in their order."""
    return tuple(dict.fromkeys(suffix(name) for name, _ in linear_layers(model)))


def saveable_modules(model: PreTrainedModel) -> tuple[str, ...]:
    """The names that `adapter.modules_to_save` may hold: every module with weights of its own, by its end."""
    names = [
        suffix(name) for name, module in model.named_modules(remove_duplicate=False) if _own_parameters(module) and name
    ]
    return tuple(dict.fromkeys(names))


def linear_layers(model: PreTrainedModel) -> list[tuple[str, nn.Module]]:
    """Linear layers with their full names; the output embedding is not among them."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings()
    return [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear | Conv1D) and m is not output]


def suffix(name: str) -> str:
    """`model.layers.0.self_attn.q_proj` -> `q_proj`; a numbered one keeps its parent: `mlp.0`."""
    parts = name.split(".")
    end = len(parts) - 1
    while end > 0 and parts[end].isdigit():
        end -= 1
    return ".".join(parts[end:])


def _own_parameters(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


def target_names(wanted: str | Sequence[str], model: PreTrainedModel) -> tuple[str, ...]:
    """What `adapter.target_modules` means for this model, as ends of module names."""
    candidates = candidate_modules(model)
    if wanted == ALL_LINEAR:
        return candidates
    if wanted == ATTENTION:
        found = dict.fromkeys(suffix(name) for name, _ in linear_layers(model) if in_attention(name))
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


def saved_names(wanted: Sequence[str], model: PreTrainedModel) -> tuple[str, ...]:
    """`adapter.modules_to_save`, checked; spelled out in full where PEFT would find more than was meant."""
    modules = [name for name, _ in model.named_modules(remove_duplicate=False)]
    names: list[str] = []
    for one in wanted:
        meant = [name for name in modules if name == one or name.endswith("." + one)]
        if not meant:
            raise ConfigError(
                "adapter.modules_to_save holds {name}, which this model does not have; there are: {names}.",
                name=one,
                names=", ".join(saveable_modules(model)),
            )
        found_by_peft = [name for name in modules if name.endswith(one)]
        names += [one] if meant == found_by_peft else meant
    return tuple(dict.fromkeys(names))


def matches(name: str, ends: Sequence[str]) -> bool:
    """Whether a module is one of those named by the end of their names."""
    return any(name == end or name.endswith("." + end) for end in ends)


def inside(name: str, ends: Sequence[str]) -> bool:
    """True where a module or one of its parents is named by `ends`."""
    parts = name.split(".")
    return any(matches(".".join(parts[:count]), ends) for count in range(1, len(parts) + 1))


def in_attention(name: str) -> bool:
    """Whether a module is a part of an attention block."""
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
