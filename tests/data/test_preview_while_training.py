"""A preview or a plan while a run trains in the same process: neither disturbs the other."""

from __future__ import annotations

import time
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.data.preview import preview
from studio.model.load import load_tokenizer
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import Settings
from studio.training.plan import plan
from studio.training.worker import Worker

STEPS = 20
FIGURES = ("step", "loss", "grad_norm", "learning_rate", "mean_token_accuracy", "num_tokens")
# What a person may try in the form meanwhile: each gives other tokens, another adapter or another model's shape.
TRIED: tuple[dict[str, Any], ...] = (
    {"training": {"max_length": 32}},
    {"training": {"max_length": 48}, "method": {"type": "sft", "assistant_only_loss": True}},
    {"training": {"max_length": 64}, "method": {"type": "sft", "completion_only_loss": False, "packing": True}},
    {"adapter": {"type": "lora", "r": 3, "use_dora": True, "modules_to_save": ["lm_head"]}},
    {"data": {"system_prompt": "Answer as a cat."}, "training": {"seed": 7}},
)


@pytest.fixture
def worker(settings: Settings) -> Worker:
    return Worker(RunStore(settings.runs_dir), ModelSlot(settings), settings)


def run_of() -> RunConfig:
    """Dropout draws from the process's random numbers, so that a preview which draws from them too would show."""
    return build(
        {
            "adapter": {"type": "lora", "lora_dropout": 0.2},
            "training": {"max_steps": STEPS, "eval_strategy": "no", "save_strategy": "no"},
        }
    )


def logged(settings: Settings, run_id: str) -> list[dict[str, Any]]:
    events, _ = RunStore(settings.runs_dir).open(run_id).events()
    return [{name: event[name] for name in FIGURES} for event in events if event["kind"] == "log"]


def look_around(settings: Settings, tried: dict[str, Any]) -> None:
    config = build(tried)
    tokenizer = load_tokenizer(config.model, settings)
    assert preview(config, settings=settings, tokenizer=tokenizer, rows=8).rows
    assert plan(config, settings).ok


def test_they_neither_disturb_nor_block_one_another(worker: Worker, settings: Settings) -> None:
    alone = worker.start(run_of())
    assert worker.join(120)

    watched = worker.start(run_of())
    deadline = time.monotonic() + 60
    while not logged(settings, watched) and time.monotonic() < deadline:
        time.sleep(0.01)
    seconds = []
    while worker.current and time.monotonic() < deadline:
        began = time.monotonic()
        look_around(settings, TRIED[len(seconds) % len(TRIED)])
        if worker.current:
            seconds.append(time.monotonic() - began)
    assert worker.join(60)

    assert len(seconds) >= len(TRIED) and max(seconds) < 5, seconds
    assert len(logged(settings, watched)) == STEPS
    assert logged(settings, watched) == logged(settings, alone)
