"""A run that is stopped and goes on gives the curve and the weights of the unbroken one, to the last bit."""

from __future__ import annotations

from typing import Any

import pytest

from studio.runs.checkpoint import whole
from studio.runs.stopping import ask_to_stop
from studio.settings import ASSETS
from studio.training import callback
from tests.training.conftest import Bench, assert_same

SAMPLES = ASSETS / "samples"
PAIRS = {"source": str(SAMPLES / "captain_byte_pairs.jsonl")}
VOTES = {"source": str(SAMPLES / "captain_byte_votes.jsonl")}
FACTS = {
    "source": str(SAMPLES / "captain_byte_heldout.jsonl"), "format": "alpaca",
    "columns": {"instruction": "prompt", "output": "answer_fact"},
}  # fmt: skip
GRPO = {
    "type": "grpo", "reward_funcs": ["contains", "length"], "reward_length": 30, "reference_column": "answer_fact",
    "num_generations": 4, "max_completion_length": 12, "temperature": 1.5,
}  # fmt: skip
BY_STEPS = {"eval_strategy": "steps", "eval_steps": 2}

KINDS: dict[str, dict[str, Any]] = {
    "sft": {},
    "packing": {"method": {"type": "sft", "packing": True}, "training": {"max_length": 64}},
    "dpo": {"method": "dpo", "data": PAIRS},
    "reward": {"method": "reward", "data": PAIRS},
    "kto": {"method": "kto", "data": VOTES},
    "orpo": {"method": "orpo", "data": PAIRS},
    "cpo": {"method": {"type": "cpo", "loss_type": "sigmoid", "cpo_alpha": 1.0}, "data": PAIRS},
    "grpo": {"method": GRPO, "data": FACTS, "training": {"max_steps": 6, "eval_strategy": "no"}},
    "grpo-iterations": {
        "method": {**GRPO, "beta": 0.02, "num_iterations": 2}, "data": FACTS,
        "training": {"max_steps": 6, "eval_strategy": "no"},
    },
    "group-by-length": {"training": {"train_sampling_strategy": "group_by_length"}},
    "best": {"training": {
        **BY_STEPS, "save_strategy": "steps", "save_steps": 2, "load_best_model_at_end": True, "learning_rate": 0.02,
    }},
    "early": {"training": {
        **BY_STEPS, "num_train_epochs": 8, "early_stopping_patience": 2, "early_stopping_threshold": 10,
    }},
    "padding-free": {"method": {"type": "sft", "padding_free": True}},
    "wrapped": {
        "method": {"type": "sft", "packing": True, "packing_strategy": "wrapped"}, "training": {"max_length": 64},
    },
    "cosine": {"training": {"lr_scheduler_type": "cosine", "warmup_steps": 2}},
    "sgd": {"training": {"optim": "sgd"}},
    "lion": {"training": {"optim": "lion_32bit"}},
    "gradient-checkpointing": {"training": {"gradient_checkpointing": True}},
    "neftune": {"method": {"type": "sft", "neftune_noise_alpha": 5}},
    "dropout": {"adapter": {"lora_dropout": 0.1}},
    "plateau": {"training": {
        **BY_STEPS, "eval_steps": 1, "lr_scheduler_type": "reduce_lr_on_plateau", "learning_rate": 0.05,
        "lr_scheduler_kwargs": {"patience": 0},
    }},
    "8bit": {"training": {"optim": "adamw_8bit"}},
    "adafactor": {"training": {"optim": "adafactor"}},
    "full": {"adapter": None},
    "freeze": {"adapter": {"type": "freeze"}},
    "adalora": {"adapter": {"type": "adalora", "init_r": 4, "target_r": 2, "tinit": 1, "tfinal": 1}},
    "pissa": {"adapter": {"init_lora_weights": "pissa"}},
    "dora": {"adapter": {"use_dora": True}},
    "lora-plus": {"adapter": {"loraplus_lr_ratio": 8}},
    "nf4": {"model": {"quantization": "4-bit"}},
}  # fmt: skip
QUICK = ("sft", "packing", "dpo", "reward")
SLOW = ("grpo", "early", "full", "adalora", "nf4")  # the others: when one asks for them
STOPS = {"early": (4, 6), "grpo": (1, 6)}
EVERYWHERE, ONCE = (1, 3, 6), (3,)  # in step 2, before the evaluation of step 3, and at the last step
PLACES = {"layer": ("glance", 40), "micro-batch": ("on_substep_end", 4), "evaluation": ("on_prediction_step", 1)}


def _marks(kind: str) -> list[pytest.MarkDecorator]:
    if kind in QUICK:
        return []
    return [pytest.mark.slow] if kind in SLOW else [pytest.mark.slow, pytest.mark.thorough]


@pytest.mark.parametrize("kind", [pytest.param(one, marks=_marks(one)) for one in KINDS])
def test_broken_off_again_and_again_it_is_the_same_run(bench: Bench, kind: str) -> None:
    config = bench.config(**KINDS[kind])
    unbroken, outcome = bench.run(config)
    assert kind != "early" or outcome.steps == 6
    assert_same(bench.store, unbroken, bench.broken(config, STOPS.get(kind, EVERYWHERE if kind in QUICK else ONCE)))


@pytest.mark.parametrize(
    "place", ["layer", *(pytest.param(one, marks=pytest.mark.slow) for one in ("micro-batch", "evaluation"))]
)
def test_wherever_it_is_stopped_it_goes_on_from_its_last_whole_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    config = bench.config()
    unbroken, _ = bench.run(config)
    run_dir, seen = bench.store.create(config), []
    name, nth = PLACES[place]
    passed = getattr(callback.RecordCallback, name)

    def ask(self: Any, *given: Any, **named: Any) -> None:
        seen.append(name)
        if len(seen) == nth:
            ask_to_stop(run_dir, "pause")
        passed(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(callback, "GLANCE", 0.0 if place == "layer" else 1e9)
        patch.setattr(callback.RecordCallback, name, ask)
        stopped = bench.run(config, run_dir)[1]
    assert stopped.status == "paused" and stopped.steps == (2 if place == "layer" else 3)
    assert len(seen) == nth, "it ended where it was asked to"
    assert whole(run_dir)[-1].step == stopped.steps
    assert bench.go_on(run_dir).status == "finished"
    assert_same(bench.store, unbroken, run_dir)
