"""How long a run may take: from what earlier runs of this workspace took, else from how fast this machine multiplies.

Trains nothing. Knows nothing of pages.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.config import RunConfig
from studio.errors import StudioError
from studio.model.hardware import detect, matmul_rate, target_device
from studio.model.memory import ModelFacts
from studio.runs.store import RunStore
from studio.settings import Settings

RUNS_LOOKED_AT = 20
# Floating-point operations for each parameter and token: forward, through the activations back, and into the weights.
FORWARD, BACK, WEIGHTS = 2.0, 2.0, 2.0
# What training reaches of a machine's rate in large products: on CPUs as measured with smollm2 on two cores (the rest
# is padding, attention, the optimizer), on GPUs an assumption that no run has checked. And what a step costs besides.
REACHED = {"float32": 0.14, "bfloat16": 0.045}
REACHED_ON_GPU = 0.3
STEP_SECONDS = 0.03
REFERENCED = ("dpo", "kto")  # the base reads every row too


@dataclass(frozen=True)
class Estimate:
    """Seconds of training alone. `measured` by an earlier run, or reckoned from the machine's speed."""

    seconds: float
    measured: bool


def estimate(
    config: RunConfig, settings: Settings, *, facts: ModelFacts, steps: int, tokens_per_step: int
) -> Estimate | None:
    """How long the steps may take; None for a method that generates where no earlier run tells."""
    seconds = _of_earlier_run(config, settings, steps=steps, tokens_per_step=tokens_per_step)
    if seconds is not None:
        return Estimate(seconds, measured=True)
    if config.method.generates:
        return None
    try:
        kind = target_device(config.model.device_map, detect()).kind
    except StudioError:
        return None
    each = (
        FORWARD + BACK + (WEIGHTS if config.adapter is None else 0) + FORWARD * config.training.gradient_checkpointing
    )
    if config.method.type in REFERENCED:
        each += FORWARD
    operations = each * facts.parameters * steps * tokens_per_step
    reached = REACHED.get(facts.dtype, REACHED_ON_GPU) if kind == "cpu" else REACHED_ON_GPU
    rate = matmul_rate(kind, facts.dtype) * reached
    return Estimate(round(steps * STEP_SECONDS + operations / rate, 1), measured=False)


def _of_earlier_run(config: RunConfig, settings: Settings, *, steps: int, tokens_per_step: int) -> float | None:
    """At the pace of the newest run with the same model, method and kind of fine-tuning; None where there is none. A
    method that generates is held against a run with the same settings only: what it reads of the rows is the least of
    its work."""
    for record in RunStore(settings.runs_dir).list()[:RUNS_LOOKED_AT]:
        if (record.model, record.method) != (config.model.model_name_or_path, config.method.type):
            continue
        try:
            before = record.config()
        except StudioError:  # a run of another version: it tells nothing
            continue
        if not _alike(before, config):
            continue
        logs = [event for event in record.events()[0] if event.get("kind") == "log" and event.get("num_tokens")]
        if logs and logs[-1].get("elapsed_seconds"):
            last = logs[-1]
            share = steps / last["step"] if config.method.generates else steps * tokens_per_step / last["num_tokens"]
            return round(float(last["elapsed_seconds"]) * share, 1)
    return None


def _alike(before: RunConfig, config: RunConfig) -> bool:
    same = (before.adapter is None, before.model) == (config.adapter is None, config.model)
    if not config.method.generates:
        return same
    sizes = ("per_device_train_batch_size", "gradient_accumulation_steps")
    return (
        same
        and before.method == config.method
        and all(getattr(before.training, name) == getattr(config.training, name) for name in sizes)
    )
