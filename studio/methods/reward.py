"""Reward modelling with `trl.RewardTrainer`. Source: https://huggingface.co/docs/trl/reward_trainer"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from studio.methods.base import Encoded, LaneFacts, Parts, fits, types_of
from studio.methods.gaps import measures_gaps
from studio.methods.pairs import PairMethod, build, keeps_an_answer, without_cuts
from studio.methods.scoring import adapter_for_scores, scoring_model
from studio.section import knob

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from trl import RewardTrainer


class Reward(PairMethod):
    """Trains a model that gives one number to a conversation: more for the chosen answer than for the rejected.

    Every token counts for the score; the spans are the answers, in which the lanes differ.
    """

    type: Literal["reward"] = knob("reward", flag="method")
    center_rewards_coefficient: float | None = knob(None, ge=0, advanced=True)

    chats: ClassVar[bool] = False

    def survives(self, facts: LaneFacts, *, max_length: int | None, truncation_mode: str) -> npt.NDArray[np.bool_]:
        """TRL knows `drop` alone; the other modes cut as they do elsewhere, and need room for an answer."""
        if max_length is not None and truncation_mode == "drop":
            return fits(facts, max_length=max_length)
        return keeps_an_answer(facts, max_length=max_length, truncation_mode=truncation_mode)

    def trainer_rows(
        self, rows: Sequence[Encoded], *, max_length: int | None, truncation_mode: str
    ) -> dict[str, list[Any]]:
        """Both lanes' tokens, cut."""
        made: dict[str, list[Any]] = {}
        for number, name in enumerate(self.lanes):
            cut = []
            for row in rows:
                lane = row.lanes[number]
                start, end = self.shown(lane, max_length=max_length, truncation_mode=truncation_mode)
                cut.append(lane.ids[start:end])
            made[f"{name}_ids"] = cut
        return made

    def build_trainer(self, parts: Parts) -> RewardTrainer:
        """A RewardTrainer over the model's backbone with a fresh head for scores."""
        from trl import RewardConfig, RewardTrainer

        arguments = without_cuts(parts)
        model, heads = scoring_model(parts.model, seed=int(arguments.get("seed", 42)))
        config = parts.peft_config
        trainer: RewardTrainer = build(
            measures_gaps(RewardTrainer),
            RewardConfig,
            parts,
            {**arguments, "max_length": None, "center_rewards_coefficient": self.center_rewards_coefficient},
            model=model,
            peft_config=None if config is None else adapter_for_scores(config, model, heads),
        )
        for name in heads:
            getattr(model, name).float()  # TRL rounds what is trained beside a quantized base
        return trainer

    def argument_types(self) -> dict[str, Any]:
        from trl import RewardConfig

        return types_of(RewardConfig)
