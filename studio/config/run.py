"""RunConfig: everything that determines a run. What goes in where a run directory comes out."""

from __future__ import annotations

from typing import Annotated, Any, Union

from pydantic import BeforeValidator, Discriminator, model_validator

from studio.config.adapter import AnyAdapter, LoraAdapter
from studio.config.data import DataConfig
from studio.config.evaluation import EvaluationConfig
from studio.config.generation import GenerationConfig
from studio.config.model import ModelConfig
from studio.config.rules import RULES
from studio.config.training import TrainingConfig
from studio.methods import METHODS
from studio.methods.sft import SFT
from studio.section import Section, knob


def _method(value: object) -> object:
    """`method: sft` is short for `method: {type: sft}`; a mapping without a type is sft."""
    if isinstance(value, str):
        return {"type": value}
    if isinstance(value, dict) and "type" not in value:
        return {"type": "sft", **value}
    return value


# `Union[...]` of one member collapses to that member, which needs no discriminator.
_choices: Any = Union[tuple(METHODS.values())]  # noqa: UP007
_union: Any = Annotated[_choices, Discriminator("type")] if len(METHODS) > 1 else _choices
AnyMethod = Annotated[_union, BeforeValidator(_method)]


class RunConfig(Section):
    """The sections of a run. Frozen; `config.files` reads and writes it as YAML."""

    name: str | None = knob(None, max_length=80)
    method: AnyMethod = SFT()
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    adapter: AnyAdapter = LoraAdapter()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    generation: GenerationConfig = GenerationConfig()

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
