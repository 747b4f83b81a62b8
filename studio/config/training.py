"""How long, how fast and with what batches a run trains. Names are those of the trainer's arguments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from studio.section import MOST, Section, knob, mapping_of

Strategy = Literal["no", "steps", "epoch"]
Scheduler = Literal[
    "linear", "cosine", "cosine_with_restarts", "cosine_with_min_lr", "cosine_warmup_with_min_lr", "polynomial",
    "constant", "constant_with_warmup", "inverse_sqrt", "warmup_stable_decay", "reduce_lr_on_plateau", "greedy",
]  # fmt: skip
# Those that come with torch, transformers and bitsandbytes; any other that transformers has can be named.
OPTIMIZERS = (
    "adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "adafactor",
    "lion_32bit", "lion_8bit", "ademamix", "rmsprop", "adagrad", "sgd", "galore_adamw", "schedule_free_adamw",
)  # fmt: skip
WATCH_EVALUATION = ("reduce_lr_on_plateau", "greedy")  # schedules that follow the evaluations
Arguments = Annotated[dict[str, float | str], BeforeValidator(mapping_of)]


class TrainingConfig(Section):
    """`extra` passes any other argument of the trainer through; it is checked before a run starts."""

    learning_rate: float = knob(2.0e-4, gt=0, le=1)
    num_train_epochs: float = knob(3, gt=0)
    max_steps: int = knob(-1, ge=-1, le=MOST)
    per_device_train_batch_size: int = knob(4, ge=1, le=MOST)
    gradient_accumulation_steps: int = knob(1, ge=1, le=MOST)
    max_length: int | None = knob(1024, ge=8, le=MOST)
    truncation_mode: Literal["keep_start", "keep_end", "drop"] = knob("keep_start", advanced=True)
    seed: int = knob(42, ge=0, lt=2**32)
    lr_scheduler_type: Scheduler = knob("linear", advanced=True)
    lr_scheduler_kwargs: Arguments = knob({}, advanced=True)
    warmup_steps: float = knob(0, ge=0, advanced=True)
    weight_decay: float = knob(0.0, ge=0, advanced=True)
    max_grad_norm: float = knob(1.0, ge=0, advanced=True)
    optim: str = knob("adamw_torch", advanced=True, suggested=OPTIMIZERS)
    logging_steps: int = knob(1, ge=1, le=MOST, advanced=True)
    eval_strategy: Strategy = knob("epoch", advanced=True)
    eval_steps: int | None = knob(None, ge=1, le=MOST, advanced=True)
    per_device_eval_batch_size: int = knob(8, ge=1, le=MOST, advanced=True)
    save_strategy: Strategy = knob("steps", advanced=True)
    save_steps: int = knob(200, ge=1, le=MOST, advanced=True)
    save_minutes: float | None = knob(10, gt=0, advanced=True)
    save_total_limit: int | None = knob(2, ge=1, le=MOST, advanced=True)
    load_best_model_at_end: bool = knob(False, advanced=True)
    metric_for_best_model: str = knob("loss", min_length=1, advanced=True)
    early_stopping_patience: int | None = knob(None, ge=1, le=MOST, advanced=True)
    early_stopping_threshold: float = knob(0.0, ge=0, advanced=True)
    on_divergence: Literal["stop", "go_back"] = knob("stop", advanced=True)
    spike_factor: float | None = knob(None, gt=1, advanced=True)
    gradient_checkpointing: bool = knob(False, advanced=True)
    train_sampling_strategy: Literal["random", "sequential", "group_by_length"] = knob("random", advanced=True)
    extra: dict[str, Any] = knob({}, advanced=True, hidden=True)

    @property
    def watches_evaluations(self) -> tuple[str, ...]:
        """The settings that go by what evaluations find."""
        wanted = {
            "load_best_model_at_end": self.load_best_model_at_end,
            "early_stopping_patience": self.early_stopping_patience is not None,
            "lr_scheduler_type": self.lr_scheduler_type in WATCH_EVALUATION,
        }
        return tuple(name for name, chosen in wanted.items() if chosen)
