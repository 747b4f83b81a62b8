"""TrainingConfig -> the trainer's own arguments. The one seam that chooses precision and device for a run."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from studio.config import RunConfig, TrainingConfig
from studio.errors import ConfigError
from studio.evaluation import EVALUATORS
from studio.training.tracking import check_trackers

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
_OURS = frozenset(
    {
        "max_length", "gradient_checkpointing", "extra", "lr_scheduler_kwargs", "metric_for_best_model",
        "early_stopping_patience", "early_stopping_threshold", "save_strategy", "save_steps", "save_minutes",
        "save_total_limit", "on_divergence", "spike_factor",
    }
)  # fmt: skip
_SHARES = ("adam_beta1", "adam_beta2")
# Not part of transformers: (package, how pip calls it)
_PACKAGES = {
    "galore": ("galore_torch", "galore-torch"),
    "apollo": ("apollo_torch", "apollo-torch"),
    "lomo": ("lomo_optim", "lomo-optim"),
    "adalomo": ("lomo_optim", "lomo-optim"),
    "grokadamw": ("grokadamw", "grokadamw"),
    "schedule": ("schedulefree", "schedulefree"),
    "stable": ("optimi", "torch-optimi"),
    "adamw_torch_4bit": ("torchao", "torchao"),
    "adamw_torch_8bit": ("torchao", "torchao"),
    "adamw_anyprecision": ("torchdistx", "torchdistx"),
}


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
        save_strategy="no",  # when checkpoints are written, and which go, is the keeper's to say
        save_total_limit=None,
    )
    if training.load_best_model_at_end:  # the trainer wants to be told that each evaluation is saved
        arguments.update(save_strategy=training.eval_strategy, save_steps=training.eval_steps or 500)
    if training.lr_scheduler_kwargs:
        arguments["lr_scheduler_kwargs"] = dict(training.lr_scheduler_kwargs)
    if looks_for_best(training):
        arguments["metric_for_best_model"] = training.metric_for_best_model
    check_arguments(config)
    check_evaluation(training, has_eval=has_eval)
    arguments.update(training.extra)
    return arguments


def check_arguments(config: RunConfig) -> None:
    """`training.optim` and every entry of `training.extra` against the trainer's own config class, and the names of
    evaluators against those there are."""
    if config.training.optim != TrainingConfig.model_fields["optim"].default:
        _check_optimizer(config.training.optim)
    if getattr(config.method, "use_liger_kernel", False):
        _check_liger()
    check_trackers(config)
    _check_scores(config)
    kinds = config.method.argument_types() if config.training.extra else {}
    for name, value in config.training.extra.items():
        if name in TrainingConfig.model_fields:
            raise ConfigError("training.extra.{name}: set training.{name} instead.", name=name)
        if name in type(config.method).model_fields:
            raise ConfigError("training.extra.{name}: set method.{name} instead.", name=name)
        if name in RESERVED:
            raise ConfigError("training.extra.{name} is set by Tunefork itself; take it out.", name=name)
        if name not in kinds:
            raise ConfigError(
                "training.extra.{name} is no argument of this method's trainer; the nearest names are {near}.",
                name=name,
                near=_nearest(name, kinds),
            )
        _check_type(name, value, kinds[name])
        _check_value(name, value)


def looks_for_best(training: TrainingConfig) -> bool:
    """Whether evaluations are held against one another."""
    return training.load_best_model_at_end or training.early_stopping_patience is not None


def check_evaluation(training: TrainingConfig, *, has_eval: bool) -> None:
    """What looks at evaluations needs rows to evaluate on."""
    if training.watches_evaluations and not has_eval:
        raise ConfigError(
            "training.{name} looks at the evaluations, and no rows are held out for them. Set data.eval_source or "
            "data.eval_fraction, or take training.{name} out.",
            name=training.watches_evaluations[0],
        )


def _check_scores(config: RunConfig) -> None:
    """The evaluators that a run names have to be there, and so has the figure that its weights are chosen by."""
    training, section = config.training, config.evaluation
    for one in section.metrics:
        if one not in EVALUATORS:
            raise ConfigError(
                "evaluation.metrics names {value}, and there is no such evaluator; there are: {names}.",
                value=one,
                names=", ".join(EVALUATORS),
            )
    name = training.metric_for_best_model.removeprefix("eval_")
    metric = next((one for one, evaluator in EVALUATORS.items() if name in evaluator.figures), None)
    scored = section.predict_with_generate and metric in section.metrics
    if looks_for_best(training) and metric is not None and not scored:
        raise ConfigError(
            "training.metric_for_best_model {value} is a figure of scored answers. Set "
            "evaluation.predict_with_generate: true, with {metric} among evaluation.metrics.",
            value=training.metric_for_best_model,
            metric=metric,
        )


def _check_optimizer(name: str) -> None:
    from importlib.util import find_spec

    from transformers.training_args import OptimizerNames

    known = [str(one.value) for one in OptimizerNames]
    if name not in known:
        raise ConfigError(
            "training.optim is {value!r}, which transformers does not have; the nearest names are {near}.",
            value=name,
            near=_nearest(name, known),
        )
    package, to_install = _PACKAGES.get(name) or _PACKAGES.get(name.partition("_")[0]) or ("torch", "torch")
    if find_spec(package) is None:
        raise ConfigError(
            "training.optim {value} needs the package {package}, which is not installed. "
            "Run: pip install {package}, or choose another such as adamw_torch.",
            value=name,
            package=to_install,
        )


def _check_liger() -> None:
    from importlib.util import find_spec

    from studio.model import hardware

    if hardware.detect().kind != "cuda":
        raise ConfigError("method.use_liger_kernel needs an NVIDIA or AMD GPU, and none is here. Turn it off.")
    if find_spec("liger_kernel") is None:
        raise ConfigError(
            "method.use_liger_kernel needs the package liger-kernel, which is not installed. "
            "Run: pip install liger-kernel, or turn it off."
        )


def _check_type(name: str, value: Any, kind: Any) -> None:
    try:
        TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
    except ValidationError as error:
        raise ConfigError(
            "training.extra.{name} is {value!r}; the trainer takes {kind}.",
            name=name,
            value=str(value)[:60],
            kind=str(getattr(kind, "__name__", kind)).replace("typing.", ""),
        ) from error


def _check_value(name: str, value: Any) -> None:
    """What a library finds out only once the model is loaded."""
    from importlib.util import find_spec

    if name in _SHARES and not 0 <= float(value) < 1:
        raise ConfigError("training.extra.{name} is {value}; it is at least 0 and less than 1.", name=name, value=value)
    if name != "deepspeed" or not value:
        return
    if find_spec("deepspeed") is None:
        raise ConfigError(
            "training.extra.deepspeed needs the package deepspeed, which is not installed. "
            "Run: pip install deepspeed, or take it out."
        )
    if isinstance(value, str) and not Path(value).is_file():
        raise ConfigError("training.extra.deepspeed: there is no file {path}.", path=value)


def _nearest(name: str, names: Iterable[str]) -> str:
    return ", ".join(difflib.get_close_matches(name, list(names), n=3, cutoff=0))


def steps_of(training: TrainingConfig, sequences: int) -> int:
    """Optimizer steps of a run over `sequences` rows (packed blocks, when packing), as the trainer counts them."""
    if training.max_steps > 0:
        return training.max_steps
    batches = -(-sequences // training.per_device_train_batch_size)
    updates = max(-(-batches // training.gradient_accumulation_steps), 1)
    return -int(-(training.num_train_epochs * updates) // 1)
