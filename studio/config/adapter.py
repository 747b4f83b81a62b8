"""Which part of the model is trained. `adapter: null` in a run means all of it: full fine-tuning."""

from __future__ import annotations

from typing import Annotated, Any, Union

from pydantic import BeforeValidator, Discriminator

from studio.adapters import ADAPTERS, Adapter, LoraAdapter
from studio.adapters.targets import ALL_LINEAR, ATTENTION

__all__ = ["ALL_LINEAR", "ATTENTION", "AdapterConfig", "AnyAdapter", "LoraAdapter"]


def _adapter(value: object) -> object:
    """`adapter: lora` is short for `adapter: {type: lora}`; a mapping without a type is lora."""
    if isinstance(value, str):
        return {"type": value}
    if isinstance(value, dict) and "type" not in value:
        return {"type": "lora", **value}
    return value


AdapterConfig = Adapter
_choices: Any = Union[tuple(ADAPTERS.values())]  # noqa: UP007
AnyAdapter = Annotated[Annotated[_choices, Discriminator("type")] | None, BeforeValidator(_adapter)]
