"""Training that goes on from an adapter, stacks on a merged one, and what it measures against."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from studio.config import RunConfig
from studio.config.files import anchor, build
from studio.errors import ConfigError, StudioError
from studio.model.adapter import count_trainable
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import ASSETS, Settings
from studio.training.plan import plan
from studio.training.train import train

SHORT = {"max_steps": 6, "learning_rate": 1e-3, "save_strategy": "no", "eval_strategy": "no"}
PAIRS = {"source": str(ASSETS / "samples" / "captain_byte_pairs.jsonl")}


def run(settings: Settings, slot: ModelSlot, **sections: Any) -> Path:
    config = build({"training": SHORT, **sections})
    run_dir = RunStore(settings.runs_dir).create(config)
    train(config, run_dir, slot, settings=settings)
    return run_dir


def losses(run_dir: Path) -> list[float]:
    lines = (run_dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [one["loss"] for one in map(json.loads, lines) if one["kind"] == "log"]


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(run_dir / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("kind", [{"type": "lora", "r": 4}, {"type": "ia3"}, {"type": "vera", "r": 32}])
def test_training_goes_on_where_it_ended(settings: Settings, kind: dict[str, Any]) -> None:
    """With a learning rate of almost nothing, the second run's first loss is the trained adapter's, and so are its
    weights; its rank is the saved one's, whatever the settings say."""
    slot = ModelSlot(settings)
    first = run(settings, slot, adapter=kind)
    still = {**SHORT, "max_steps": 1, "learning_rate": 1e-30}
    before = losses(run(settings, slot, adapter=kind, training=still))[0]
    wider = {**kind, "r": 8} if "r" in kind else kind
    second = run(settings, slot, adapter={**wider, "adapter_name_or_path": first.name}, training=still)
    assert losses(second)[0] < before - 0.02
    old, new = weights(first), weights(second)
    assert old.keys() == new.keys() and all(torch.equal(old[one], new[one]) for one in old)
    config = build({"adapter": {**wider, "adapter_name_or_path": str(first)}})
    assert count_trainable(config.adapter, config.model, settings)[0] == sum(
        one.numel() for one in old.values() if True
    )


def test_what_dpo_measures_against_is_what_the_adapter_was(settings: Settings) -> None:
    """At the first step policy and reference are the same model, so that the margin is exactly 0."""
    slot = ModelSlot(settings)
    first = run(settings, slot, adapter={"type": "lora", "r": 4, "lora_dropout": 0})
    going_on = {"type": "lora", "adapter_name_or_path": first.name, "lora_dropout": 0}
    second = run(settings, slot, method="dpo", data=PAIRS, adapter=going_on)
    lines = map(json.loads, (second / "events.jsonl").read_text(encoding="utf-8").splitlines())
    margins = [one["rewards/margins"] for one in lines if one["kind"] == "log"]
    assert margins[0] == 0 and margins[-1] > 0
    assert not (second / "adapter" / "ref").exists()
    assert not any(".ref." in name for name in weights(second))


def test_an_adapter_stacks_on_a_merged_one(settings: Settings) -> None:
    """The base with the first adapter merged gives that adapter's logits; the second run begins there, and Chat's base
    is the merged one."""
    slot = ModelSlot(settings)
    first = run(settings, slot, adapter={"type": "lora", "r": 4})
    ids = torch.arange(5, 40).unsqueeze(0)
    with torch.inference_mode():
        adapted = slot.adapted_model(first.name)(ids).logits
    still = {**SHORT, "max_steps": 1, "learning_rate": 1e-30}
    second = run(settings, slot, model={"merged_adapters": [first.name]}, training=still)
    with torch.inference_mode():
        merged = slot.base_model()(ids).logits
    assert (merged - adapted).abs().max() < 1e-4 * adapted.abs().max()
    assert second.name in slot.adapters and slot.untouched()
    going_on = {"type": "lora", "adapter_name_or_path": first.name}
    assert losses(second)[0] == pytest.approx(
        losses(run(settings, slot, adapter=going_on, training=still))[0], rel=0.05
    )


