"""RunConfig: everything that determines a run. What goes in where a run directory comes out."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Union

from pydantic import Discriminator, PlainValidator, SerializeAsAny, TypeAdapter, model_validator

from studio.config.adapter import AnyAdapter, LoraAdapter
from studio.config.data import DataConfig
from studio.config.evaluation import EvaluationConfig
from studio.config.generation import GenerationConfig
from studio.config.model import ModelConfig
from studio.config.rules import RULES
from studio.config.tracking import TrackingConfig
from studio.config.training import TrainingConfig
from studio.errors import ConfigError
from studio.methods import METHODS, Method
from studio.methods.sft import SFT
from studio.section import Line, Section, knob


@cache
def _union(kinds: tuple[type[Method], ...]) -> TypeAdapter[Method]:
    """One of these methods, told apart by `type`."""
    several: Any = Union
    return TypeAdapter(Annotated[several[kinds], Discriminator("type")])


def _method(value: object) -> Method:
    """`method: sft` is short for `method: {type: sft}`; a mapping without a type is sft.

    METHODS is read when a config is made, not when this file is: others may have added theirs.
    """
    if isinstance(value, str):
        value = {"type": value}
    if isinstance(value, dict):
        value = {"type": "sft", **value}
        if value["type"] not in (*METHODS, None):
            raise ValueError(
                ConfigError(
                    "method.type is {value}; there are: {choices}. A method from elsewhere needs its package "
                    "installed, or its file named with --plugin.",
                    value=repr(value["type"])[:60],
                    choices=", ".join(METHODS),
                )
            )
    return _union(tuple(METHODS.values())).validate_python(value)


AnyMethod = Annotated[SerializeAsAny[Method], PlainValidator(_method)]


class RunConfig(Section):
    """The sections of a run. Frozen; `config.files` reads and writes it as YAML."""

    name: Line | None = knob(None, max_length=80)
    method: AnyMethod = SFT()
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    adapter: AnyAdapter = LoraAdapter()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    generation: GenerationConfig = GenerationConfig()
    tracking: TrackingConfig = TrackingConfig()

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, data: object) -> object:
        """`training:` with nothing under it means its defaults; `adapter: null` alone means something else."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key in ("adapter", "name")}

    @model_validator(mode="after")
    def _possible(self) -> RunConfig:
        for rule in RULES:
            broken = rule(self)
            if broken is not None:
                raise ValueError(broken)
        return self
