"""What a reward is: what answers are worth, its settings, and how a trainer calls it. Knows no model and no trainer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from studio.errors import RunFailed
from studio.section import Section

if TYPE_CHECKING:
    from studio.methods.base import Parts

Scores = list[float | None]  # None where a reward says nothing of an answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote, what it was asked (a text or turns), and the row's reference ("" where it has none)."""

    text: str
    prompt: Any = ""
    reference: str = ""


class RewardFunction(Section, ABC):
    """What an answer is worth. Its fields are its settings: `pattern` of one is `method.reward_pattern` of a run."""

    name: ClassVar[str]
    compares: ClassVar[bool] = False  # whether it needs the row's reference

    @abstractmethod
    def score(self, answers: Sequence[Answer]) -> Scores:
        """A number for each answer: more is better."""

    def trainer_function(self, parts: Parts) -> Callable[..., Scores]:
        """The reward as TRL calls it, once a run's parts are there: answers are texts, or turns."""

        def judged(*, prompts: list[Any], completions: list[Any], reference: list[str], **_: Any) -> Scores:
            given = zip(completions, prompts, reference, strict=True)
            return checked(self.name, self.score, [Answer(text_of(one), asked, ref) for one, asked, ref in given])

        judged.__name__ = self.name
        return judged


def text_of(turns: Any) -> str:
    """What a turn, or the last of several, says; a text as it is."""
    return turns if isinstance(turns, str) else str(turns[-1]["content"])


def checked(name: str, call: Callable[..., Any], *given: Any, **named: Any) -> Scores:
    """A reward's scores, or a sentence where it fails or gives what is no number."""
    try:
        scores = list(call(*given, **named))
    except Exception as error:
        raise RunFailed(
            "The reward {name} failed: {kind}: {text}", name=name, kind=type(error).__name__, text=str(error)[:300]
        ) from error
    for one in scores:
        if one is not None and not (isinstance(one, int | float) and math.isfinite(one)):
            raise RunFailed(
                "The reward {name} gave {value} for an answer. It must give a finite number, or None.",
                name=name,
                value=repr(one)[:60],
            )
    return scores
