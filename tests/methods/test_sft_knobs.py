"""SFT's further knobs do what they say: no padding, no other loss; DFT's and NEFTune's formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.config.files import build
from studio.errors import ConfigError
from studio.model.slot import ModelSlot
from studio.runs import RunStore
from studio.settings import Settings
from studio.training.arguments import check_arguments
from studio.training.build import build as build_trainer
from studio.training.stage import stage
from studio.training.train import train

QUIET = {"save_strategy": "no", "eval_strategy": "no"}


def losses(settings: Settings, **sections: Any) -> list[float]:
    config = build({**sections, "training": {"max_steps": 5, **QUIET, **sections.get("training", {})}})
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    train(config, run_dir, ModelSlot(settings), settings=settings)
    return [one["loss"] for one in store.open(run_dir.name).events()[0] if one["kind"] == "log"]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_without_padding_the_losses_are_the_same(settings: Settings, attention: str) -> None:
    """Rows in one line do not see one another."""
    still = {"adapter": {"type": "lora", "lora_dropout": 0}, "model": {"attn_implementation": attention}}
    padded = losses(settings, **still)
    assert losses(settings, method={"padding_free": True}, **still) == pytest.approx(padded, rel=1e-4)


def test_dft_weighs_each_token_by_its_probability(settings: Settings, tmp_path: Any) -> None:
    from studio.runs.events import EventLog

    config = build({"method": {"loss_type": "dft"}, "adapter": {"lora_dropout": 0}, "training": QUIET})
    slot = ModelSlot(settings)
    slot.load(config.model)
    staged = stage(config, settings)
    with EventLog(tmp_path) as log:
        trainer, _ = build_trainer(config, tmp_path, slot, staged=staged, log=log)
    batch = next(iter(trainer.get_train_dataloader()))
    trainer.model.train()
    found = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=None)
    with torch.no_grad():
        logits = slot.base_model()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    labels = batch["labels"][:, 1:]
    seen = labels != -100
    logp = logits.log_softmax(-1).gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)[seen]
    assert found.item() == pytest.approx(-(logp.exp() * logp).mean().item(), rel=1e-4)


def test_neftune_adds_noise_while_training_only(settings: Settings) -> None:
    """Noise of up to alpha / sqrt(tokens x width) on each embedding: another loss, the same base afterwards."""
    plain = losses(settings, adapter={"lora_dropout": 0})
    noisy = losses(settings, adapter={"lora_dropout": 0}, method={"neftune_noise_alpha": 1})
    assert noisy[0] != plain[0] and noisy[0] == pytest.approx(plain[0], rel=0.5)


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(ConfigError, match="padding_free"):
        build({"method": {"packing": True, "padding_free": True}})
    with pytest.raises(ConfigError, match=r"use_liger_kernel needs an NVIDIA|liger-kernel"):
        check_arguments(build({"method": {"use_liger_kernel": True}}))
    with pytest.raises(ConfigError, match=r"set method\.padding_free instead"):
        check_arguments(build({"training": {"extra": {"padding_free": True}}}))
