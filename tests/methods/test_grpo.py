"""GRPO as it trains: several rewards, what is logged and shown of them, and what the KL term is measured against."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from small_chats import chat_tokenizer, turns

from studio.config.files import build
from studio.errors import RunFailed
from studio.methods import METHODS, Parts
from studio.methods.encoding import encoder_of
from studio.methods.rewards import REWARDS
from studio.model.adapter import peft_config
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import Settings
from studio.training.arguments import steps_of, trainer_arguments
from studio.training.train import train

ASKED = ["What is the capital of France?", "Say hello.", "What sound does a cat make?", "Who are you?"] * 4


def run_of(folder: Path, training: dict[str, Any], **method: Any) -> Any:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": one, "answer": "Ahoy"}) + "\n" for one in ASKED), encoding="utf-8")
    adapter = {"adapter": None} if training.pop("full", False) else {}
    return build(
        {
            "method": {"type": "grpo", "reward_funcs": "length", "max_completion_length": 16, **method},
            "data": {
                "source": str(path), "eval_fraction": 0, "format": "alpaca",
                "columns": {"instruction": "prompt", "output": "answer"},
            },
            "training": {"save_strategy": "no", "learning_rate": 2e-3, "max_steps": 2, **training},
            **adapter,
        }
    )  # fmt: skip


def events_of(config: Any, settings: Settings) -> list[dict[str, Any]]:
    slot, store = ModelSlot(settings), RunStore(settings.runs_dir)
    run_dir = store.create(config)
    assert train(config, run_dir, slot, settings=settings).status == "finished"
    assert slot.untouched()
    return store.open(run_dir.name).events()[0]


def mean(logs: list[dict[str, Any]], name: str) -> float:
    return sum(one[name] for one in logs) / len(logs)


def test_the_reward_grows_and_each_has_its_own_mean_and_samples(settings: Settings, tmp_path: Path) -> None:
    method = {
        "reward_funcs": ["length", "contains"], "reward_weights": [1.0, 0.25], "reward_length": 80, "beta": 0.04,
        "num_generations": 8, "max_completion_length": 24, "temperature": 1.5,
    }  # fmt: skip
    training = {"max_steps": 14, "per_device_train_batch_size": 16, "seed": 1}
    events = events_of(run_of(tmp_path, training, **method), settings)
    logs = [one for one in events if one["kind"] == "log"]
    assert len(logs) == 14
    assert mean(logs[-3:], "reward") > mean(logs[:3], "reward") + 0.2
    assert mean(logs[-3:], "rewards/length/mean") > mean(logs[:3], "rewards/length/mean") + 0.2
    for one in logs:
        weighted = one["rewards/length/mean"] + 0.25 * one["rewards/contains/mean"]
        assert one["reward"] == pytest.approx(weighted, abs=1e-5)
    assert logs[0]["kl"] == pytest.approx(0, abs=1e-6) and logs[-1]["kl"] > 0.01

    samples = [one for one in events if one["kind"] == "sample"]
    assert 14 <= len(samples) <= 28 and {one["step"] for one in samples} == set(range(1, 15))
    for one in samples:
        assert one["prompt"] in ASKED and one["reference"] == "Ahoy" and set(one["rewards"]) == {"length", "contains"}
        assert one["rewards"]["length"] == pytest.approx(
            max(0, 1 - abs(len(one["policy"].strip()) - 80) / 80), abs=1e-5
        )
    pairs = [pair for pair in pairwise(samples) if pair[0]["step"] == pair[1]["step"]]
    assert pairs and all(best["prompt"] == worst["prompt"] for best, worst in pairs)
    assert all(best["rewards"]["length"] > worst["rewards"]["length"] for best, worst in pairs[-3:])


def test_a_long_run_shows_a_hundred_moments(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from studio.methods.base import Sample
    from studio.runs.events import EventLog, read_events
    from studio.training.samples import SampleCallback

    count = iter(range(10_000))
    with EventLog(tmp_path) as log:
        callback = SampleCallback(log, lambda: [Sample("asked", f"{next(count)}" + "x" * 9000)])
        for step in range(1, 1001):
            callback.on_log(None, SimpleNamespace(global_step=step, max_steps=1000), None, logs={"loss": 0.1})
            callback.on_log(None, SimpleNamespace(global_step=step, max_steps=1000), None, logs={"eval_loss": 0.1})
    found = read_events(tmp_path / "events.jsonl")[0]
    assert len(found) == 100 and all(len(one["policy"]) == 2000 for one in found)


def test_full_fine_tuning_is_measured_against_a_copy_that_is_not_loaded_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl.trainer import grpo_trainer

    monkeypatch.setattr(grpo_trainer, "create_model_from_path", None)
    method = {"beta": 0.1, "num_generations": 4, "temperature": 1.5}
    events = events_of(run_of(tmp_path, {"full": True, "max_steps": 3, "learning_rate": 1e-3}, **method), settings)
    kl = [one["kl"] for one in events if one["kind"] == "log"]
    assert kl[0] == pytest.approx(0, abs=1e-6) and kl[-1] > 1e-4


def trainer_of(settings: Settings, folder: Path, training: dict[str, Any], **method: Any) -> tuple[Any, Any, ModelSlot]:
    from datasets import Dataset

    slot = ModelSlot(settings)
    slot.load(build({}).model)
    chosen: Any = METHODS["grpo"](reward_funcs="length", max_completion_length=8, **method)
    rows = [{"prompt": turns(one), "reference": {}} for one in ASKED]
    columns = chosen.trainer_rows(
        chosen.encode(rows, encoder_of(chat_tokenizer())), max_length=64, truncation_mode="keep_start"
    )
    config = build(
        {"method": {"type": "grpo", "reward_funcs": "length"}, "training": {"save_strategy": "no", **training}}
    )
    model = slot.trainee()
    parts = Parts(
        model=model,
        tokenizer=chat_tokenizer(),
        train=Dataset.from_dict(columns),
        eval=None,
        peft_config=peft_config(config.adapter, model),  # type: ignore[arg-type]
        arguments=trainer_arguments(config, device="cpu", dtype="float32", has_eval=False),
        output_dir=folder,
        device="cpu",
    )
    return chosen.build_trainer(parts), (chosen, config), slot


def test_beside_an_adapter_the_reference_is_the_base_and_no_copy(settings: Settings, tmp_path: Path) -> None:
    trainer, _, slot = trainer_of(settings, tmp_path, {}, beta=0.1)
    shared = {one.data_ptr() for one in slot.base_model().parameters()}
    frozen = [one for name, one in trainer.model.named_parameters() if "lora_" not in name]
    assert frozen and all(one.data_ptr() in shared for one in frozen)
    assert trainer.ref_model is None and trainer.beta == 0.1 and list(trainer.model.peft_config) == ["default"]


def test_answers_that_are_learned_from_several_times_are_counted_so(settings: Settings, tmp_path: Path) -> None:
    training = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    trainer, (chosen, config), _ = trainer_of(settings, tmp_path, training, num_iterations=3, loss_type="dr_grpo")
    *_, expected = trainer.set_initial_training_values(trainer.args, trainer.get_train_dataloader())
    assert expected == steps_of(config.training, chosen.sequences(ASKED, max_length=64, batch_size=4, accumulation=2))
    assert (trainer.args.num_iterations, trainer.args.loss_type) == (3, "dr_grpo")


def test_a_reward_that_fails_ends_the_run_with_its_name(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Any, answers: Any) -> Any:
        raise ZeroDivisionError("no reason")

    monkeypatch.setattr(REWARDS["length"], "score", fails)
    with pytest.raises(RunFailed, match="The reward length failed: ZeroDivisionError: no reason"):
        events_of(run_of(tmp_path, {}), settings)
