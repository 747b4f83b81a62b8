"""The training methods. A new one is a file here and a line in METHODS."""

from __future__ import annotations

from studio.methods.base import Method, Parts
from studio.methods.cpo import CPO
from studio.methods.dpo import DPO
from studio.methods.grpo import with_rewards
from studio.methods.kto import KTO
from studio.methods.orpo import ORPO
from studio.methods.reward import Reward
from studio.methods.sft import SFT

METHODS: dict[str, type[Method]] = {
    "sft": SFT,
    "dpo": DPO,
    "kto": KTO,
    "orpo": ORPO,
    "cpo": CPO,
    "reward": Reward,
    "grpo": with_rewards(),
}

__all__ = ["METHODS", "Method", "Parts"]
