"""LoHa with `peft.LoHaConfig`. Source: https://huggingface.co/docs/peft/package_reference/loha"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from studio.adapters.base import Layers, Quantization, Start, Targeted
from studio.section import knob

if TYPE_CHECKING:
    from peft import LoHaConfig
    from transformers import PreTrainedModel


class LoHaAdapter(Targeted):
    """Four small matrices a layer, multiplied entry by entry: more expressive than LoRA of the same size."""

    type: Literal["loha"] = knob("loha", flag="adapter_type")
    r: int = knob(8, ge=1, le=1024, flag="lora_r")
    alpha: float = knob(8, gt=0)
    rank_dropout: float = knob(0.0, ge=0, lt=1, advanced=True)
    module_dropout: float = knob(0.0, ge=0, lt=1, advanced=True)
    layers_to_transform: Layers = knob((), advanced=True)

    peft_type: ClassVar[str] = "LOHA"
    quantizations: ClassVar[tuple[Quantization, ...]] = ("none",)
    saved: ClassVar[Mapping[str, str]] = {"r": "number", "alpha": "number"}

    def peft_config(self, model: PreTrainedModel, start: Start) -> LoHaConfig:
        from peft import LoHaConfig

        return LoHaConfig(
            **self.placed(model, transposed=False),
            r=self.r,
            alpha=self.alpha,
            rank_dropout=self.rank_dropout,
            module_dropout=self.module_dropout,
        )
