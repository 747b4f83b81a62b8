"""How a run may end by itself: the best of its evaluations, no better one for long, or a step that teaches nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.errors import ConfigError, RunFailed
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import ASSETS, Settings
from studio.training.plan import plan
from studio.training.train import train

STEPS: dict[str, Any] = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2}


def trained(config: RunConfig, settings: Settings) -> tuple[RunStore, str]:
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    train(config, run_dir, ModelSlot(settings), settings=settings)
    return store, run_dir.name


def test_the_best_weights_are_kept(settings: Settings) -> None:
    """A learning rate that ruins the model after a few steps: what is saved is what evaluated best."""
    from safetensors.torch import load_file

    training = {**STEPS, "max_steps": 12, "learning_rate": 0.05, "load_best_model_at_end": True, "save_total_limit": 1}
    store, name = trained(build({"training": training, "data": {"max_eval_rows": 8}}), settings)
    events = store.open(name).events()[0]
    losses = {one["step"]: one["eval_loss"] for one in events if one["kind"] == "evaluated"}
    best = min(losses, key=lambda step: losses[step])
    ended = events[-1]
    assert best < 12 and losses[12] > losses[best]
    assert ended["metrics"]["best_step"] == best
    assert str(best) in ended["message"]
    run = store.runs_dir / name
    kept = load_file(run / "adapter" / "adapter_model.safetensors")
    saved = load_file(run / "checkpoints" / f"checkpoint-{best}" / "adapter" / "adapter_model.safetensors")
    assert kept.keys() == saved.keys() and all(bool((kept[one] == saved[one]).all()) for one in kept)


def test_a_run_ends_when_evaluations_get_no_better(settings: Settings) -> None:
    training = {**STEPS, "max_steps": 60, "learning_rate": 0.1, "early_stopping_patience": 2, "save_strategy": "no"}
    store, name = trained(build({"training": training, "data": {"max_eval_rows": 8}}), settings)
    events = store.open(name).events()[0]
    losses = [one["eval_loss"] for one in events if one["kind"] == "evaluated"]
    assert events[-1]["kind"] == "finished" and events[-1]["step"] < 60
    assert min(losses[:-2]) <= min(losses[-2:])


def test_a_figure_that_no_evaluation_has_is_named(settings: Settings) -> None:
    training = {**STEPS, "max_steps": 4, "load_best_model_at_end": True, "metric_for_best_model": "f1"}
    with pytest.raises(RunFailed, match=r"f1.*there are: loss"):
        trained(build({"training": training, "data": {"max_eval_rows": 4}}), settings)


@pytest.mark.parametrize(
    "training",
    [{"load_best_model_at_end": True}, {"early_stopping_patience": 1}, {"lr_scheduler_type": "reduce_lr_on_plateau"}],
    ids=lambda one: next(iter(one)),
)
def test_without_rows_to_evaluate_on_the_lever_is_named_before_the_run(
    settings: Settings, training: dict[str, Any]
) -> None:
    data = {"source": str(ASSETS / "samples" / "captain_byte_pairs.jsonl"), "eval_fraction": 0}
    config = build({"method": "dpo", "training": training, "data": data})
    told = [str(error) for error in plan(config, settings).errors]
    assert told and next(iter(training)) in told[0] and "eval_fraction" in told[0]


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"lr_scheduler_type": "warmup_stable_decay"}, ["num_decay_steps"]),
        ({"early_stopping_patience": 1, "eval_strategy": "no"}, ["early_stopping_patience", "eval_strategy"]),
        ({"lr_scheduler_type": "greedy", "eval_strategy": "no"}, ["lr_scheduler_type"]),
        ({"max_steps": 10**20}, ["training.max_steps", "at most"]),
        (
            {"method": "kto", "training": {"per_device_train_batch_size": 1}},
            ["per_device_train_batch_size", "apo_zero_unpaired"],
        ),
    ],
)
def test_pairs_that_cannot_be(training: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        build(training if "training" in training else {"training": training})
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("kind", ["greedy", "reduce_lr_on_plateau", "cosine_with_min_lr", "warmup_stable_decay"])
def test_every_schedule_runs(settings: Settings, kind: str) -> None:
    given = {"cosine_with_min_lr": {"min_lr_rate": 0.1}, "warmup_stable_decay": {"num_decay_steps": 2}}
    training = {**STEPS, "max_steps": 4, "save_strategy": "no", "lr_scheduler_type": kind}
    config = build({"training": {**training, "lr_scheduler_kwargs": given.get(kind, {})}, "data": {"max_eval_rows": 4}})
    store, name = trained(config, settings)
    rates = [one["learning_rate"] for one in store.open(name).events()[0] if one["kind"] == "log"]
    assert len(rates) == 4 and all(rate > 0 for rate in rates[:3])


def test_a_step_without_a_gradient_ends_the_run(settings: Settings) -> None:
    """With so small a beta no answer counts for more than another, so nothing pulls."""
    data = {"source": str(ASSETS / "samples" / "captain_byte_pairs.jsonl")}
    config = build({"method": {"type": "dpo", "beta": 1e-300}, "data": data, "training": {"max_steps": 3}})
    with pytest.raises(RunFailed, match="every gradient is zero at step 1"):
        trained(config, settings)


def test_grouping_by_length_pads_less(settings: Settings) -> None:
    """The order of rows changes, the rows do not."""
    found: dict[str, float] = {}
    for order in ("random", "group_by_length", "sequential"):
        training = {"max_steps": 8, "train_sampling_strategy": order, "save_strategy": "no"}
        store, name = trained(build({"training": {**training, "eval_strategy": "no"}}), settings)
        log = [one for one in store.open(name).events()[0] if one["kind"] == "log"]
        found[order] = sum(one["loss"] for one in log)
        assert math.isfinite(found[order])
    assert len(set(found.values())) == 3