def test_paths_are_kept_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    config: RunConfig = anchor(
        build({"model": {"merged_adapters": "mine, a-run"}, "adapter": {"adapter_name_or_path": "mine"}})
    )
    assert config.model.merged_adapters == (str(tmp_path / "mine"), "a-run")
    assert config.adapter is not None and config.adapter.adapter_name_or_path == str(tmp_path / "mine")


def test_an_adapter_that_does_not_fit_is_told_before_the_run(settings: Settings, tmp_path: Path) -> None:
    slot = ModelSlot(settings)
    first = run(settings, slot, adapter={"type": "ia3"})
    told = plan(build({"adapter": {"type": "lora", "adapter_name_or_path": first.name}}), settings).errors
    assert told and "adapter.type: ia3" in str(told[0])
    told = plan(build({"adapter": {"adapter_name_or_path": "no-such-run"}}), settings).errors
    assert told and "no-such-run is neither a run" in str(told[0])
    damaged = first / "adapter" / "adapter_config.json"
    said = json.loads(damaged.read_text(encoding="utf-8"))
    damaged.write_text(json.dumps({**said, "auto_mapping": {"parent_library": "os"}}), encoding="utf-8")
    told = plan(build({"adapter": {"type": "ia3", "adapter_name_or_path": first.name}}), settings).errors
    assert told and "auto_mapping" in str(told[0])


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"adapter": {"type": "loha"}, "model": {"quantization": "4-bit"}}, ["loha", "4-bit", "lora"]),
        ({"adapter": {"type": "freeze"}, "model": {"quantization": "8-bit"}}, ["freeze", "8-bit"]),
        ({"adapter": {"init_lora_weights": "loftq"}}, ["loftq", "quantization", "4-bit"]),
        ({"adapter": {"init_lora_weights": "pissa"}, "model": {"quantization": "4-bit"}}, ["pissa", "plain weights"]),
        ({"adapter": {"init_lora_weights": "olora"}, "method": "dpo"}, ["olora", "dpo"]),
        ({"adapter": {"init_lora_weights": "pissa", "use_dora": True}}, ["pissa", "use_dora"]),
        ({"adapter": {"type": "freeze", "adapter_name_or_path": "x"}}, ["freeze", "model_name_or_path"]),
        ({"adapter": {"init_lora_weights": "eva", "adapter_name_or_path": "x"}}, ["init_lora_weights"]),
        ({"model": {"merged_adapters": "x", "quantization": "4-bit"}}, ["merged_adapters", "4-bit"]),
        ({"adapter": {"type": "ia3", "r": 4}}, ["adapter.r", "another adapter.type"]),
        ({"adapter": {"type": "adalora", "init_r": 4, "target_r": 4}}, ["target_r (4)", "init_r (4)"]),
        ({"adapter": {"type": "lorra"}}, ["adapter", "lorra", "lora"]),
    ],
)  # fmt: skip
def test_pairs_that_cannot_be(sections: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        build(sections)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        ({"layers_to_transform": "0-99"}, ["layers_to_transform", "0 to 3"]),
        ({"rank_pattern": {"nothing": 4}}, ["rank_pattern", "nothing"]),
        ({"rank_pattern": {"q_proj": 0.5}}, ["rank_pattern", "0.5"]),
        ({"type": "oft", "oft_block_size": 7}, ["7", "256"]),
        ({"type": "trainable_tokens"}, ["output layer", "trainable_token_indices"]),
        ({"trainable_token_indices": "999999"}, ["999999"]),
        ({"type": "freeze", "trainable_layers": 99}, ["99", "layers"]),
    ],
)
def test_what_this_model_does_not_have_is_told_before_the_run(
    settings: Settings, adapter: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(StudioError) as caught:
        config = build({"adapter": adapter})
        count_trainable(config.adapter, config.model, settings)
    assert all(word in str(caught.value) for word in words), str(caught.value)
