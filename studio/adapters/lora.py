"""LoRA and its variants with `peft.LoraConfig`. Source: https://huggingface.co/docs/peft/package_reference/lora"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from studio.adapters.base import Layers, Pattern, Start, Targeted, without_expected
from studio.adapters.targets import (
    ALL_LINEAR,
    Targets,
    inside,
    linear_layers,
    matches,
    saved_names,
    target_names,
)
from studio.errors import ConfigError
from studio.section import Names, knob

if TYPE_CHECKING:
    from peft import LoraConfig
    from torch import nn
    from transformers import PreTrainedModel


def _initial(value: object) -> object:
    """PEFT says `true` for its own default."""
    return "default" if value is True or value is None else value


Initial = Annotated[
    Literal["default", "gaussian", "orthogonal", "pissa", "pissa_niter_16", "olora", "eva", "loftq"],
    BeforeValidator(_initial),
]
# These take a part of the base's weights into the adapter, so that without it the base is another one.
MOVE_WEIGHTS = ("pissa", "pissa_niter_16", "olora")


class LoraAdapter(Targeted):
    """Two small matrices beside each layer, whose product is added to its weights."""

    type: Literal["lora"] = knob("lora", flag="adapter_type")
    r: int = knob(16, ge=1, le=1024, flag="lora_r")
    lora_alpha: float = knob(32, gt=0)
    lora_dropout: float = knob(0.05, ge=0, lt=1)
    target_modules: Targets = knob(ALL_LINEAR, flag="lora_target_modules", aliases=("target_modules",))
    bias: Literal["none", "all", "lora_only"] = knob("none", advanced=True, flag="lora_bias")
    use_rslora: bool = knob(False, advanced=True)
    use_dora: bool = knob(False, advanced=True)
    init_lora_weights: Initial = knob("default", advanced=True)
    loraplus_lr_ratio: float | None = knob(None, ge=1, advanced=True)
    rank_pattern: Pattern = knob({}, advanced=True)
    alpha_pattern: Pattern = knob({}, advanced=True)
    trainable_token_indices: Layers = knob((), advanced=True)
    modules_to_save: Names = knob((), advanced=True, flag="lora_modules_to_save", aliases=("modules_to_save",))
    layers_to_transform: Layers = knob((), advanced=True)

    peft_type: ClassVar[str] = "LORA"
    expected: ClassVar[tuple[str, ...]] = (
        "lora with eva initialization used with low_cpu_mem_usage=False",
        "Using Rank-Stabilized LoRA with rank_pattern/alpha_pattern and post-training conversion",  # ours can
        "Careful, disabling adapter layers with bias configured",  # `keep_first_biases` sees to it
    )
    trains_new_tokens: ClassVar[bool] = True

    @property
    def moves_weights(self) -> bool:
        """Whether the adapter begins with a part of the base's weights, which are then the rest."""
        return self.init_lora_weights in MOVE_WEIGHTS

    def peft_config(self, model: PreTrainedModel, start: Start) -> LoraConfig:
        from peft import EvaConfig, LoraConfig

        initial: Any = self.init_lora_weights
        if initial in ("default", "loftq") or start.counting:  # loftq's first values are put in afterwards
            initial = True
        with without_expected(type(self)):
            return LoraConfig(
                **self.placed(model),
                r=self.r,
                lora_alpha=self.lora_alpha,
                lora_dropout=self.lora_dropout,
                bias=self.bias,
                use_rslora=self.use_rslora,
                use_dora=self.use_dora,
                init_lora_weights=initial,
                eva_config=EvaConfig(rho=1.0) if initial == "eva" else None,  # every layer keeps its rank
                rank_pattern=_ranks(self.rank_pattern, model, setting="rank_pattern"),
                alpha_pattern=_known(self.alpha_pattern, model, setting="alpha_pattern"),
                trainable_token_indices=dict(start.new_rows) or None,
            )

    def count(self, model: PreTrainedModel) -> tuple[int, int] | None:
        """PEFT's own figures (a test compares), reckoned from the shapes because PEFT takes half a second."""
        if self.rank_pattern or self.layers_to_transform:
            return None
        targets, saved = target_names(self.target_modules, model), saved_names(self.modules_to_save, model)
        added, targeted = 0, set()
        for name, module in linear_layers(model):
            if matches(name, targets) and not inside(name, saved):
                targeted.add(name)
                inputs, outputs = _sizes(module)
                added += self.r * (inputs + outputs) + (outputs if self.use_dora else 0)
        copied: set[str] = set()
        for name, module in model.named_modules(remove_duplicate=False):
            if matches(name, saved):
                added += sum(parameter.numel() for parameter in module.parameters())
                copied.add(name)
        return added + self._trained_biases(model, targeted=targeted, copied=copied), added

    def _trained_biases(self, model: PreTrainedModel, *, targeted: set[str], copied: set[str]) -> int:
        """Biases of the base that train in place."""
        if self.bias == "none":
            return 0
        wanted = {
            name: parameter.numel()
            for name, parameter in model.named_parameters()
            if "bias" in name.rpartition(".")[2] and not inside(name, tuple(copied))
        }
        if self.bias == "all":
            return sum(wanted.values())
        return sum(size for name, size in wanted.items() if name.rpartition(".")[0] in targeted)


def _known(pattern: Mapping[str, float], model: PreTrainedModel, *, setting: str) -> dict[str, Any]:
    """A pattern whose every name is a layer of the model."""
    names = [name for name, _ in linear_layers(model)]
    for wanted in pattern:
        if not any(matches(name, (wanted,)) for name in names):
            raise ConfigError(
                "adapter.{setting} holds {name}, which is no linear layer of this model nor the end of one's name.",
                setting=setting,
                name=wanted,
            )
    return dict(pattern)


def _ranks(pattern: Mapping[str, float], model: PreTrainedModel, *, setting: str) -> dict[str, int]:
    found = _known(pattern, model, setting=setting)
    for name, rank in found.items():
        if rank != int(rank) or not 1 <= rank <= 1024:
            raise ConfigError("adapter.rank_pattern: {name} is {value}; a rank is 1 to 1024.", name=name, value=rank)
    return {name: int(rank) for name, rank in found.items()}


def _sizes(module: nn.Module) -> tuple[int, int]:
    """(inputs, outputs) of a linear layer; GPT-2's Conv1D keeps its weight the other way round."""
    from torch import nn

    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    inputs, outputs = module.weight.shape
    return int(inputs), int(outputs)
