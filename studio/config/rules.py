"""Pairs of settings that cannot be. One rule a function: None, or a sentence that names the lever.

Form, file and command line share them: they run whenever a RunConfig is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.config.run import RunConfig

Rule = Callable[["RunConfig"], str | None]


def packing_needs_max_length(config: RunConfig) -> str | None:
    if getattr(config.method, "packing", False) and config.training.max_length is None:
        return "packing needs max_length; got null. Set training.max_length or turn method.packing off."
    return None


def quantized_needs_adapter(config: RunConfig) -> str | None:
    if config.model.quantization != "none" and config.adapter is None:
        return (
            f"a {config.model.quantization} model cannot be fully fine-tuned. "
            "Set adapter: {type: lora}, or model.quantization: none."
        )
    return None


def dora_needs_plain_dtype(config: RunConfig) -> str | None:
    adapter = config.adapter
    if adapter is not None and adapter.use_dora and config.model.quantization == "8-bit":
        return "DoRA does not train on 8-bit weights. Set adapter.use_dora: false, or model.quantization: 4-bit."
    return None


def steps_need_a_number(config: RunConfig) -> str | None:
    if config.training.eval_strategy == "steps" and config.training.eval_steps is None:
        return "training.eval_strategy: steps needs training.eval_steps. Set it, or evaluate once an epoch."
    return None


def no_zero_steps(config: RunConfig) -> str | None:
    if config.training.max_steps == 0:
        return "training.max_steps is 0, so nothing would be trained. Set a number above 0, or -1 to train by epochs."
    return None


RULES: tuple[Rule, ...] = (
    packing_needs_max_length,
    quantized_needs_adapter,
    dora_needs_plain_dtype,
    steps_need_a_number,
    no_zero_steps,
)
