"""What a GRPO trainer has generated, for people to read, and a reference model that it would load a second time.

Knows nothing of single rewards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from studio.methods.base import Sample
from studio.methods.rewards.base import Scores, text_of

Kind = TypeVar("Kind", bound=type)
REFERENCE = "reference"


def telling(judge: Callable[..., Scores]) -> Callable[..., Scores]:
    """The same reward, which also leaves the references beside the answers that the trainer keeps."""

    def told(**given: Any) -> Scores:
        given["log_extra"](REFERENCE, given[REFERENCE])
        return judge(**given)

    told.__name__ = judge.__name__
    return told


def best_and_worst(trainer: Any, *, group: int, weights: Sequence[float] | None) -> list[Sample]:
    """Of the answers to one prompt, the one worth most and the one worth least: of the prompt where they differ most.

    From `GRPOTrainer._logs`, which holds the last round of generation: groups of answers to a prompt each.
    """
    kept = trainer._logs
    rewards = {name: list(values) for name, values in kept["rewards"].items()}
    worth = [
        sum(weight * value for weight, value in zip(weights or [1.0] * len(row), row, strict=True) if value == value)
        for row in zip(*rewards.values(), strict=True)
    ]
    if not worth or len(worth) % group:
        return []
    spread = [max(worth[at : at + group]) - min(worth[at : at + group]) for at in range(0, len(worth), group)]
    first = spread.index(max(spread)) * group
    places = sorted(range(first, first + group), key=lambda at: -worth[at])
    prompts, answers, references = list(kept["prompt"]), list(kept["completion"]), list(kept["extra"][REFERENCE])
    return [
        Sample(
            prompt=_asked(prompts[at]),
            policy=text_of(answers[at]),
            reference=references[at],
            rewards={name: None if math.isnan(values[at]) else values[at] for name, values in rewards.items()},
        )
        for at in (places[0], places[-1])[: 1 if spread[first // group] == 0 else 2]
    ]


def _asked(prompt: Any) -> str:
    """A prompt as one reads it: the user's turn alone, or all turns with their roles."""
    if isinstance(prompt, str):
        return prompt
    turns = [one for one in prompt if one["role"] != "system"] or prompt
    return text_of(turns) if len(turns) == 1 else "\n".join(f"{one['role']}: {one['content']}" for one in turns)


def with_reference(kind: Kind, model: Any) -> Kind:
    """A trainer of this kind that measures against `model`. TRL would load the base again, by its name alone."""
    if model is None:
        return kind

    def start(self: Any, *, args: Any, **given: Any) -> None:
        from trl.trainer.callbacks import SyncRefModelCallback
        from trl.trainer.grpo_trainer import add_fused_lm_head, disable_dropout_in_model

        wanted = {name: getattr(args, name) for name in ("beta", "sync_ref_model")}
        args.beta, args.sync_ref_model = 0.0, False  # without a reference of its own
        kind.__init__(self, args=args, **given)  # type: ignore[misc]
        for name, value in wanted.items():
            setattr(args, name, value)
        self.beta = args.beta
        if args.disable_dropout:
            disable_dropout_in_model(model)
        add_fused_lm_head(model, temperature=self.temperature, cast_lm_head_to_fp32=args.cast_lm_head_to_fp32)
        self.ref_model = self.accelerator.prepare_model(model, evaluation_mode=True)
        if args.sync_ref_model:
            self.add_callback(SyncRefModelCallback(ref_model=self.ref_model, accelerator=self.accelerator))

    return type(kind.__name__, (kind,), {"__init__": start})  # type: ignore[return-value]
