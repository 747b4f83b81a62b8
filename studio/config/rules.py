"""Pairs of settings that cannot be. One rule a function: None, or a sentence that names the lever.

Form, file and command line share them: they run whenever a RunConfig is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from studio.adapters import ADAPTERS, LoraAdapter
from studio.adapters.lora import MOVE_WEIGHTS
from studio.config.adapter import AdapterConfig
from studio.config.evaluation import FIGURES, EvaluationConfig
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
    @property
    def evaluation(self) -> EvaluationConfig: ...


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


def packing_has_no_padding(config: Sections) -> ConfigError | None:
    if getattr(config.method, "packing", False) and getattr(config.method, "padding_free", False):
        return ConfigError("method.packing leaves no padding already. Turn method.padding_free off.")
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


def adapters_know_quantizations(config: Sections) -> ConfigError | None:
    adapter, form = config.adapter, config.model.quantization
    if adapter is not None and form not in adapter.quantizations:
        fitting = [name for name, kind in ADAPTERS.items() if form in kind.quantizations]
        return ConfigError(
            "adapter.type {type} does not train on {form} weights. Set model.quantization: none, or one of these "
            "types: {fitting}.",
            type=adapter.type,
            form=form,
            fitting=", ".join(fitting),
        )
    return None


def dora_needs_plain_weights(config: Sections) -> ConfigError | None:
    if isinstance(config.adapter, LoraAdapter) and config.adapter.use_dora and config.model.quantization == "8-bit":
        return ConfigError(
            "DoRA does not train on 8-bit weights. Set adapter.use_dora: false, or model.quantization: 4-bit."
        )
    return None


def beginnings_fit_the_weights(config: Sections) -> ConfigError | None:
    """PiSSA, OLoRA and EVA read plain weights; LoftQ makes up for what NF4 lost."""
    if not isinstance(config.adapter, LoraAdapter):
        return None
    initial, form = config.adapter.init_lora_weights, config.model.quantization
    if initial == "loftq" and form != "4-bit":
        return ConfigError(
            "adapter.init_lora_weights: loftq makes up for what 4-bit weights lost, and model.quantization is {form}. "
            "Set it to 4-bit, or adapter.init_lora_weights: default.",
            form=form,
        )
    if initial in (*MOVE_WEIGHTS, "eva", "orthogonal") and form != "none":
        return ConfigError(
            "adapter.init_lora_weights: {initial} needs the model's plain weights, and model.quantization is {form}. "
            "Set it to none, or adapter.init_lora_weights: default.",
            initial=initial,
            form=form,
        )
    return None


def moved_weights_have_no_reference(config: Sections) -> ConfigError | None:
    """The reference is the base with the adapter switched off, which is another one where weights moved."""
    adapter = config.adapter
    if not (isinstance(adapter, LoraAdapter) and adapter.moves_weights):
        return None
    if adapter.use_dora or (adapter.use_rslora and (adapter.rank_pattern or adapter.alpha_pattern)):
        return ConfigError(
            "adapter.init_lora_weights: {initial} is saved as plain LoRA, which does not go with use_dora, nor with "
            "use_rslora and a pattern. Turn these off, or set adapter.init_lora_weights: default.",
            initial=adapter.init_lora_weights,
        )
    if config.method.has_reference:
        return ConfigError(
            "adapter.init_lora_weights: {initial} takes weights out of the base, and method {method} measures against "
            "the base with the adapter off. Set adapter.init_lora_weights: default.",
            initial=adapter.init_lora_weights,
            method=config.method.type,
        )
    return None


def continuing_keeps_its_reference(config: Sections) -> ConfigError | None:
    adapter, method = config.adapter, config.method
    ahead = getattr(method, "precompute_ref_log_probs", False)
    if ahead and method.has_reference and adapter is not None and adapter.adapter_name_or_path is not None:
        return ConfigError(
            "method.precompute_ref_log_probs reads the rows before the adapter of adapter.adapter_name_or_path is put "
            "on, and answers are measured against what that adapter was at first. Turn it off."
        )
    return None


def continuing_needs_a_beside(config: Sections) -> ConfigError | None:
    adapter = config.adapter
    if adapter is None or adapter.adapter_name_or_path is None:
        return None
    if not adapter.beside:
        return ConfigError(
            "adapter.adapter_name_or_path goes on with an adapter, and adapter.type {type} makes none. "
            "Set model.model_name_or_path to the model to go on with.",
            type=adapter.type,
        )
    if isinstance(adapter, LoraAdapter) and adapter.init_lora_weights != "default":
        return ConfigError(
            "adapter.adapter_name_or_path goes on with weights that are there, so there is nothing to initialize. "
            "Set adapter.init_lora_weights: default."
        )
    return None


def heads_are_saved(config: Sections) -> ConfigError | None:
    """A head for scores is saved among an adapter's whole modules."""
    adapter = config.adapter
    if config.method.chats or adapter is None or "modules_to_save" in type(adapter).model_fields:
        return None
    return ConfigError(
        "Method {method} trains a head for scores, which adapter.type {type} cannot save. Set adapter.type: lora.",
        method=config.method.type,
        type=adapter.type,
    )


