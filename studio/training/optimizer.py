"""Optimizers that the trainer does not make by itself. Trains nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from transformers import Trainer


def faster_b(trainer: Trainer, ratio: float) -> Optimizer:
    """LoRA+: the trainer's own optimizer, with a learning rate `ratio` times as high for the B matrices.
    Source: https://arxiv.org/abs/2402.12354"""
    from peft.optimizers import create_loraplus_optimizer

    kind, options = trainer.get_optimizer_cls_and_kwargs(trainer.args, trainer.model)
    options = {**options, "weight_decay": trainer.args.weight_decay}
    made: Optimizer = create_loraplus_optimizer(
        model=trainer.model, optimizer_cls=kind, loraplus_lr_ratio=ratio, **options
    )
    return made
