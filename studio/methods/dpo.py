"""Direct preference optimization with `trl.DPOTrainer`. Source: https://huggingface.co/docs/trl/dpo_trainer"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from studio.errors import ConfigError
from studio.methods.base import DatasetType, Encoded, LaneFacts, Method, Parts, types_of
from studio.methods.encoding import Encoder
from studio.methods.pairs import (
    answer_lanes,
    border_of,
    build,
    keeps_an_answer,
    reference,
    takes_finished_rows,
    with_answers,
    without_cuts,
)
from studio.section import knob

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from trl import DPOTrainer

LossType = Literal[
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot",
    "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft",
]  # fmt: skip


class DPO(Method):
    """Makes the chosen answer likelier than the rejected one, without going far from the base model."""

    type: Literal["dpo"] = knob("dpo", flag="method")
    beta: float = knob(0.1, ge=0)
    loss_type: LossType = knob("sigmoid", advanced=True)
    label_smoothing: float = knob(0.0, ge=0, lt=0.5, advanced=True)

    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("preference",)
    lanes: ClassVar[tuple[str, ...]] = ("chosen", "rejected")

    @model_validator(mode="after")
    def _smoothing_where_needed(self) -> DPO:
        if self.loss_type == "exo_pair" and self.label_smoothing == 0:
            raise ValueError(
                ConfigError(
                    "method.loss_type: exo_pair needs method.label_smoothing above 0. "
                    "Set it, such as 0.001, or choose another loss."
                )
            )
        return self

    def encode(self, rows: Sequence[dict[str, Any]], encoder: Encoder) -> list[Encoded]:
        return [with_answers(pair) for pair in answer_lanes(rows, encoder, names=self.lanes)]

    def survives(self, facts: LaneFacts, *, max_length: int | None, truncation_mode: str) -> npt.NDArray[np.bool_]:
        return keeps_an_answer(facts, max_length=max_length, truncation_mode=truncation_mode)

    def trainer_rows(
        self, rows: Sequence[Encoded], *, max_length: int | None, truncation_mode: str
    ) -> dict[str, list[Any]]:
        """The prompt's tokens and those of each answer; the collator cuts, for each lane may lose others."""
        borders = [min(border_of(lane) for lane in row.lanes) for row in rows]
        return {
            "prompt_ids": [row.lanes[0].ids[:border] for row, border in zip(rows, borders, strict=True)],
            "chosen_ids": [row.lanes[0].ids[border:] for row, border in zip(rows, borders, strict=True)],
            "rejected_ids": [row.lanes[1].ids[border:] for row, border in zip(rows, borders, strict=True)],
        }

    def build_trainer(self, parts: Parts) -> DPOTrainer:
        """A DPOTrainer over finished rows. Beside an adapter the base itself is the reference."""
        from trl import DPOConfig, DPOTrainer
        from trl.trainer.dpo_trainer import DataCollatorForPreference

        max_length = parts.arguments.get("max_length")
        collator = None
        if parts.arguments.get("truncation_mode") == "keep_end":  # the config class warns of it, the collator does it
            collator = DataCollatorForPreference(
                pad_token_id=parts.tokenizer.pad_token_id, max_length=max_length, truncation_mode="keep_end"
            )
        return build(
            takes_finished_rows(DPOTrainer),
            DPOConfig,
            parts,
            {
                **without_cuts(parts),
                "max_length": max_length,
                "beta": self.beta,
                "loss_type": [self.loss_type],
                "label_smoothing": self.label_smoothing,
            },
            ref_model=reference(parts),
            data_collator=collator,
        )

    def argument_types(self) -> dict[str, Any]:
        from trl import DPOConfig

        return types_of(DPOConfig)
