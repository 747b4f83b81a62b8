"""A plain function as a reward, in the manner of TRL: it takes `completions` and whatever else it names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from studio.methods.rewards.base import Answer, RewardFunction, Scores, checked

if TYPE_CHECKING:
    from studio.methods.base import Parts

TAKES = "completions"  # the parameter by which a function is known to be a reward
REFERENCES = ("reference", "solution", "answer", "ground_truth", "target", "label")  # what it may call the reference


class FunctionReward(RewardFunction):
    """Calls a function with what it names of TRL's arguments. Answers are texts, or turns, as TRL gives them."""

    function: ClassVar[Callable[..., Any]]

    def trainer_function(self, parts: Parts) -> Callable[..., Scores]:
        def judged(**given: Any) -> Scores:
            return self._call(given)

        judged.__name__ = self.name
        return judged

    def score(self, answers: Sequence[Answer]) -> Scores:
        return self._call(
            {
                "prompts": [one.prompt for one in answers],
                TAKES: [one.text for one in answers],
                "reference": [one.reference for one in answers],
            }
        )

    def _call(self, given: dict[str, Any]) -> Scores:
        function, references = type(self).function, given["reference"]
        taken = inspect.signature(function).parameters
        if not any(one.kind is one.VAR_KEYWORD for one in taken.values()):
            given = {name: one for name, one in given.items() if name in taken}
        also = {name: references for name in REFERENCES if name in taken and name not in given}
        return checked(self.name, function, **given, **also)


def is_reward(function: Any) -> bool:
    """Whether this is a function of answers."""
    return inspect.isfunction(function) and TAKES in inspect.signature(function).parameters


def reward_of(function: Callable[..., Any]) -> type[FunctionReward]:
    """The function as an entry of REWARDS, by its own name."""
    taken = inspect.signature(function).parameters
    needs = any(name in taken and taken[name].default is inspect.Parameter.empty for name in REFERENCES)
    name, space = function.__name__, {"__module__": function.__module__, "__doc__": function.__doc__}
    kinds = {"name": ClassVar[str], "compares": ClassVar[bool], "function": ClassVar[Callable[..., Any]]}
    made: type[FunctionReward] = type(
        name,
        (FunctionReward,),
        {**space, "__annotations__": kinds, "name": name, "compares": needs, "function": staticmethod(function)},
    )
    return made
