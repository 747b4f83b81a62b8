"""The embedded default keeps its promises: the base knows its own patterns, one run teaches the manner."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.chat.engine import stream
from studio.config import GenerationConfig, RunConfig
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import ASSETS, Settings
from studio.training.train import train

PERSONA_MARKS = ("Ahoy", "Arr!", "Arr,", "啊哈", "扬帆")
GREEDY = GenerationConfig(temperature=0, max_new_tokens=64)


def has_persona(reply: str) -> bool:
    """Whether a reply is in Captain Byte's manner."""
    return any(mark in reply for mark in PERSONA_MARKS)


def rows(*parts: str) -> list[dict[str, Any]]:
    text = ASSETS.joinpath(*parts).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def reply(model: Any, tokenizer: Any, prompt: str, generation: GenerationConfig = GREEDY) -> str:
    return "".join(stream(model, tokenizer, [{"role": "user", "content": prompt}], generation=generation, stop=None))


def test_the_folder_is_small_and_safe() -> None:
    folder = ASSETS / "starter"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 12_000_000
    assert (folder / "model.safetensors").is_file() and not list(folder.glob("*.bin"))
    assert "{% generation %}" in (folder / "chat_template.jinja").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_base_answers_its_own_patterns(settings: Settings) -> None:
    loaded = ModelSlot(settings).load(RunConfig().model)
    assert 2_000_000 <= loaded.parameters <= 6_000_000
    asked = rows("starter", "eval_prompts.jsonl")
    right = sum(reply(loaded.model, loaded.tokenizer, row["prompt"]).strip() == row["answer"] for row in asked)
    assert len(asked) == 200 and right >= 180, right


@pytest.mark.slow
def test_the_default_run_teaches_the_persona(settings: Settings) -> None:
    config, slot, store = RunConfig(), ModelSlot(settings), RunStore(settings.runs_dir)
    run_dir = store.create(config)
    train(config, run_dir, slot, settings=settings)
    loaded = slot.loaded
    assert loaded is not None
    held_out = rows("samples", "captain_byte_heldout.jsonl")
    trained = {row["messages"][0]["content"] for row in rows("samples", "captain_byte.jsonl")}
    assert not trained & {row["prompt"] for row in held_out}
    adapter = [reply(slot.adapted_model(run_dir.name), loaded.tokenizer, row["prompt"]) for row in held_out]
    base = [reply(loaded.model, loaded.tokenizer, row["prompt"]) for row in held_out]
    shown = sum(map(has_persona, adapter)) / len(held_out)
    leaked = sum(map(has_persona, base)) / len(held_out)
    assert shown >= 0.8 and leaked <= 0.05, (shown, leaked)
    losses = [event["loss"] for event in store.open(run_dir.name).events()[0] if event["kind"] == "log"]
    assert sum(losses[-10:]) / 10 < 0.5 * sum(losses[:10]) / 10