def unsloth_trains_lora(config: Sections) -> ConfigError | None:
    """Its kernels know LoRA at linear layers of a model that writes."""
    adapter = config.adapter
    if not config.model.use_unsloth:
        return None
    plain = isinstance(adapter, LoraAdapter) and adapter.init_lora_weights == "default" and not adapter.use_dora
    if not plain or not config.method.chats or config.model.merged_adapters:
        return ConfigError(
            "model.use_unsloth trains plain LoRA of a model that writes: adapter.type lora with init_lora_weights "
            "default and without use_dora, no method reward, no model.merged_adapters. Set these so, or turn it off."
        )
    return None


def merging_needs_plain_weights(config: Sections) -> ConfigError | None:
    if config.model.merged_adapters and config.model.quantization != "none":
        return ConfigError(
            "model.merged_adapters are added to the model's weights, which {form} weights do not take. "
            "Set model.quantization: none, or continue the adapter with adapter.adapter_name_or_path.",
            form=config.model.quantization,
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


def answers_need_evaluations(config: Sections) -> ConfigError | None:
    section = config.evaluation
    wanted = {
        "predict_with_generate": section.predict_with_generate,
        "generate_samples": section.generate_samples > 0,
    }
    for name, chosen in wanted.items():
        if chosen and not config.method.chats:
            return ConfigError(
                "evaluation.{name} has the model write answers, and method {method} trains one that scores them. "
                "Take evaluation.{name} out.",
                name=name,
                method=config.method.type,
            )
        if chosen and config.training.eval_strategy == "no":
            return ConfigError(
                "evaluation.{name} has the model answer at the evaluations, and training.eval_strategy is no. "
                "Set it to epoch or steps, or take evaluation.{name} out.",
                name=name,
            )
    return None


def best_answers_are_scored(config: Sections) -> ConfigError | None:
    """The figure that weights are chosen by has to be there."""
    training = config.training
    name = training.metric_for_best_model.removeprefix("eval_")
    looked_at = training.load_best_model_at_end or training.early_stopping_patience is not None
    metric = next((one for one, figures in FIGURES.items() if name in figures), None)
    if looked_at and metric is not None and name not in config.evaluation.figures:
        return ConfigError(
            "training.metric_for_best_model {value} is a figure of scored answers. Set "
            "evaluation.predict_with_generate: true, with {metric} among evaluation.metrics.",
            value=training.metric_for_best_model,
            metric=metric,
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
    packing_has_no_padding,
    dropping_needs_max_length,
    quantized_needs_adapter,
    adapters_know_quantizations,
    dora_needs_plain_weights,
    beginnings_fit_the_weights,
    moved_weights_have_no_reference,
    continuing_needs_a_beside,
    continuing_keeps_its_reference,
    heads_are_saved,
    unsloth_trains_lora,
    merging_needs_plain_weights,
    steps_need_a_number,
    best_needs_evaluation,
    best_is_saved,
    schedules_need_settings,
    lengths_are_grouped_of_rows,
    answers_need_evaluations,
    best_answers_are_scored,
    no_zero_steps,
)
