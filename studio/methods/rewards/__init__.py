"""What an answer is worth in reinforcement learning. A new reward is a class here and a line in REWARDS."""

from __future__ import annotations

from studio.methods.rewards.base import Answer, RewardFunction, Scores
from studio.methods.rewards.json_schema import JsonSchema
from studio.methods.rewards.reward_model import RewardModel
from studio.methods.rewards.rules import Contains, ExactMatch, LastNumber, Length, Regex, ThinkFormat

REWARDS: dict[str, type[RewardFunction]] = {
    one.name: one for one in (ExactMatch, Contains, LastNumber, Length, Regex, JsonSchema, ThinkFormat, RewardModel)
}

__all__ = ["REWARDS", "Answer", "RewardFunction", "Scores"]
