"""Kahneman-Tversky optimization with `trl.KTOTrainer`. Source: https://huggingface.co/docs/trl/kto_trainer"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from studio.methods.base import DatasetType, Encoded, LaneFacts, Method, Parts, Question, types_of
from studio.methods.encoding import Encoder
from studio.methods.pairs import (
    answer_lanes,
    border_of,
    build,
    keeps_an_answer,
    takes_finished_rows,
    with_answers,
    without_cuts,
)
from studio.methods.reference import reckons_ahead, reference, without_reference
from studio.section import knob

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from trl import KTOTrainer


class KTO(Method):
    """Makes answers that people liked likelier and the others less so; needs no pairs."""

    type: Literal["kto"] = knob("kto", flag="method")
    beta: float = knob(0.1, gt=0)
    desirable_weight: float = knob(1.0, gt=0)
    undesirable_weight: float = knob(1.0, gt=0)
    loss_type: Literal["kto", "apo_zero_unpaired"] = knob("kto", advanced=True)
    ref_model_name_or_path: str | None = knob(None, min_length=1, advanced=True)
    precompute_ref_log_probs: bool = knob(False, advanced=True)

    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("unpaired-preference",)
    lanes: ClassVar[tuple[str, ...]] = ("completion",)

    @property
    def has_reference(self) -> bool:
        return self.ref_model_name_or_path is None

    def encode(self, rows: Sequence[dict[str, Any]], encoder: Encoder) -> list[Encoded]:
        coded = answer_lanes(rows, encoder, names=self.lanes)
        return [with_answers(one, {"label": bool(row["label"])}) for row, one in zip(rows, coded, strict=True)]

    def survives(self, facts: LaneFacts, *, max_length: int | None, truncation_mode: str) -> npt.NDArray[np.bool_]:
        return keeps_an_answer(facts, max_length=max_length, truncation_mode=truncation_mode)

    def trainer_rows(
        self, rows: Sequence[Encoded], *, max_length: int | None, truncation_mode: str
    ) -> dict[str, list[Any]]:
        """The prompt's tokens and the answer's. Ends are cut by the collator, for an answer is also put to its
        neighbour's prompt; beginnings are cut here."""
        prompts, answers = [], []
        for row in rows:
            lane = row.lanes[0]
            start = 0
            if truncation_mode == "keep_end":
                start, _ = self.shown(lane, max_length=max_length, truncation_mode=truncation_mode)
            border = max(border_of(lane), start)
            prompts.append(lane.ids[start:border])
            answers.append(lane.ids[border:])
        labels = [bool(row.extra["label"]) for row in rows]
        return {"prompt_ids": prompts, "completion_ids": answers, "label": labels}

    def question(self, row: Encoded, *, max_length: int | None, truncation_mode: str) -> Question | None:
        """An answer that was not liked is no answer to compare with."""
        asked = super().question(row, max_length=max_length, truncation_mode=truncation_mode)
        return asked if asked is None or row.extra["label"] else Question(asked.prompt)

    def build_trainer(self, parts: Parts) -> KTOTrainer:
        """A KTOTrainer over finished rows; `reference` says what answers are measured against."""
        from datasets import disable_progress_bars
        from trl import KTOConfig, KTOTrainer

        disable_progress_bars()  # of `prepare`
        kind = reckons_ahead(takes_finished_rows(KTOTrainer))

        def prepare(self: Any, dataset: Any, _tokenizer: Any, args: Any, _name: str) -> Any:
            """TRL's last step: beside each answer that of the row before it in the batch, to estimate the KL term."""
            if not self.calculate_KL:
                return dataset
            return dataset.map(_turned, batched=True, batch_size=args.per_device_train_batch_size)

        kind._prepare_dataset = prepare
        trainer: KTOTrainer = build(
            kind,
            KTOConfig,
            parts,
            {
                **without_cuts(parts),
                "max_length": parts.arguments.get("max_length"),
                "beta": self.beta,
                "desirable_weight": self.desirable_weight,
                "undesirable_weight": self.undesirable_weight,
                "loss_type": self.loss_type,
                "precompute_ref_log_probs": self.precompute_ref_log_probs,
                # an answer is also put to its neighbour's prompt, for which rows keep their order
                **({"train_sampling_strategy": "sequential"} if self.loss_type == "kto" else {}),
            },
            ref_model=reference(parts, ahead=self.precompute_ref_log_probs),
        )
        return without_reference(trainer) if self.precompute_ref_log_probs else trainer

    def argument_types(self) -> dict[str, Any]:
        from trl import KTOConfig

        return types_of(KTOConfig)


def _turned(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    answers = rows["completion_ids"]
    return {**rows, "KL_completion_ids": [answers[-1], *answers[:-1]]}
