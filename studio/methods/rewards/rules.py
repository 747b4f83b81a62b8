"""Rewards that look at an answer's text alone, or hold it against the row's reference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from pydantic import model_validator

from studio.errors import ConfigError
from studio.methods.rewards.base import Answer, RewardFunction, Scores
from studio.section import MOST, knob

_NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")
_THOUGHT = re.compile(r"\s*<think>(?:(?!<think>).)*?</think>(?!.*<think>)", re.DOTALL)


class ExactMatch(RewardFunction):
    """1 where the answer is the reference, but for case and white space."""

    name: ClassVar[str] = "exact_match"
    compares: ClassVar[bool] = True

    def score(self, answers: Sequence[Answer]) -> Scores:
        return [float(_plain(one.text) == _plain(one.reference)) for one in answers]


class Contains(RewardFunction):
    """1 where the reference stands somewhere in the answer."""

    name: ClassVar[str] = "contains"
    compares: ClassVar[bool] = True

    def score(self, answers: Sequence[Answer]) -> Scores:
        found = [(_plain(one.text), _plain(one.reference)) for one in answers]
        return [float(bool(reference) and reference in text) for text, reference in found]


class LastNumber(RewardFunction):
    """1 where the answer's last number is the reference's last number."""

    name: ClassVar[str] = "last_number"
    compares: ClassVar[bool] = True

    def score(self, answers: Sequence[Answer]) -> Scores:
        found = [(_number(one.text), _number(one.reference)) for one in answers]
        return [float(number is not None and number == reference) for number, reference in found]


class Length(RewardFunction):
    """1 at the length aimed at, less the further from it: 0 for an empty answer and for one twice as long."""

    name: ClassVar[str] = "length"
    length: int = knob(200, ge=1, le=MOST, advanced=True)

    def score(self, answers: Sequence[Answer]) -> Scores:
        return [max(0.0, 1.0 - abs(len(one.text.strip()) - self.length) / self.length) for one in answers]


class Regex(RewardFunction):
    """1 where the pattern is found in the answer."""

    name: ClassVar[str] = "regex"
    pattern: str = knob("")

    @model_validator(mode="after")
    def _possible(self) -> Regex:
        if not self.pattern:
            raise ValueError(ConfigError("method.reward_funcs: regex needs method.reward_pattern, which is empty."))
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(
                ConfigError("method.reward_pattern is no regular expression ({problem}).", problem=error)
            ) from error
        return self

    def score(self, answers: Sequence[Answer]) -> Scores:
        pattern = re.compile(self.pattern, re.DOTALL)
        return [float(pattern.search(one.text) is not None) for one in answers]


class ThinkFormat(RewardFunction):
    """1 where the answer begins with one <think>...</think> and has no other, as TRL's think_format_reward."""

    name: ClassVar[str] = "think_format"

    def score(self, answers: Sequence[Answer]) -> Scores:
        return [float(_THOUGHT.match(one.text) is not None) for one in answers]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None
