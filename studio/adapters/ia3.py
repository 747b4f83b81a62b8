"""IA3 with `peft.IA3Config`. Source: https://huggingface.co/docs/peft/package_reference/ia3"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from studio.adapters.base import Start, Targeted
from studio.adapters.targets import in_attention, linear_layers, suffix, target_names
from studio.section import Names, knob

if TYPE_CHECKING:
    from peft import IA3Config
    from transformers import PreTrainedModel


class IA3Adapter(Targeted):
    """One vector a layer that makes its outputs larger or smaller: the fewest parameters of all."""

    type: Literal["ia3"] = knob("ia3", flag="adapter_type")
    feedforward_modules: Names = knob((), advanced=True)

    peft_type: ClassVar[str] = "IA3"
    saved: ClassVar[Mapping[str, str]] = {"feedforward_modules": "names", "fan_in_fan_out": "flag"}

    def peft_config(self, model: PreTrainedModel, start: Start) -> IA3Config:
        from peft import IA3Config

        placed = self.placed(model)
        return IA3Config(**placed, feedforward_modules=self._feedforward(model, placed["target_modules"]))

    def _feedforward(self, model: PreTrainedModel, targets: list[str]) -> list[str]:
        """Layers whose input is scaled, not their output: by default those that lead out of a feed-forward block."""
        if self.feedforward_modules:
            return [name for name in target_names(self.feedforward_modules, model) if name in targets]
        width = model.config.get_text_config().hidden_size
        out = {
            suffix(name)
            for name, module in linear_layers(model)
            if not in_attention(name) and getattr(module, "out_features", getattr(module, "nf", 0)) == width
        }
        return [name for name in targets if name in out]
