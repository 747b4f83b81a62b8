"""The training methods. A new one is a file here and a line in METHODS."""

from __future__ import annotations

from studio.methods.base import Method, Parts
from studio.methods.sft import SFT

METHODS: dict[str, type[Method]] = {"sft": SFT}

__all__ = ["METHODS", "Method", "Parts"]
