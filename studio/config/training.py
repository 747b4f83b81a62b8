"""How long, how fast and with what batches a run trains. Names are those of the trainer's arguments."""

from __future__ import annotations

from typing import Any, Literal

from studio.section import Section, knob

Strategy = Literal["no", "steps", "epoch"]


class TrainingConfig(Section):
    """`extra` passes any other argument of the trainer through; it is checked before a run starts."""

    learning_rate: float = knob(2.0e-4, gt=0, le=1)
    num_train_epochs: float = knob(3, gt=0)
    max_steps: int = knob(-1, ge=-1)
    per_device_train_batch_size: int = knob(4, ge=1)
    gradient_accumulation_steps: int = knob(1, ge=1)
    max_length: int | None = knob(1024, ge=8)
    truncation_mode: Literal["keep_start", "keep_end", "drop"] = knob("keep_start", advanced=True)
    seed: int = knob(42, ge=0, lt=2**32)
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt"] = (
        knob("linear", advanced=True)
    )
    warmup_steps: float = knob(0, ge=0, advanced=True)
    weight_decay: float = knob(0.0, ge=0, advanced=True)
    max_grad_norm: float = knob(1.0, ge=0, advanced=True)
    optim: str = knob("adamw_torch", advanced=True)
    logging_steps: int = knob(1, ge=1, advanced=True)
    eval_strategy: Strategy = knob("epoch", advanced=True)
    eval_steps: int | None = knob(None, ge=1, advanced=True)
    per_device_eval_batch_size: int = knob(8, ge=1, advanced=True)
    save_strategy: Strategy = knob("epoch", advanced=True)
    save_steps: int = knob(500, ge=1, advanced=True)
    save_total_limit: int | None = knob(2, ge=1, advanced=True)
    gradient_checkpointing: bool = knob(False, advanced=True)
    extra: dict[str, Any] = knob({}, advanced=True, hidden=True)
