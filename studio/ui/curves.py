"""What a run's plot draws besides loss and token accuracy: figures by family, thinned. Knows nothing of drawing.

A new figure is a name in FAMILIES; its words are `live.show_<family>` and, where it has some, `live.curves.<name>`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

Point = tuple[int, float]

# Family -> the trainers' own names; `*` is any reward's. An evaluation has each as `eval_...`.
FAMILIES: dict[str, tuple[str, ...]] = {
    "rewards": (
        "rewards/chosen", "rewards/rejected", "rewards/margins", "mean_reward", "margin", "reward", "rewards/*/mean",
    ),
    "choices": ("rewards/accuracies", "accuracy"),
    "answers": ("rouge1", "rouge2", "rougeL", "bleu", "exact_match"),
    "kl": ("kl",),
    "length": ("completions/mean_length",),
    "errors": ("mse", "mae"),
}  # fmt: skip
EVALUATION = "eval_"
MOST_POINTS = 400  # of a curve, when a page attaches
MOST_CURVES = 12  # of a family


def family_of(name: str) -> str | None:
    """The family that a figure is drawn with."""
    for family, patterns in FAMILIES.items():
        if any(fnmatchcase(name, one) for one in patterns):
            return family
    return None


def curves(events: Iterable[dict[str, Any]], *, thin: bool) -> list[dict[str, Any]]:
    """`{family, name, evaluated, points: [[step, value], ...]}` for each figure of a family that the events hold."""
    found: dict[tuple[str, bool], list[Point]] = {}
    for event in events:
        evaluated = event["kind"] == "evaluated"
        if not evaluated and event["kind"] != "log":
            continue
        for key, value in event.items():
            name = key.removeprefix(EVALUATION) if evaluated else key
            figure = figure_of(value)
            if figure is not None and key.startswith(EVALUATION) == evaluated and family_of(name):
                found.setdefault((name, evaluated), []).append((int(event.get("step") or 0), figure))
    made: list[dict[str, Any]] = []
    for family, patterns in FAMILIES.items():
        chosen = [one for one in found if family_of(one[0]) == family]
        chosen.sort(key=lambda one: (_place(one[0], patterns), one))
        for name, evaluated in chosen[: 2 * MOST_CURVES]:
            points = found[name, evaluated]
            kept = thinned(points) if thin else points
            made.append({"family": family, "name": name, "evaluated": evaluated, "points": kept})
    return made


def thinned(points: Sequence[Point], limit: int = MOST_POINTS) -> list[Point]:
    """At most `limit` points, with the lowest and the highest of each stretch."""
    if len(points) <= limit:
        return list(points)
    size = math.ceil(2 * len(points) / limit)
    keep: set[int] = set()
    for start in range(0, len(points), size):
        stretch = range(start, min(start + size, len(points)))
        keep |= {min(stretch, key=lambda at: points[at][1]), max(stretch, key=lambda at: points[at][1])}
    return [points[at] for at in sorted(keep)]


def _place(name: str, patterns: Sequence[str]) -> int:
    return next(at for at, one in enumerate(patterns) if fnmatchcase(name, one))


def figure_of(value: object) -> float | None:
    """A finite number; anything else (a NaN is written as text) is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
