"""What a kind of fine-tuning is: its settings, and what of a model it trains. Loads no weights, trains nothing.

A kind is a Section, so its settings are knobs like any other; they are named as in PEFT's own config class.
"""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator

from studio.adapters.targets import ALL_LINEAR, Targets, linear_layers, saved_names, target_names
from studio.errors import ConfigError
from studio.section import Names, Section, knob, mapping_of

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel, TrainerCallback

Quantization = str  # as `model.quantization` has it


def _layers(value: object) -> object:
    """`0-3, 8` and `[0, 1, 2, 3, 8]` both give a tuple of numbers; -1 is the last layer."""
    if not isinstance(value, str):
        return value
    found: list[object] = []
    for part in (one.strip() for one in value.split(",")):
        span = re.fullmatch(r"(\d+)\s*-\s*(\d+)", part)
        if span:
            found += range(int(span[1]), int(span[2]) + 1)
        elif part:
            found.append(part)
    return tuple(found)


Layers = Annotated[tuple[int, ...], BeforeValidator(_layers)]
Pattern = Annotated[dict[str, float], BeforeValidator(mapping_of)]


@dataclass(frozen=True)
class Start:
    """What an adapter begins with besides the model: steps of the run, rows of new tokens by their layer, and whether
    it is only to be counted, on a model without weights."""

    total_steps: int = 1
    new_rows: Mapping[str, list[int]] = field(default_factory=dict)
    counting: bool = False


class Adapter(Section, ABC):
    """One kind of fine-tuning. `type` is its key in ADAPTERS; all but `freeze` are adapters of PEFT."""

    type: str
    adapter_name_or_path: str | None = knob(None, advanced=True)

    peft_type: ClassVar[str] = ""  # as PEFT writes it into adapter_config.json; "" where nothing stands beside the base
    # What is taken over from such a file, and what a value must be: number, flag, name, names, pattern, ranks, layers.
    saved: ClassVar[Mapping[str, str]] = {}
    quantizations: ClassVar[tuple[Quantization, ...]] = ("none", "8-bit", "4-bit")
    expected: ClassVar[tuple[str, ...]] = ()  # beginnings of warnings of PEFT that tell what is meant to be so
    rests: ClassVar[bool] = False  # whether a batch can hold nothing of what is trained, and a step have no gradient
    trains_new_tokens: ClassVar[bool] = False  # whether single rows of an embedding can be trained

    @property
    def beside(self) -> bool:
        """Whether what is trained stands beside the base, which is only read."""
        return bool(self.peft_type)

    @abstractmethod
    def peft_config(self, model: PreTrainedModel, start: Start) -> PeftConfig:
        """The PEFT config for this model, every name in it checked against the model's own."""

    def count(self, model: PreTrainedModel) -> tuple[int, int] | None:
        """(trained parameters, those that come beside the base), reckoned from a model's shapes; None where PEFT has
        to be asked."""
        return None

    def callbacks(self) -> tuple[TrainerCallback, ...]:
        """What a trainer has to call besides."""
        return ()

    def kept(self, model: PreTrainedModel) -> dict[str, Any] | None:
        """What a checkpoint needs besides the trained values: plain values and tensors; None where there is nothing."""
        return None

    def restore(self, model: PreTrainedModel, kept: dict[str, Any]) -> None:
        """Put back what `kept` gave."""


@contextmanager
def without_expected(kind: type[Adapter] | None) -> Iterator[None]:
    """Keeps PEFT's warnings of what this kind of adapter means to do out of the log."""
    with warnings.catch_warnings():
        for beginning in () if kind is None else kind.expected:
            warnings.filterwarnings("ignore", message=re.escape(beginning))
        yield


class Targeted(Adapter):
    """An adapter at some of a model's linear layers, with whole modules trained beside them."""

    target_modules: Targets = knob(ALL_LINEAR, flag="lora_target_modules", aliases=("target_modules",))
    modules_to_save: Names = knob((), advanced=True, flag="lora_modules_to_save", aliases=("modules_to_save",))

    def placed(self, model: PreTrainedModel, *, transposed: bool = True) -> dict[str, Any]:
        """The arguments of a PEFT config that say where the adapter sits. `transposed` kinds know GPT-2's layers."""
        made: dict[str, Any] = {
            "task_type": "CAUSAL_LM",
            "target_modules": list(target_names(self.target_modules, model)),
            "modules_to_save": list(saved_names(self.modules_to_save, model)) or None,
        }
        layers: Layers = getattr(self, "layers_to_transform", ())
        if layers:
            made["layers_to_transform"] = layer_numbers(layers, model)
        if transposed:
            made["fan_in_fan_out"] = keeps_transposed(model)
        return made


def keeps_transposed(model: PreTrainedModel) -> bool:
    """Whether the linear layers keep their weights the other way round, as GPT-2 does."""
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(module, Conv1D) for _, module in linear_layers(model))


def layer_numbers(wanted: tuple[int, ...], model: PreTrainedModel) -> list[int]:
    """`adapter.layers_to_transform` as numbers from 0 on."""
    there = int(getattr(model.config.get_text_config(), "num_hidden_layers", 0) or 0)
    for number in wanted:
        if not -there <= number < there:
            raise ConfigError(
                "adapter.layers_to_transform holds {number}, and the model's layers go from 0 to {last}.",
                number=number,
                last=there - 1,
            )
    return sorted({number % there for number in wanted})
