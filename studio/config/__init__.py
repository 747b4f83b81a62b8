"""The one config of a run: sections, their union with the method, and how it is read and written."""

from __future__ import annotations

from studio.config.adapter import AdapterConfig, LoraAdapter
from studio.config.data import DataConfig
from studio.config.evaluation import EvaluationConfig
from studio.config.generation import GenerationConfig
from studio.config.model import ModelConfig
from studio.config.run import RunConfig
from studio.config.tracking import TrackingConfig
from studio.config.training import TrainingConfig

__all__ = [
    "AdapterConfig",
    "DataConfig",
    "EvaluationConfig",
    "GenerationConfig",
    "LoraAdapter",
    "ModelConfig",
    "RunConfig",
    "TrackingConfig",
    "TrainingConfig",
]
