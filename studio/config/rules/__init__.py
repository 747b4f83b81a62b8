"""Pairs of settings that cannot be. Form, file and command line share them: they run whenever a RunConfig is made."""

from __future__ import annotations

from studio.config.rules.adapters import ADAPTER_RULES
from studio.config.rules.base import Rule, Sections
from studio.config.rules.training import TRAINING_RULES

RULES: tuple[Rule, ...] = (*TRAINING_RULES, *ADAPTER_RULES)

__all__ = ["RULES", "Rule", "Sections"]
