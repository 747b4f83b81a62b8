"""Which figures of a run are drawn, and which of its answers a page is handed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from studio.config import RunConfig
from studio.runs import EventLog, RunStore
from studio.runs.summary import summed
from studio.ui.answered import answers_at, steps_with_answers
from studio.ui.curves import FAMILIES, MOST_POINTS, curves, family_of
from studio.ui.live import LiveRuns
from studio.ui.words import flat_words


def log(step: int, **figures: Any) -> dict[str, Any]:
    return {"kind": "log", "step": step, "loss": 1.0, **figures}


def drawn(events: list[dict[str, Any]]) -> dict[tuple[str, str, bool], list[Any]]:
    return {(one["family"], one["name"], one["evaluated"]): one["points"] for one in curves(summed(events))}


def test_figures_are_drawn_with_their_family_in_its_order() -> None:
    events = [
        log(1, **{"rewards/margins": 0.5, "rewards/chosen": 0.2, "rewards/accuracies": 1.0, "logps/chosen": -9.0}),
        {"kind": "evaluated", "step": 1, "eval_rewards/margins": 0.4, "eval_bleu": 12.0, "eval_rouge1": 30.0},
        log(2, **{"rewards/margins": "nan", "rewards/chosen": 0.3, "rewards/accuracies": True}),
    ]
    found = drawn(events)
    assert list(found) == [
        ("rewards", "rewards/chosen", False), ("rewards", "rewards/margins", False),
        ("rewards", "rewards/margins", True), ("choices", "rewards/accuracies", False),
        ("answers", "rouge1", True), ("answers", "bleu", True),
    ]  # fmt: skip
    assert found["rewards", "rewards/chosen", False] == [[1, 0.2], [2, 0.3]]
    assert found["rewards", "rewards/margins", False] == [[1, 0.5]]  # what is no number leaves a gap
    assert found["rewards", "rewards/margins", True] == [[1, 0.4]]


def test_every_reward_function_has_a_curve_of_its_own() -> None:
    found = drawn(
        [log(1, reward=1.5, **{"rewards/contains/mean": 1.0, "rewards/len<b>/mean": 0.5, "rewards/x/std": 2.0})]
    )
    assert [name for _, name, _ in found] == ["reward", "rewards/contains/mean", "rewards/len<b>/mean"]
    assert family_of("loss") is None and family_of("reward_std") is None


def test_many_points_are_thinned_to_their_extremes() -> None:
    values = [math.sin(step / 50) for step in range(10_000)]
    values[7_001] = 9.0
    kept = drawn([log(step, kl=value) for step, value in enumerate(values)])["kl", "kl", False]
    assert len(kept) <= MOST_POINTS and [7_001, 9.0] in kept
    assert kept == sorted(kept) and min(value for _, value in kept) == min(values)


def test_every_family_and_its_usual_figures_have_words() -> None:
    for lang in ("en", "zh"):
        words = flat_words(lang)
        for family, names in FAMILIES.items():
            assert f"live.show_{family}" in words
            assert all(f"live.curves.{name}" in words for name in names if "*" not in name)


def test_the_poll_names_the_steps_and_the_answers_are_asked_for(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    folder = store.create(RunConfig())
    with EventLog(folder) as events:
        events.write("log", 1, loss=1.0)
        for step in (5, 10):
            for number in (1, 2):
                events.write(
                    "sample", step, number=number, prompt="p", policy=f"{step} {number}", base="b", more={"x": 1}
                )
        events.write("sample", 10, prompt="q", policy="r", rewards={"contains": 1.0, "length": None, "odd": "nan"})
    runs = LiveRuns(store, lambda: None)
    answer = runs.poll({"run": folder.name})
    assert answer["answered"] == [5, 10] and all(note["kind"] != "sample" for note in answer.get("notes", ()))
    assert runs.answers({"run": folder.name, "step": 5}) == {
        "step": 5,
        "answers": [{"prompt": "p", "policy": f"5 {number}", "base": "b"} for number in (1, 2)],
    }
    last = runs.answers({"run": folder.name, "step": 10})["answers"][-1]
    assert last["rewards"] == {"contains": 1.0, "length": None, "odd": None}
    for odd in (None, 7, {}, {"run": "../x", "step": 5}, {"run": folder.name, "step": "5"}, {"run": 3, "step": 5}):
        assert runs.answers(odd) == {}
    assert steps_with_answers([]) == [] and answers_at([{"kind": "sample", "step": 1, "prompt": 4}], 1) == [{}]
