"""Exact match: answers that are the reference, word for word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.evaluation.base import Evaluator


class ExactMatch(Evaluator):
    """The share of answers that are the reference but for white space, 0 to 100."""

    name: ClassVar[str] = "exact_match"
    figures: ClassVar[tuple[str, ...]] = ("exact_match",)

    def score(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        same = [one.split() == other.split() for one, other in zip(answers, references, strict=True)]
        return {"exact_match": 100 * sum(same) / len(same)}
