"""Pairs of settings that cannot be. One rule a function: None, or a sentence that names the lever.

Form, file and command line share them: they run whenever a RunConfig is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from studio.config.adapter import AdapterConfig
from studio.config.model import ModelConfig
from studio.config.training import TrainingConfig
from studio.errors import ConfigError
from studio.methods import Method


class Sections(Protocol):
    """What a rule looks at: the sections of a RunConfig."""

    @property
    def method(self) -> Method: ...
    @property
    def model(self) -> ModelConfig: ...
    @property
    def adapter(self) -> AdapterConfig | None: ...
    @property
    def training(self) -> TrainingConfig: ...


Rule = Callable[[Sections], ConfigError | None]


def packing_needs_max_length(config: Sections) -> ConfigError | None:
    if getattr(config.method, "packing", False) and config.training.max_length is None:
        return ConfigError("packing needs max_length; got null. Set training.max_length or turn method.packing off.")
    return None


def dropping_needs_max_length(config: Sections) -> ConfigError | None:
    if config.training.truncation_mode == "drop" and config.training.max_length is None:
        return ConfigError(
            "training.truncation_mode: drop needs training.max_length, beyond which rows are left out; got null. "
            "Set max_length, or training.truncation_mode: keep_start."
        )
    return None


def quantized_needs_adapter(config: Sections) -> ConfigError | None:
    if config.model.quantization != "none" and config.adapter is None:
        return ConfigError(
            "A {form} model cannot be fully fine-tuned. Set adapter: {{type: lora}}, or model.quantization: none.",
            form=config.model.quantization,
        )
    return None


def dora_needs_plain_weights(config: Sections) -> ConfigError | None:
    if config.adapter is not None and config.adapter.use_dora and config.model.quantization == "8-bit":
        return ConfigError(
            "DoRA does not train on 8-bit weights. Set adapter.use_dora: false, or model.quantization: 4-bit."
        )
    return None


def steps_need_a_number(config: Sections) -> ConfigError | None:
    if config.training.eval_strategy == "steps" and config.training.eval_steps is None:
        return ConfigError(
            "training.eval_strategy: steps needs training.eval_steps. Set it, or evaluate once an epoch."
        )
    return None


def no_zero_steps(config: Sections) -> ConfigError | None:
    if config.training.max_steps == 0:
        return ConfigError(
            "training.max_steps is 0, so nothing would be trained. Set a number above 0, or -1 to train by epochs."
        )
    return None


RULES: tuple[Rule, ...] = (
    packing_needs_max_length,
    dropping_needs_max_length,
    quantized_needs_adapter,
    dora_needs_plain_weights,
    steps_need_a_number,
    no_zero_steps,
)
