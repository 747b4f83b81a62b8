"""What the model wrote while a run trained, as a page shows it: `sample` events, step by step. Draws nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from studio.runs.track import finite

TEXTS = ("prompt", "reference", "policy", "base")
MOST_ANSWERS = 64  # of one step
MOST_STEPS = 500  # that can be chosen, the latest
LONGEST_NAME = 60


def steps_with_answers(events: Iterable[dict[str, Any]]) -> list[int]:
    """The steps at which the model wrote something, the latest last."""
    steps = {int(event.get("step") or 0) for event in events if event["kind"] == "sample"}
    return sorted(steps)[-MOST_STEPS:]


def answers_at(events: Iterable[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    """What it wrote at one step: texts, and what each reward gave. What is neither is left out."""
    found: list[dict[str, Any]] = []
    for event in events:
        if event["kind"] != "sample" or event.get("step") != step or len(found) == MOST_ANSWERS:
            continue
        one: dict[str, Any] = {name: event[name] for name in TEXTS if isinstance(event.get(name), str)}
        rewards = event.get("rewards")
        if isinstance(rewards, dict) and rewards:
            one["rewards"] = {str(name)[:LONGEST_NAME]: finite(value) for name, value in rewards.items()}
        found.append(one)
    return found
