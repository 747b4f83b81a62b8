"""What a run's plot draws besides loss and token accuracy: figures by family, in few points. Knows nothing of drawing.

A new figure is a name in FAMILIES; its words are `live.show_<family>` and, where it has some, `live.curves.<name>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from studio.evaluation import EVALUATORS
from studio.runs.summary import Summary

# Family -> the trainers' own names; `*` is any reward's. An evaluation has each as `eval_...`.
FAMILIES: dict[str, tuple[str, ...]] = {
    "rewards": (
        "rewards/chosen", "rewards/rejected", "rewards/margins", "mean_reward", "margin", "reward", "rewards/*/mean",
    ),
    "choices": ("rewards/accuracies", "accuracy"),
    "answers": tuple(figure for one in EVALUATORS.values() for figure in one.figures),  # plugins are there already
    "kl": ("kl",),
    "length": ("completions/mean_length",),
    "errors": ("mse", "mae"),
}  # fmt: skip
EVALUATION = "eval_"
MOST_POINTS = 400  # of a curve of a whole run
MOST_CURVES = 12  # of a family


@lru_cache(maxsize=1024)
def family_of(name: str) -> str | None:
    """The family that a figure is drawn with."""
    for family, patterns in FAMILIES.items():
        if any(fnmatchcase(name, one) for one in patterns):
            return family
    return None


def curves(summary: Summary, *, limit: int = MOST_POINTS) -> list[dict[str, Any]]:
    """`{family, name, evaluated, points: [[step, value], ...]}` for each figure of a family that a log holds."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for key in summary.names():
        name = key.removeprefix(EVALUATION)
        family = family_of(name)
        if family:
            found.setdefault(family, []).append((name, key != name))
    made: list[dict[str, Any]] = []
    for family, patterns in FAMILIES.items():
        chosen = sorted(found.get(family, ()), key=lambda one: (_place(one[0], patterns), one))
        for name, evaluated in chosen[: 2 * MOST_CURVES]:
            points = summary.points(EVALUATION + name if evaluated else name, limit)
            made.append({"family": family, "name": name, "evaluated": evaluated, "points": points})
    return made


def _place(name: str, patterns: Sequence[str]) -> int:
    return next(at for at, one in enumerate(patterns) if fnmatchcase(name, one))
