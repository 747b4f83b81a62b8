"""The figures of several evaluators over the same answers. Knows none of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from studio.errors import RunFailed
from studio.evaluation import EVALUATORS
from studio.evaluation.base import Evaluator


def scores(answers: Sequence[str], references: Sequence[str], *, metrics: Iterable[str]) -> dict[str, float]:
    """The figures of these evaluators in one; none where there are no answers."""
    found: dict[str, float] = {}
    for metric in metrics if answers else ():
        found |= _checked(EVALUATORS[metric], answers, references)
    return {name: round(value, 4) for name, value in found.items()}


def _checked(evaluator: Evaluator, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Its figures, or a sentence where it fails or gives others than it names."""
    try:
        found = dict(evaluator.score(answers, references))
    except Exception as error:
        raise RunFailed(
            "The evaluator {name} failed ({kind}: {text}). Mend it, or take it out of evaluation.metrics.",
            name=evaluator.name,
            kind=type(error).__name__,
            text=str(error)[:300],
        ) from error
    numbers = {name: one for name, one in found.items() if isinstance(one, int | float) and math.isfinite(one)}
    if numbers.keys() != set(evaluator.figures) or numbers.keys() != found.keys():
        raise RunFailed(
            "The evaluator {name} gave {value}. It must give a finite number for each of its figures: {figures}.",
            name=evaluator.name,
            value=repr(found)[:120],
            figures=", ".join(evaluator.figures),
        )
    return {name: float(one) for name, one in numbers.items()}
