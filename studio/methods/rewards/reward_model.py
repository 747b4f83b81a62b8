"""What a reward model of ours gives an answer: the score of a run of method reward. Loads no model: the run's parts
bring what scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import model_validator

from studio.errors import ConfigError, RunFailed
from studio.methods.rewards.base import Answer, RewardFunction, Scores, checked, text_of
from studio.section import knob

if TYPE_CHECKING:
    from studio.methods.base import Parts


class RewardModel(RewardFunction):
    """The score that the reward run gives the answer to its prompt."""

    name: ClassVar[str] = "reward_model"
    run: str = knob("")

    @model_validator(mode="after")
    def _possible(self) -> RewardModel:
        if not self.run.strip():
            raise ValueError(
                ConfigError(
                    "method.reward_funcs: reward_model needs method.reward_run, the id or folder of a run of method "
                    "reward, which is empty."
                )
            )
        return self

    def score(self, answers: Sequence[Answer]) -> Scores:
        """Only a run has the model at hand."""
        raise TypeError("reward_model scores within a run: its parts bring the model")

    def trainer_function(self, parts: Parts) -> Callable[..., Scores]:
        scorer = parts.scorer
        if scorer is None:
            raise RunFailed("The reward model of {run} was not loaded. Start the run again.", run=self.run)

        def judged(*, prompts: list[Any], completions: list[Any], **_: Any) -> Scores:
            asked = [(prompt, text_of(one)) for prompt, one in zip(prompts, completions, strict=True)]
            return checked(self.name, scorer, asked)

        judged.__name__ = self.name
        return judged
