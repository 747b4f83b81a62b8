"""LoKr with `peft.LoKrConfig`. Source: https://huggingface.co/docs/peft/package_reference/lokr"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from studio.adapters.base import Layers, Quantization, Start, Targeted
from studio.section import MOST, knob

if TYPE_CHECKING:
    from peft import LoKrConfig
    from transformers import PreTrainedModel


class LoKrAdapter(Targeted):
    """A Kronecker product of small matrices a layer: very small files."""

    type: Literal["lokr"] = knob("lokr", flag="adapter_type")
    r: int = knob(8, ge=1, le=1024, flag="lora_r")
    alpha: float = knob(8, gt=0)
    decompose_both: bool = knob(False, advanced=True)
    decompose_factor: int = knob(-1, ge=-1, le=MOST, advanced=True)
    rank_dropout: float = knob(0.0, ge=0, lt=1, advanced=True)
    module_dropout: float = knob(0.0, ge=0, lt=1, advanced=True)
    layers_to_transform: Layers = knob((), advanced=True)

    peft_type: ClassVar[str] = "LOKR"
    quantizations: ClassVar[tuple[Quantization, ...]] = ("none",)
    saved: ClassVar[Mapping[str, str]] = {
        "r": "number", "alpha": "number", "decompose_both": "flag", "decompose_factor": "number",
    }  # fmt: skip

    def peft_config(self, model: PreTrainedModel, start: Start) -> LoKrConfig:
        from peft import LoKrConfig

        return LoKrConfig(
            **self.placed(model, transposed=False),
            r=self.r,
            alpha=self.alpha,
            decompose_both=self.decompose_both,
            decompose_factor=self.decompose_factor,
            rank_dropout=self.rank_dropout,
            module_dropout=self.module_dropout,
        )
