"""How long a run may take, from what earlier runs of this workspace took. Measures nothing itself."""

from __future__ import annotations

from studio.config import RunConfig
from studio.errors import StudioError
from studio.runs.store import RunStore
from studio.settings import Settings

RUNS_LOOKED_AT = 20


def estimated_seconds(config: RunConfig, settings: Settings, *, steps: int, tokens_per_step: int) -> float | None:
    """Of training alone, at the pace of the newest run with the same model, method and kind of fine-tuning; None
    where there is none. A method that generates is held against a run with the same settings only: what it reads of
    the rows is the least of its work."""
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
