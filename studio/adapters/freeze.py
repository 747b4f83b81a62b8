"""Fine-tuning of the last layers alone, in a copy of their own. Nothing of PEFT."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal

from studio.adapters.base import Adapter, Quantization, Start
from studio.adapters.targets import saved_names
from studio.errors import ConfigError
from studio.section import MOST, Names, knob

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel


class FreezeAdapter(Adapter):
    """All weights stand still but those of the last layers, and of the modules named besides."""

    type: Literal["freeze"] = knob("freeze", flag="adapter_type")
    trainable_layers: int = knob(2, ge=1, le=MOST)
    modules_to_save: Names = knob((), advanced=True, flag="lora_modules_to_save", aliases=("modules_to_save",))

    quantizations: ClassVar[tuple[Quantization, ...]] = ("none",)

    def peft_config(self, model: PreTrainedModel, start: Start) -> PeftConfig:
        raise TypeError("freeze trains a part of the base itself; there is nothing beside it")

    def trained(self, model: PreTrainedModel) -> list[str]:
        """The names of the parameters that are trained."""
        layers = int(getattr(model.config.get_text_config(), "num_hidden_layers", 0) or 0)
        if self.trainable_layers > layers:
            raise ConfigError(
                "adapter.trainable_layers is {wanted}, and the model has {layers} layers.",
                wanted=self.trainable_layers,
                layers=layers,
            )
        besides = saved_names(self.modules_to_save, model)
        found = []
        for name, _ in model.named_parameters():
            number = re.search(r"(?:^|\.)(?:layers|h|blocks|layer)\.(\d+)\.", name)
            last = number is not None and int(number[1]) >= layers - self.trainable_layers
            if last or any(f".{name}".startswith(f".{one}.") or f".{one}." in f".{name}" for one in besides):
                found.append(name)
        if not found:
            raise ConfigError("adapter.type freeze finds no numbered layers in this model. Choose lora.")
        return found

    def count(self, model: PreTrainedModel) -> tuple[int, int] | None:
        sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
        return sum(sizes[name] for name in self.trained(model)), 0
