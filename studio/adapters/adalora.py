"""AdaLoRA with `peft.AdaLoraConfig`: ranks move to where they help most.
Source: https://huggingface.co/docs/peft/package_reference/adalora"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from studio.adapters.base import Layers, Start, Targeted
from studio.errors import ConfigError
from studio.section import MOST, knob

if TYPE_CHECKING:
    from peft import AdaLoraConfig
    from transformers import PreTrainedModel, TrainerCallback


SCORES = ("ipt", "exp_avg_ipt", "exp_avg_unc")  # of PEFT's RankAllocator, by parameter


class AdaLoraAdapter(Targeted):
    """LoRA that begins wide everywhere and keeps its ranks where they matter."""

    type: Literal["adalora"] = knob("adalora", flag="adapter_type")
    init_r: int = knob(12, ge=1, le=1024)
    target_r: int = knob(8, ge=1, le=1024)
    lora_alpha: float = knob(32, gt=0)
    lora_dropout: float = knob(0.05, ge=0, lt=1)
    tinit: int = knob(0, ge=0, le=MOST, advanced=True)
    tfinal: int = knob(0, ge=0, le=MOST, advanced=True)
    deltaT: int = knob(1, ge=1, le=MOST, advanced=True)  # noqa: N815 - PEFT's name
    orth_reg_weight: float = knob(0.5, gt=0, advanced=True)
    layers_to_transform: Layers = knob((), advanced=True)

    peft_type: ClassVar[str] = "ADALORA"
    # A saved one names its ranks by tensor, which PEFT's LoRA part does not know.
    expected: ClassVar[tuple[str, ...]] = ("The following rank_pattern keys did not match",)
    saved: ClassVar[Mapping[str, str]] = {
        "r": "number", "init_r": "number", "target_r": "number", "lora_alpha": "number", "rank_pattern": "ranks",
        "fan_in_fan_out": "flag", "total_step": "number", "tinit": "number", "tfinal": "number", "deltaT": "number",
    }  # fmt: skip

    @model_validator(mode="after")
    def _ranks_are_taken_away(self) -> AdaLoraAdapter:
        if self.target_r >= self.init_r:
            raise ValueError(
                ConfigError(
                    "adapter.target_r ({target}) is what is left of adapter.init_r ({initial}), so it must be less. "
                    "Lower target_r or raise init_r.",
                    target=self.target_r,
                    initial=self.init_r,
                )
            )
        return self

    def peft_config(self, model: PreTrainedModel, start: Start) -> AdaLoraConfig:
        from peft import AdaLoraConfig

        total = max(start.total_steps, 1)
        if not start.counting and self.tinit >= total - self.tfinal:
            raise ConfigError(
                "adapter.tinit ({tinit}) and tfinal ({tfinal}) leave none of the {total} steps to move ranks in. "
                "Lower them, or train longer.",
                tinit=self.tinit,
                tfinal=self.tfinal,
                total=total,
            )
        return AdaLoraConfig(
            **self.placed(model),
            init_r=self.init_r,
            target_r=self.target_r,
            lora_alpha=self.lora_alpha,
            lora_dropout=self.lora_dropout,
            tinit=self.tinit,
            tfinal=self.tfinal,
            deltaT=self.deltaT,
            orth_reg_weight=self.orth_reg_weight,
            total_step=total + self.tinit + self.tfinal if start.counting else total,
        )

    def kept(self, model: PreTrainedModel) -> dict[str, Any] | None:
        """How much each rank mattered so far."""
        allocator: Any = model.base_model.rankallocator
        pattern = getattr(model, "peft_config")["default"].rank_pattern  # noqa: B009 - PEFT's, not the model's
        return {"scores": {name: getattr(allocator, name) for name in SCORES}, "rank_pattern": pattern}

    def restore(self, model: PreTrainedModel, kept: dict[str, Any]) -> None:
        allocator: Any = model.base_model.rankallocator
        weights = dict(model.base_model.model.named_parameters())  # the allocator names them so
        for name, found in kept["scores"].items():
            setattr(allocator, name, {key: value.to(weights[key].device) for key, value in found.items()})
        getattr(model, "peft_config")["default"].rank_pattern = kept["rank_pattern"]  # noqa: B009

    def callbacks(self) -> tuple[TrainerCallback, ...]:
        from transformers import TrainerCallback

        class MoveRanks(TrainerCallback):
            """After each step, while the gradients are still there."""

            def on_optimizer_step(self, args: Any, state: Any, control: Any, *, model: Any, **kwargs: Any) -> None:
                model.base_model.update_and_allocate(state.global_step)
                for kept in (model.peft_config["default"].rank_pattern or {}).values():
                    kept[0] |= not any(kept)  # PEFT cannot read a layer without any rank back; this one's is all zeros

        return (MoveRanks(),)
