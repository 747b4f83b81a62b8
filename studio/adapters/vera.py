"""VeRA with `peft.VeraConfig`. Source: https://huggingface.co/docs/peft/package_reference/vera"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from studio.adapters.base import Layers, Start, Targeted
from studio.adapters.targets import ATTENTION, Targets
from studio.section import MOST, knob

if TYPE_CHECKING:
    from peft import VeraConfig
    from transformers import PreTrainedModel


class VeraAdapter(Targeted):
    """LoRA whose two matrices are random, fixed and shared; only two vectors a layer are trained."""

    type: Literal["vera"] = knob("vera", flag="adapter_type")
    r: int = knob(256, ge=1, le=MOST, flag="lora_r")
    vera_dropout: float = knob(0.0, ge=0, lt=1)
    d_initial: float = knob(0.1, gt=0, advanced=True)
    projection_prng_key: int = knob(0, ge=0, le=MOST, advanced=True)
    target_modules: Targets = knob(ATTENTION, flag="lora_target_modules", aliases=("target_modules",))
    layers_to_transform: Layers = knob((), advanced=True)

    peft_type: ClassVar[str] = "VERA"
    saved: ClassVar[Mapping[str, str]] = {
        "r": "number", "d_initial": "number", "projection_prng_key": "number", "save_projection": "flag",
        "fan_in_fan_out": "flag",
    }  # fmt: skip

    def peft_config(self, model: PreTrainedModel, start: Start) -> VeraConfig:
        from peft import VeraConfig

        return VeraConfig(
            **self.placed(model),
            r=self.r,
            vera_dropout=self.vera_dropout,
            d_initial=self.d_initial,
            projection_prng_key=self.projection_prng_key,
        )
