"""What an evaluator is: figures over the answers of an evaluation, from texts alone. Knows nothing of models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar


class Evaluator(ABC):
    """Holds answers against the rows' own. Each of its `figures` is `eval_<figure>` in a run's log: more is better."""

    name: ClassVar[str]  # as `evaluation.metrics` has it
    figures: ClassVar[tuple[str, ...]]

    @abstractmethod
    def score(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """A value for each of `figures`, over all answers; there is at least one, and a reference to each."""
