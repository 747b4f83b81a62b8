"""Contrastive preference optimization and SimPO with TRL's CPOTrainer.

Sources: https://arxiv.org/abs/2401.08417 (CPO), https://arxiv.org/abs/2405.14734 (SimPO).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from studio.errors import ConfigError
from studio.methods.base import Parts
from studio.methods.contrast import accepted, contrasting, experimental, learns_from_answers
from studio.methods.pairs import PairMethod
from studio.section import knob

if TYPE_CHECKING:
    from transformers import Trainer

AVERAGE = ("ipo", "simpo")  # losses of the mean token's log-probability; the others take the sum
SMOOTH = ("sigmoid", "simpo")
PASSED = ("beta", "loss_type", "cpo_alpha", "simpo_gamma", "label_smoothing")


class CPO(PairMethod):
    """Makes the chosen answer likelier than the rejected one, and learns it as SFT does (`cpo_alpha` above 0)."""

    type: Literal["cpo"] = knob("cpo", flag="method")
    beta: float = knob(0.1, gt=0)
    loss_type: Literal["sigmoid", "hinge", "ipo", "simpo"] = knob("sigmoid")
    cpo_alpha: float = knob(1.0, ge=0)
    simpo_gamma: float = knob(0.5, ge=0, advanced=True)
    label_smoothing: float = knob(0.0, ge=0, lt=0.5, advanced=True)

    @model_validator(mode="after")
    def _smoothing_where_it_counts(self) -> CPO:
        if self.label_smoothing and self.loss_type not in SMOOTH:
            raise ValueError(
                ConfigError(
                    "method.loss_type: {loss} knows no method.label_smoothing, which is {value}. "
                    "Set it to 0, or choose among the losses {fitting}.",
                    loss=self.loss_type,
                    value=self.label_smoothing,
                    fitting=", ".join(SMOOTH),
                )
            )
        return self

    @property
    def rests(self) -> bool:
        """A hinge has no slope where every pair is far enough apart."""
        return self.loss_type == "hinge" and self.cpo_alpha == 0

    def build_trainer(self, parts: Parts) -> Trainer:
        """A CPOTrainer over finished rows."""
        trl = experimental("cpo")
        kind = learns_from_answers(trl.CPOTrainer, averages=self.loss_type in AVERAGE)
        return contrasting(kind, trl.CPOConfig, parts, {name: getattr(self, name) for name in PASSED})

    def argument_types(self) -> dict[str, Any]:
        return accepted(experimental("cpo").CPOConfig)
