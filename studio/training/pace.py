"""How long a run may take, from what earlier runs of this workspace took. Measures nothing itself."""

from __future__ import annotations

from studio.config import RunConfig
from studio.errors import StudioError
from studio.runs.store import RunStore
from studio.settings import Settings

RUNS_LOOKED_AT = 20


def tokens_per_second(config: RunConfig, settings: Settings) -> float | None:
    """The pace of the newest run with the same model, method and kind of fine-tuning; None where there is none."""
    for record in RunStore(settings.runs_dir).list()[:RUNS_LOOKED_AT]:
        if (record.model, record.method) != (config.model.model_name_or_path, config.method.type):
            continue
        try:
            before = record.config()
        except StudioError:  # a run of another version: it tells nothing
            continue
        if (before.adapter is None, before.model) != (config.adapter is None, config.model):
            continue
        logs = [event for event in record.events()[0] if event.get("kind") == "log" and event.get("num_tokens")]
        if logs and logs[-1].get("elapsed_seconds"):
            return float(logs[-1]["num_tokens"]) / float(logs[-1]["elapsed_seconds"])
    return None


def seconds_of(steps: int, tokens_per_step: int, pace: float | None) -> float | None:
    """Seconds for so many steps at a pace in tokens a second; None where no pace is known."""
    return round(steps * tokens_per_step / pace, 1) if pace else None
