"""Odds ratio preference optimization with TRL's ORPOTrainer. Source: https://arxiv.org/abs/2403.07691"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from studio.methods.base import Encoded, Lane, LaneFacts, Parts
from studio.methods.contrast import accepted, contrasting, experimental, learns_from_answers
from studio.methods.encoding import Encoder
from studio.methods.pairs import PairMethod
from studio.section import knob

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from transformers import Trainer

Kind = TypeVar("Kind", bound=type)


class ORPO(PairMethod):
    """Learns the chosen answer as SFT does, and at once makes it likelier than the rejected one."""

    type: Literal["orpo"] = knob("orpo", flag="method")
    beta: float = knob(0.1, ge=0)  # the paper's lambda
    completion_only_loss: bool = knob(True, advanced=True)

    shapes_tokens: ClassVar[tuple[str, ...]] = ("completion_only_loss",)

    def encode(self, rows: Sequence[dict[str, Any]], encoder: Encoder) -> list[Encoded]:
        """The paper's formula has the answers alone; its authors' code and TRL learn the chosen one's prompt too,
        as completion_only_loss: false does. The ratio is of the answers either way."""
        made = super().encode(rows, encoder)
        return made if self.completion_only_loss else [_with_prompt(row) for row in made]

    def survives(self, facts: LaneFacts, *, max_length: int | None, truncation_mode: str) -> npt.NDArray[np.bool_]:
        """By where the rejected answer begins: that of the chosen one is the same, but its prompt may be trained."""
        border = replace(facts, first=facts.first[:, 1:])
        return super().survives(border, max_length=max_length, truncation_mode=truncation_mode)

    def build_trainer(self, parts: Parts) -> Trainer:
        """An ORPOTrainer over finished rows."""
        trl = experimental("orpo")
        kind = learns_from_answers(trl.ORPOTrainer, averages=True, prompt_too=not self.completion_only_loss)
        return contrasting(with_odds(kind), trl.ORPOConfig, parts, {"beta": self.beta})

    def argument_types(self) -> dict[str, Any]:
        return accepted(experimental("orpo").ORPOConfig)


def _with_prompt(row: Encoded) -> Encoded:
    chosen, rejected = row.lanes
    return replace(row, lanes=(Lane(chosen.ids, (0, len(chosen.ids)) if chosen.ids else ()), rejected))


def with_odds(kind: Kind) -> Kind:
    """An ORPOTrainer whose odds stay numbers for an answer that the model is certain of, where TRL's gradient is
    none; and which keeps double precision where the model has it."""

    class Odds(kind):  # type: ignore[misc, valid-type]
        def odds_ratio_loss(self, chosen: torch.Tensor, rejected: torch.Tensor) -> tuple[torch.Tensor, ...]:
            """Formulas (4) and (7); both given as the log-probability of the mean token."""
            import torch

            log_odds = (chosen - log1mexp(chosen)) - (rejected - log1mexp(rejected))
            ratio = torch.nn.functional.logsigmoid(log_odds)
            worth = (self.beta * one.detach() for one in (chosen, rejected))
            return (self.beta * ratio, *worth, ratio.mean(), log_odds.mean())

    Odds.__name__ = Odds.__qualname__ = kind.__name__
    return Odds  # type: ignore[return-value]


def log1mexp(logps: torch.Tensor) -> torch.Tensor:
    """log(1 - p) from log(p); for p = 1 that of the next smaller number."""
    import torch

    return torch.log(-torch.expm1(logps.clamp(max=-torch.finfo(logps.dtype).eps)))
