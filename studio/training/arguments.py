"""TrainingConfig -> the trainer's own arguments. The one seam that chooses precision and device for a run."""

from __future__ import annotations

import difflib
from typing import Any

from studio.config import RunConfig, TrainingConfig
from studio.errors import ConfigError

# Ours, or what a run must not leave to chance; `extra` may not set them.
RESERVED = frozenset(
    {
        "output_dir",
        "hub_token",
        "push_to_hub",
        "report_to",
        "use_cpu",
        "disable_tqdm",
        "logging_nan_inf_filter",
        # What would make the trainer's tokens other than the preview's:
        "truncation_mode",
        "eos_token",
        "chat_template_path",
        "dataset_text_field",
        "dataset_kwargs",
        "packing_strategy",
        "padding_free",
        "eval_packing",
    }
)
_OURS = frozenset({"max_length", "gradient_checkpointing", "extra"})


def trainer_arguments(config: RunConfig, *, device: str, dtype: str, has_eval: bool) -> dict[str, Any]:
    """Keyword arguments of the trainer's config class for weights of `dtype` on `device` ("cpu", "cuda:0", ...)."""
    training = config.training
    arguments: dict[str, Any] = {
        name: getattr(training, name) for name in TrainingConfig.model_fields if name not in _OURS
    }
    cpu = device == "cpu"
    cuda = device.startswith("cuda")
    arguments.update(
        max_length=training.max_length,
        activation_checkpointing=training.gradient_checkpointing,  # its name from transformers 5.23 on
        gradient_checkpointing=None,
        eval_strategy=training.eval_strategy if has_eval else "no",
        logging_strategy="steps",
        logging_first_step=True,
        logging_nan_inf_filter=False,  # by default a NaN loss is logged as 0.0
        report_to=[],
        disable_tqdm=True,
        use_cpu=cpu,
        # Autocast over half-precision weights keeps float32 adapters fast on a GPU; on a CPU it only costs.
        bf16=cuda and dtype == "bfloat16",
        fp16=cuda and dtype == "float16",
        dataloader_pin_memory=cuda,
        save_only_model=False,
    )
    check_extra(config)
    arguments.update(training.extra)
    return arguments


def check_extra(config: RunConfig) -> None:
    """Every name in `training.extra` must be an argument of the method's trainer, and not one of ours."""
    extra = config.training.extra
    if not extra:
        return
    names = config.method.argument_names()
    for name in extra:
        if name in RESERVED:
            raise ConfigError("training.extra.{name} is set by Tunefork itself; take it out.", name=name)
        if name in TrainingConfig.model_fields:
            raise ConfigError("training.extra.{name}: set training.{name} instead.", name=name)
        if name in type(config.method).model_fields:
            raise ConfigError("training.extra.{name}: set method.{name} instead.", name=name)
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise ConfigError(
                "training.extra.{name} is no argument of this method's trainer; the nearest name is {near}.",
                name=name,
                near=near[0] if near else "none",
            )


def steps_of(training: TrainingConfig, sequences: int) -> int:
    """Optimizer steps of a run over `sequences` rows (packed blocks, when packing), as the trainer counts them."""
    if training.max_steps > 0:
        return training.max_steps
    batches = -(-sequences // training.per_device_train_batch_size)
    updates = max(-(-batches // training.gradient_accumulation_steps), 1)
    return -int(-(training.num_train_epochs * updates) // 1)
