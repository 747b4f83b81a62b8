"""Direct preference optimization with `trl.DPOTrainer`. Source: https://huggingface.co/docs/trl/dpo_trainer"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from studio.errors import ConfigError
from studio.methods.base import Parts, types_of
from studio.methods.pairs import (
    PairMethod,
    build,
    pair_collator,
    takes_finished_rows,
    without_cuts,
)
from studio.methods.reference import reckons_ahead, reference, without_reference
from studio.section import figures_of, knob, names_of

if TYPE_CHECKING:
    from trl import DPOTrainer

LossType = Literal[
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot",
    "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft",
]  # fmt: skip
Losses = Annotated[tuple[LossType, ...], BeforeValidator(names_of)]
Weights = Annotated[tuple[float, ...], BeforeValidator(figures_of)]

# What TRL can do with these losses alone (`trl/trainer/dpo_trainer.py`):
DIVERGE = frozenset({"sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"})
SORT = frozenset({"aot", "aot_unpaired"})
SMOOTH = SORT | {"exo_pair", "robust"}

PASSED = (
    "beta", "label_smoothing", "f_divergence_type", "f_alpha_divergence_coef", "discopop_tau", "ld_alpha",
    "use_weighting", "precompute_ref_log_probs",
)  # fmt: skip


class DPO(PairMethod):
    """Makes the chosen answer likelier than the rejected one, without going far from the reference model."""

    type: Literal["dpo"] = knob("dpo", flag="method")
    beta: float = knob(0.1, gt=0)
    loss_type: Losses = knob(("sigmoid",), min_length=1, advanced=True)
    loss_weights: Weights | None = knob(None, advanced=True)
    label_smoothing: float = knob(0.0, ge=0, lt=0.5, advanced=True)
    f_divergence_type: Literal["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"] = knob(
        "reverse_kl", advanced=True
    )
    f_alpha_divergence_coef: float = knob(0.5, advanced=True)
    discopop_tau: float = knob(0.05, gt=0, advanced=True)
    ld_alpha: float | None = knob(None, ge=0, le=1, advanced=True)
    use_weighting: bool = knob(False, advanced=True)
    ref_model_name_or_path: str | None = knob(None, min_length=1, advanced=True)
    precompute_ref_log_probs: bool = knob(False, advanced=True)

    @model_validator(mode="after")
    def _losses_have_what_they_need(self) -> DPO:
        broken = self._broken() or self._smoothing()
        if broken is not None:
            raise ValueError(broken)
        return self

    def _broken(self) -> ConfigError | None:
        losses = self.loss_type
        if self.loss_weights is not None and len(self.loss_weights) != len(losses):
            return ConfigError(
                "method.loss_weights has {weights} numbers for {losses} losses ({names}). "
                "Give one for each loss of method.loss_type, or leave it out.",
                weights=len(self.loss_weights),
                losses=len(losses),
                names=", ".join(losses),
            )
        if self.f_divergence_type != "reverse_kl" and not DIVERGE.issuperset(losses):
            return ConfigError(
                "method.f_divergence_type: {kind} does not go with method.loss_type: {loss}. "
                "Set it to reverse_kl, or choose among the losses {fitting}.",
                kind=self.f_divergence_type,
                loss=next(one for one in losses if one not in DIVERGE),
                fitting=", ".join(sorted(DIVERGE)),
            )
        if self.use_weighting and SORT.intersection(losses):
            return ConfigError(
                "method.use_weighting weighs pairs, and method.loss_type: {loss} takes them apart. "
                "Turn it off, or choose another loss.",
                loss=_first(losses, SORT),
            )
        return None

    def _smoothing(self) -> ConfigError | None:
        losses = self.loss_type
        if "exo_pair" in losses and self.label_smoothing == 0:
            return ConfigError(
                "method.loss_type: exo_pair needs method.label_smoothing above 0. "
                "Set it, such as 0.001, or choose another loss."
            )
        if self.label_smoothing and not SMOOTH.intersection(losses):
            return ConfigError(
                "method.loss_type: {loss} knows no method.label_smoothing, which is {value}. "
                "Set it to 0, or choose among the losses {fitting}.",
                loss=", ".join(losses),
                value=self.label_smoothing,
                fitting=", ".join(sorted(SMOOTH)),
            )
        return None

    @property
    def rests(self) -> bool:
        """A hinge has no slope where every pair is far enough apart."""
        return set(self.loss_type) == {"hinge"}

    @property
    def has_reference(self) -> bool:
        return self.ref_model_name_or_path is None

    def build_trainer(self, parts: Parts) -> DPOTrainer:
        """A DPOTrainer over finished rows; `pairs.reference` says what answers are measured against."""
        from trl import DPOConfig, DPOTrainer

        # The config class warns of `keep_end`, so it is told of none; the collator does it.
        trainer: DPOTrainer = build(
            reckons_ahead(takes_finished_rows(DPOTrainer), of=self.ld_alpha),
            DPOConfig,
            parts,
            {
                **without_cuts(parts),
                "max_length": parts.arguments.get("max_length"),
                **{name: getattr(self, name) for name in PASSED},
                "loss_type": list(self.loss_type),
                "loss_weights": list(self.loss_weights) if self.loss_weights is not None else None,
            },
            ref_model=reference(parts, ahead=self.precompute_ref_log_probs),
            data_collator=pair_collator(parts),
        )
        return without_reference(trainer) if self.precompute_ref_log_probs else trainer

    def argument_types(self) -> dict[str, Any]:
        from trl import DPOConfig

        return types_of(DPOConfig)


def _first(losses: Sequence[str], some: frozenset[str]) -> str:
    return next(one for one in losses if one in some)
