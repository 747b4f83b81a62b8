"""GRPO that learns from a reward model of ours, over one copy of the base; what cannot be is refused before a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.errors import ConfigError
from studio.model.scores import Asked, Scorer
from studio.model.slot import ModelSlot
from studio.runs import RunRecord, RunStore
from studio.settings import ASSETS, Settings
from studio.training.judge import judge_bytes, load_judge
from studio.training.plan import plan, preflight
from studio.training.train import train

PAIRS = str(ASSETS / "samples" / "captain_byte_pairs.jsonl")
PROMPTS = {
    "source": str(ASSETS / "samples" / "captain_byte_heldout.jsonl"),
    "format": "alpaca",
    "columns": {"instruction": "prompt", "output": "answer_fact"},
    "eval_fraction": 0,
}


def trained(config: RunConfig, settings: Settings, slot: ModelSlot) -> RunRecord:
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    assert train(config, run_dir, slot, settings=settings).status == "finished"
    return store.open(run_dir.name)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, ModelSlot, RunRecord]:
    """A workspace with a reward model that likes the captain's manner; it takes some seconds to train."""
    workspace = tmp_path_factory.mktemp("workspace")
    settings = Settings(mode="local", workspace=workspace, cache=workspace)
    settings.prepare_workspace()
    slot = ModelSlot(settings)
    training = {"max_steps": 30, "learning_rate": 5e-4, "save_strategy": "no"}
    config = build({"method": "reward", "data": {"source": PAIRS}, "training": training})
    return settings, slot, trained(config, settings, slot)


def learning(run: str, **sections: Any) -> RunConfig:
    method = {"type": "grpo", "reward_funcs": ["reward_model"], "reward_run": run, "num_generations": 4}
    training = {"max_steps": 2, "save_strategy": "no", "learning_rate": 1e-4, **sections.pop("training", {})}
    method |= {"max_completion_length": 24, "temperature": 1.2, **sections.pop("method", {})}
    return build({"method": method, "data": PROMPTS, "training": training, **sections})


def test_the_reward_is_the_score_of_the_reward_run_over_the_same_weights(
    world: tuple[Settings, ModelSlot, RunRecord],
) -> None:
    settings, slot, record = world
    config = learning(record.run_id)
    assert judge_bytes(config, settings) == 0  # nothing is loaded a second time
    run = trained(config, settings, slot)
    logs = [event for event in run.events()[0] if event["kind"] == "log"]
    assert all("rewards/reward_model/mean" in event for event in logs)
    samples = [event for event in run.events()[0] if event["kind"] == "sample"]
    assert samples and all("reward_model" in event["rewards"] for event in samples)
    loaded = slot.load(config.model)
    slot.attach("mine", record.path / "adapter", scores=True)
    scorer = Scorer(slot.adapted_model("mine"), loaded.tokenizer, config=record.config())
    judged = load_judge(config, slot)
    assert judged is not None
    prompt = [{"role": "user", "content": "What is the opposite of sell?"}]
    answers = ["Ahoy! The opposite of sell be buy. Arr, that be it!", "The opposite of sell is buy."]
    found = judged([(prompt, one) for one in answers])
    assert found == scorer.scores([Asked(prompt, one) for one in answers]) and found[0] > found[1]
    for event in samples[:3]:
        (again,) = judged([([{"role": "user", "content": event["prompt"]}], event["policy"])])
        assert again == pytest.approx(event["rewards"]["reward_model"], abs=1e-3)
    assert slot.untouched()


def test_a_reward_run_on_another_base_or_elsewhere_is_loaded_beside(
    world: tuple[Settings, ModelSlot, RunRecord], tmp_path: Path
) -> None:
    """A folder of a run will do; another base costs its weights, which the plan counts."""
    settings, slot, record = world
    elsewhere = shutil.copytree(record.path, tmp_path / "kept")
    config = learning(str(elsewhere), model={"dtype": "bfloat16"})
    assert judge_bytes(config, settings) > 3_000_000
    same = learning(str(elsewhere), model={"dtype": "auto", "chat_template": "vicuna"})
    assert judge_bytes(same, settings) == 0
    slot.load(config.model)
    judged = load_judge(config, slot)
    slot.load(record.config().model)
    own = load_judge(learning(record.run_id), slot)
    assert judged is not None and own is not None
    asked = [([{"role": "user", "content": "Say hello."}], "Ahoy!")]
    assert judged(asked) == pytest.approx(own(asked), abs=1e-4)


def test_what_cannot_judge_is_refused_before_weights_are_loaded(
    world: tuple[Settings, ModelSlot, RunRecord], tmp_path: Path
) -> None:
    settings, _, record = world
    with pytest.raises(ConfigError, match=r"reward_model needs method\.reward_run"):
        learning(" ")
    (error,) = plan(learning("nothing-here"), settings).errors
    assert "method.reward_run: There is no run 'nothing-here'" in str(error)
    other = RunStore(settings.runs_dir).create(build({}))
    with pytest.raises(ConfigError, match="is of method sft, whose model writes replies"):
        preflight(learning(other.name), settings)
    empty = RunStore(settings.runs_dir).create(build({"method": "reward"}))
    with pytest.raises(ConfigError, match="has no reward model to score with"):
        preflight(learning(empty.name), settings)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"Say {at}"}) + "\n" for at in range(8)), encoding="utf-8")
    plain = learning(record.run_id, data={"source": str(rows), "eval_fraction": 0})
    (error,) = plan(plain, settings).errors
    assert "was trained on conversations, and these prompts are plain text" in str(error)
    shared = Settings(mode="space", workspace=settings.workspace, cache=settings.cache)
    with pytest.raises(ConfigError, match="which a public Space does not open"):
        judge_bytes(learning(str(record.path)), shared)


@pytest.mark.slow
@pytest.mark.thorough
def test_a_model_learns_the_manner_that_the_reward_model_likes(world: tuple[Settings, ModelSlot, RunRecord]) -> None:
    settings, slot, record = world
    config = learning(
        record.run_id,
        method={"num_generations": 8, "temperature": 1.5, "max_completion_length": 32},
        training={"max_steps": 40, "learning_rate": 1e-3, "per_device_train_batch_size": 16},
    )
    run = trained(config, settings, slot)
    means = [event["rewards/reward_model/mean"] for event in run.events()[0] if event["kind"] == "log"]
    assert sum(means[-5:]) / 5 > sum(means[:5]) / 5 + 1
