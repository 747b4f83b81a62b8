"""Reward models: what an evaluation says beside the loss, and the precision of what is trained."""

from __future__ import annotations

import math

import pytest

from studio.config.files import build
from studio.methods.gaps import figures, perplexity
from studio.methods.scoring import scoring_model
from studio.model.precision import train_in_float32
from studio.model.slot import ModelSlot
from studio.settings import Settings


def test_the_figures_are_those_of_the_two_scores() -> None:
    import torch

    chosen, rejected = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0.0, 3.0, -1.5])
    assert figures(chosen - rejected) == pytest.approx({"accuracy": 2 / 3, "margin": 2 / 3, "mse": 2.0, "mae": 4 / 3})
    assert perplexity(math.log(3)) == pytest.approx(3)
    assert perplexity(1e6) is None


def test_what_is_trained_is_float32_over_a_half_precision_base(settings: Settings) -> None:
    """The head, the adapter and a module that is trained whole; the layers between them keep their precision."""
    import torch
    from peft import LoraConfig, get_peft_model

    slot = ModelSlot(settings)
    slot.load(build({"model": {"dtype": "bfloat16"}}).model)
    model, heads = scoring_model(slot.trainee(), seed=1)
    half = model.dtype
    config = LoraConfig(task_type="SEQ_CLS", target_modules=["q_proj"], modules_to_save=["embed_tokens", *heads])
    adapted = get_peft_model(model, config)
    train_in_float32(adapted)
    trained = {name: one for name, one in adapted.named_parameters() if one.requires_grad}
    assert {one.dtype for one in trained.values()} == {torch.float32}
    assert any("embed_tokens" in name for name in trained) and any("score" in name for name in trained)
    assert {one.dtype for name, one in adapted.named_parameters() if "mlp" in name} == {half}
    adapted.config.pad_token_id = 0
    score = adapted(input_ids=torch.tensor([[5, 6, 7]]), use_cache=False).logits
    assert score.dtype == torch.float32
    score.sum().backward()
    assert all(one.grad is not None for name, one in trained.items() if "lora_A" not in name)
