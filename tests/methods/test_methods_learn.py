"""Each method moves its own figure the right way in a short run of the starter, by more than luck would.

Better answers hold one of four words at a random place, worse ones one of four others; the rest is drawn from the same
words. So nothing tells them apart before training, and pairs that were held out are told apart after it.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from studio.config.files import build
from studio.methods import METHODS
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import Settings
from studio.training.train import train

WORDS = ("the", "cat", "dog", "sea", "ship", "wind", "cold", "blue", "old", "big", "hello", "day", "night", "sun")
BETTER, WORSE = ("yes", "gold", "ahoy", "good"), ("no", "mud", "meow", "bad")


def pairs(count: int, *, seed: int) -> list[dict[str, Any]]:
    drawn = random.Random(seed)

    def answer(marks: tuple[str, ...]) -> str:
        words = [drawn.choice(WORDS) for _ in range(drawn.randint(3, 6))]
        words.insert(drawn.randrange(len(words) + 1), drawn.choice(marks))
        return " ".join(words)

    return [
        {"prompt": f"say {drawn.choice(WORDS)} {at}", "chosen": answer(BETTER), "rejected": answer(WORSE)}
        for at in range(seed, seed + count)
    ]


def votes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One answer of each pair, better and worse in turn."""
    return [
        {"prompt": row["prompt"], "completion": row["rejected" if at % 2 else "chosen"], "label": at % 2 == 0}
        for at, row in enumerate(rows)
    ]


@dataclass(frozen=True)
class Learned:
    """A figure of the rows held out, before the first step and after the last."""

    before: dict[str, float]
    after: dict[str, float]

    def moved(self, figure: str) -> float:
        return self.after[figure] - self.before[figure]


def events_of(config: Any, settings: Settings) -> list[dict[str, Any]]:
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    assert train(config, run_dir, ModelSlot(settings), settings=settings).status == "finished"
    return list(store.open(run_dir.name).events()[0])


def learned(method: dict[str, Any], folder: Path, settings: Settings) -> Learned:
    sources = {"source": pairs(64, seed=100), "eval_source": pairs(32, seed=1000)}
    for name, rows in sources.items():
        made = votes(rows) if method["type"] == "kto" else rows
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    config = build(
        {
            "method": method,
            "data": {name: str(folder / f"{name}.jsonl") for name in sources},
            "training": {
                "learning_rate": 1e-3, "max_steps": 32, "per_device_train_batch_size": 8, "max_length": 64,
                "save_strategy": "no", "eval_strategy": "steps", "eval_steps": 32, "per_device_eval_batch_size": 32,
                "extra": {"eval_on_start": True},
            },
        }
    )  # fmt: skip
    before, after = [one for one in events_of(config, settings) if one["kind"] == "evaluated"]
    return Learned(before, after)


def test_a_reward_model_tells_better_answers_from_worse(settings: Settings, tmp_path: Path) -> None:
    found = learned({"type": "reward"}, tmp_path, settings)
    assert 0.3 < found.before["eval_accuracy"] < 0.7
    assert found.after["eval_accuracy"] > 0.8 and found.after["eval_margin"] > 2


def test_dpo_makes_the_margin_grow(settings: Settings, tmp_path: Path) -> None:
    found = learned({"type": "dpo"}, tmp_path, settings)
    assert found.before["eval_rewards/margins"] == 0  # still the reference itself
    assert found.after["eval_rewards/margins"] > 1.5 and found.after["eval_rewards/accuracies"] > 0.8
    assert found.after["eval_loss"] < 0.42


def test_kto_parts_what_is_liked_from_what_is_not(settings: Settings, tmp_path: Path) -> None:
    found = learned({"type": "kto"}, tmp_path, settings)
    assert found.before["eval_rewards/chosen"] == found.before["eval_rewards/rejected"] == 0
    assert found.after["eval_rewards/chosen"] - found.after["eval_rewards/rejected"] > 1
    assert found.after["eval_loss"] < 0.42


@pytest.mark.parametrize(
    ("method", "margin"),
    [
        ({"type": "orpo", "beta": 1.0}, 0.5),
        ({"type": "cpo"}, 1.0),
        ({"type": "cpo", "loss_type": "simpo", "beta": 2, "cpo_alpha": 0}, 4.0),
    ],
    ids=["orpo", "cpo", "simpo"],
)
def test_without_a_reference_the_margin_grows_too(
    method: dict[str, Any], margin: float, settings: Settings, tmp_path: Path
) -> None:
    found = learned(method, tmp_path, settings)
    assert 0.2 < found.before["eval_rewards/accuracies"] < 0.8
    assert found.moved("eval_rewards/margins") > margin and found.after["eval_rewards/accuracies"] > 0.8
    if method.get("cpo_alpha") != 0:  # the better answer is learned as well
        assert found.moved("eval_nll_loss") < -3


@pytest.mark.slow
def test_grpo_makes_answers_worth_more(settings: Settings, tmp_path: Path) -> None:
    """Answers of ten characters are worth 1; those of the starter are twice as long, and worth nothing."""
    asked = ["Hm.", "So?", "Well, well.", "And then?"] * 8
    rows = ({"prompt": [{"role": "user", "content": one}]} for one in asked)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = build(
        {
            "method": {
                "type": "grpo", "reward_funcs": "length", "reward_length": 10, "num_generations": 8,
                "max_completion_length": 16, "temperature": 1.5,
            },
            "data": {"source": str(tmp_path / "rows.jsonl"), "eval_fraction": 0},
            "training": {
                "learning_rate": 1e-3, "lr_scheduler_type": "constant", "max_steps": 24, "save_strategy": "no",
                "per_device_train_batch_size": 16,
            },
        }
    )  # fmt: skip
    rewards = [one["reward"] for one in events_of(config, settings) if one["kind"] == "log"]
    assert len(rewards) == 24
    assert fmean(rewards[:4]) < 0.2 and fmean(rewards[-6:]) > fmean(rewards[:4]) + 0.25


def test_every_method_but_sft_is_here() -> None:
    """Of SFT every other test sees the loss fall."""
    named = {name for name in METHODS if f'"type": "{name}"' in Path(__file__).read_text(encoding="utf-8")}
    assert named == set(METHODS) - {"sft"}
