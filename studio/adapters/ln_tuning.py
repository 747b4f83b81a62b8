"""LayerNorm tuning with `peft.LNTuningConfig`. Source: https://huggingface.co/docs/peft/package_reference/layernorm_tuning"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from studio.adapters.base import Adapter, Quantization, Start
from studio.adapters.targets import saved_names, suffix
from studio.errors import ConfigError
from studio.section import Names, knob

if TYPE_CHECKING:
    from peft import LNTuningConfig
    from transformers import PreTrainedModel


class LNTuningAdapter(Adapter):
    """Trains the norms alone, in copies of their own."""

    type: Literal["ln_tuning"] = knob("ln_tuning", flag="adapter_type")
    modules_to_save: Names = knob((), advanced=True, flag="lora_modules_to_save", aliases=("modules_to_save",))

    peft_type: ClassVar[str] = "LN_TUNING"
    quantizations: ClassVar[tuple[Quantization, ...]] = ("none",)
    expected: ClassVar[tuple[str, ...]] = ("Unsupported layer type",)
    saved: ClassVar[Mapping[str, str]] = {}

    def peft_config(self, model: PreTrainedModel, start: Start) -> LNTuningConfig:
        from peft import LNTuningConfig

        names = dict.fromkeys(
            suffix(name) for name, module in model.named_modules() if "norm" in type(module).__name__.lower()
        )
        if not names:
            raise ConfigError("adapter.type ln_tuning trains norms, and this model has none that is called so.")
        return LNTuningConfig(
            task_type="CAUSAL_LM",
            target_modules=list(names),
            modules_to_save=list(saved_names(self.modules_to_save, model)) or None,
        )
