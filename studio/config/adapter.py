"""Which adapter is trained. `adapter: null` in a run means full fine-tuning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from studio.section import Names, Section, knob, names_of

ALL_LINEAR = "all-linear"
ATTENTION = "attention"


def _targets(value: object) -> object:
    """`q_proj,v_proj` and `[q_proj, v_proj]` both give a tuple; the two group names stay text."""
    return value if value in (ALL_LINEAR, ATTENTION) else names_of(value)


Targets = Annotated[Literal["all-linear", "attention"] | tuple[str, ...], BeforeValidator(_targets)]


class LoraAdapter(Section):
    """LoRA, named as in `peft.LoraConfig`."""

    type: Literal["lora"] = knob("lora", flag="adapter_type")
    r: int = knob(16, ge=1, le=1024, flag="lora_r")
    lora_alpha: float = knob(32, gt=0)
    lora_dropout: float = knob(0.05, ge=0, lt=1)
    target_modules: Targets = knob(ALL_LINEAR, flag="lora_target_modules", aliases=("target_modules",))
    bias: Literal["none", "all", "lora_only"] = knob("none", advanced=True, flag="lora_bias")
    use_rslora: bool = knob(False, advanced=True)
    use_dora: bool = knob(False, advanced=True)
    modules_to_save: Names = knob((), advanced=True, flag="lora_modules_to_save", aliases=("modules_to_save",))


AdapterConfig = LoraAdapter
