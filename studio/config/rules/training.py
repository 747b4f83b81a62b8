"""How long and in what batches a run trains, when it evaluates and what it keeps."""

from __future__ import annotations

from studio.config.rules.base import Rule, Sections
from studio.errors import ConfigError

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


def steps_need_a_number(config: Sections) -> ConfigError | None:
    if config.training.eval_strategy == "steps" and config.training.eval_steps is None:
        return ConfigError(
            "training.eval_strategy: steps needs training.eval_steps. Set it, or evaluate once an epoch."
        )
    return None


def best_needs_evaluation(config: Sections) -> ConfigError | None:
    watching = config.training.watches_evaluations
    if watching and config.training.eval_strategy == "no":
        return ConfigError(
            "training.{name} looks at the evaluations, and training.eval_strategy is no. Set it to epoch or steps.",
            name=watching[0],
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


def kto_needs_neighbours(config: Sections) -> ConfigError | None:
    """Its KL term is estimated with the answer of another row of the micro-batch."""
    alone = config.training.per_device_train_batch_size == 1
    if alone and config.method.type == "kto" and getattr(config.method, "loss_type", "") == "kto":
        return ConfigError(
            "method.loss_type: kto puts each answer to its neighbour's prompt too, and "
            "training.per_device_train_batch_size is 1. Set it to 2 or more, or method.loss_type: apo_zero_unpaired."
        )
    return None


def no_zero_steps(config: Sections) -> ConfigError | None:
    if config.training.max_steps == 0:
        return ConfigError(
            "training.max_steps is 0, so nothing would be trained. Set a number above 0, or -1 to train by epochs."
        )
    return None


TRAINING_RULES: tuple[Rule, ...] = (
    packing_needs_max_length,
    packing_has_no_padding,
    dropping_needs_max_length,
    steps_need_a_number,
    best_needs_evaluation,
    schedules_need_settings,
    lengths_are_grouped_of_rows,
    answers_need_evaluations,
    kto_needs_neighbours,
    no_zero_steps,
)
