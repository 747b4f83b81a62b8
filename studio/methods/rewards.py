"""What an answer is worth in reinforcement learning, by rules alone. A new one is a function and a line in REWARDS.

Each takes the answers' texts, the rows' references ("" where a row has none) and the method's pattern and length.
Knows nothing of models and trainers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")


@dataclass(frozen=True)
class Rule:
    """What a reward is set to: the pattern to look for, and the length, in characters, to aim at."""

    pattern: str = ""
    length: int = 200


Judge = Callable[[Sequence[str], Sequence[str], Rule], list[float]]


def exact_match(answers: Sequence[str], references: Sequence[str], _: Rule) -> list[float]:
    """1 where the answer is the reference, but for case and white space."""
    return [float(_plain(one) == _plain(other)) for one, other in zip(answers, references, strict=True)]


def contains(answers: Sequence[str], references: Sequence[str], _: Rule) -> list[float]:
    """1 where the reference stands somewhere in the answer."""
    found = zip(answers, references, strict=True)
    return [float(bool(_plain(other)) and _plain(other) in _plain(one)) for one, other in found]


def last_number(answers: Sequence[str], references: Sequence[str], _: Rule) -> list[float]:
    """1 where the answer's last number is the reference's last number."""
    found = [(_number(one), _number(other)) for one, other in zip(answers, references, strict=True)]
    return [float(one is not None and one == other) for one, other in found]


def length(answers: Sequence[str], _: Sequence[str], rule: Rule) -> list[float]:
    """1 at the length aimed at, less the further from it: 0 for an empty answer and for one twice as long."""
    return [max(0.0, 1.0 - abs(len(one.strip()) - rule.length) / rule.length) for one in answers]


def regex(answers: Sequence[str], _: Sequence[str], rule: Rule) -> list[float]:
    """1 where the pattern is found in the answer."""
    pattern = re.compile(rule.pattern, re.DOTALL)
    return [float(pattern.search(one) is not None) for one in answers]


REWARDS: dict[str, Judge] = {
    "exact_match": exact_match,
    "contains": contains,
    "last_number": last_number,
    "length": length,
    "regex": regex,
}
NEED_REFERENCE = frozenset({"exact_match", "contains", "last_number"})


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None
