"""What a rule is: a function of a run's sections that gives None, or a sentence that names the lever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from studio.config.adapter import AdapterConfig
from studio.config.evaluation import EvaluationConfig
from studio.config.model import ModelConfig
from studio.config.training import TrainingConfig
from studio.errors import ConfigError
from studio.methods import Method


class Sections(Protocol):
    """What a rule looks at: the sections of a RunConfig."""

    @property
    def method(self) -> Method: ...
    @property
    def model(self) -> ModelConfig: ...
    @property
    def adapter(self) -> AdapterConfig | None: ...
    @property
    def training(self) -> TrainingConfig: ...
    @property
    def evaluation(self) -> EvaluationConfig: ...


Rule = Callable[[Sections], ConfigError | None]
