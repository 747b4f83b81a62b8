"""Pairs of settings that cannot be. One rule a function: None, or a sentence that names the lever.

Form, file and command line share them: they run whenever a RunConfig is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from studio.config.adapter import AdapterConfig
from studio.config.model import ModelConfig
from studio.config.training import WATCH_EVALUATION, TrainingConfig
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

SCHEDULES_NEED = {
    "cosine_with_min_lr": ("min_lr_rate", "min_lr"),
    "cosine_warmup_with_min_lr": ("min_lr_rate", "min_lr"),
    "warmup_stable_decay": ("num_decay_steps",),
}


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


def best_needs_evaluation(config: Sections) -> ConfigError | None:
    training = config.training
    wanted = {
        "load_best_model_at_end": training.load_best_model_at_end,
        "early_stopping_patience": training.early_stopping_patience is not None,
        "lr_scheduler_type": training.lr_scheduler_type in WATCH_EVALUATION,
    }
    for name, chosen in wanted.items():
        if chosen and training.eval_strategy == "no":
            return ConfigError(
                "training.{name} looks at the evaluations, and training.eval_strategy is no. Set it to epoch or steps.",
                name=name,
            )
    return None


def best_is_saved(config: Sections) -> ConfigError | None:
    """The best of the evaluated states can be had back only where each was saved."""
    training = config.training
    if not training.load_best_model_at_end:
        return None
    if training.save_strategy != training.eval_strategy:
        return ConfigError(
            "training.load_best_model_at_end needs a checkpoint at each evaluation: training.save_strategy is {save}, "
            "training.eval_strategy is {eval}. Set both the same.",
            save=training.save_strategy,
            eval=training.eval_strategy,
        )
    if training.eval_strategy == "steps" and training.save_steps % (training.eval_steps or 1):
        return ConfigError(
            "training.load_best_model_at_end needs training.save_steps ({save}) to be a multiple of "
            "training.eval_steps ({eval}).",
            save=training.save_steps,
            eval=training.eval_steps,
        )
    return None


def schedules_need_settings(config: Sections) -> ConfigError | None:
    """Schedules that transformers cannot begin without an argument."""
    kind, given = config.training.lr_scheduler_type, config.training.lr_scheduler_kwargs
    needed = SCHEDULES_NEED.get(kind)
    if needed and not set(needed) & set(given):
        return ConfigError(
            "training.lr_scheduler_type {kind} needs one of {needed} in training.lr_scheduler_kwargs, "
            "such as {{{first}: {value}}}.",
            kind=kind,
            needed=", ".join(needed),
            first=needed[0],
            value="10" if "steps" in needed[0] else "0.1",
        )
    return None


def lengths_are_grouped_of_rows(config: Sections) -> ConfigError | None:
    if config.training.train_sampling_strategy != "group_by_length":
        return None
    if not config.method.groups_by_length:
        return ConfigError(
            "training.train_sampling_strategy: group_by_length works with method sft, and the method is {method}. "
            "Set it to random.",
            method=config.method.type,
        )
    if getattr(config.method, "packing", False):
        return ConfigError(
            "training.train_sampling_strategy: group_by_length puts rows of one length together, and method.packing "
            "makes all of one length. Turn one of them off."
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
    best_needs_evaluation,
    best_is_saved,
    schedules_need_settings,
    lengths_are_grouped_of_rows,
    no_zero_steps,
)
