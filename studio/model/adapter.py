"""An adapter's settings -> PEFT config and parameter counts, for one model. Loads no weights, trains nothing."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING

from studio.adapters import ADAPTERS, Adapter, LoraAdapter, Start
from studio.adapters.base import without_expected
from studio.adapters.targets import candidate_modules, matches, saveable_modules, saved_names
from studio.config import ModelConfig
from studio.errors import ConfigError
from studio.model.adapter_file import AdapterFile, another_base, find_adapter, loaded_config, read_adapter
from studio.model.new_tokens import added_to, embeddings_of, growth, let_trainers_read_bias, trained_rows
from studio.model.shape import count_parameters, shape_of
from studio.model.tokenizer import load_tokenizer
from studio.settings import Settings

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

__all__ = ["candidate_modules", "count_trainable", "peft_config", "saveable_modules", "start_of"]


def start_of(adapter: Adapter, settings: Settings) -> AdapterFile | None:
    """The saved adapter that training goes on with, checked; None where a new one begins."""
    wanted = adapter.adapter_name_or_path
    if wanted is None:
        return None
    found = read_adapter(find_adapter(wanted, settings))
    kind = str(found.config["peft_type"])
    if kind != adapter.peft_type:
        named = next((name for name, one in ADAPTERS.items() if one.peft_type == kind), kind)
        raise ConfigError(
            "adapter.adapter_name_or_path {folder} holds an adapter of the kind {kind}, and adapter.type is {type}. "
            "Set adapter.type: {kind}.",
            folder=wanted,
            kind=named,
            type=adapter.type,
        )
    return found


def peft_config(
    adapter: Adapter, model: PreTrainedModel, *, total_steps: int = 1, before: AdapterFile | None = None
) -> PeftConfig:
    """The PEFT config for this model, every name in it checked against the model's own.

    With the adapter of `before`, that one's: where it sits and how wide it is cannot change any more.
    """
    if before is not None:
        found = loaded_config(before)
        _check_places(found, model, before=before)
        found.inference_mode = False
        dropout = getattr(adapter, "lora_dropout", None)
        if dropout is not None:
            found.lora_dropout = dropout
        return found
    return adapter.peft_config(model, _start(adapter, model, total_steps=total_steps))


def _check_places(found: PeftConfig, model: PreTrainedModel, *, before: AdapterFile) -> None:
    """A model without the modules that the adapter sits in is not the one it was trained on."""
    there = [name for name, _ in model.named_modules()]
    targets = found.target_modules if isinstance(found.target_modules, list | set | tuple) else ()
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in there):
            raise another_base(before, model.name_or_path)


def _start(adapter: Adapter, model: PreTrainedModel, *, total_steps: int) -> Start:
    whole = saved_names(getattr(adapter, "modules_to_save", ()), model)
    chosen = _chosen_rows(adapter, model.get_input_embeddings().num_embeddings)
    new_rows = trained_rows(model, whole=whole, besides=chosen)
    if new_rows and not adapter.trains_new_tokens:
        raise ConfigError(
            "model.add_template_tokens brings new tokens, whose embeddings adapter.type {type} does not train. "
            "Set adapter.type: lora, or name the embeddings in adapter.modules_to_save.",
            type=adapter.type,
        )
    if new_rows:
        let_trainers_read_bias()
    return Start(total_steps=total_steps, new_rows=new_rows)


def count_trainable(adapter: Adapter | None, config: ModelConfig, settings: Settings) -> tuple[int, int]:
    """(trainable, total) parameters without weights; None is full fine-tuning."""
    model = shape_of(config, settings)
    before = None if adapter is None else start_of(adapter, settings)
    if before is not None:
        return before.parameters, count_parameters(model) + before.parameters
    trainable, total = _count(_Key(adapter), model)
    rows = _chosen_rows(adapter, model.get_input_embeddings().num_embeddings)
    pieces = added_to(load_tokenizer(config, settings)) if config.add_template_tokens else {}
    saved = () if adapter is None else saved_names(getattr(adapter, "modules_to_save", ()), model)
    for name, layer in embeddings_of(model).items() if pieces or rows else ():
        grown = growth(layer, pieces)
        whole = adapter is None or matches(name, saved)
        new = grown if whole else len({*pieces, *rows}) * int(layer.weight.shape[1])
        trainable += new
        total += grown if adapter is None else grown + new
    return trainable, total


def _chosen_rows(adapter: Adapter | None, there: int) -> tuple[int, ...]:
    """`adapter.trainable_token_indices`, checked against an embedding's rows."""
    chosen: tuple[int, ...] = getattr(adapter, "trainable_token_indices", ())
    for number in chosen:
        if not 0 <= number < there:
            raise ConfigError(
                "adapter.trainable_token_indices holds {number}, and the model's tokens go from 0 to {last}.",
                number=number,
                last=there - 1,
            )
    return chosen


class _Key:
    """An adapter's settings as a key: sections with mappings in them have no hash of their own."""

    def __init__(self, adapter: Adapter | None) -> None:
        self.adapter = adapter
        self._text = "" if adapter is None else adapter.model_dump_json()

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other._text == self._text


@functools.lru_cache(maxsize=256)
def _count(key: _Key, model: PreTrainedModel) -> tuple[int, int]:
    base, adapter = count_parameters(model), key.adapter
    if adapter is None:
        return base, base
    trained, beside = adapter.count(model) or _counted_by_peft(adapter, model)
    return trained, base + beside


def _counted_by_peft(adapter: Adapter, model: PreTrainedModel) -> tuple[int, int]:
    """PEFT's own modules on the model without weights (half a second). AdaLoRA's count of ranks is no weight."""
    from peft import get_peft_model

    config = adapter.peft_config(model, Start(counting=True))
    with without_expected(type(adapter)):
        made = get_peft_model(copy.deepcopy(model), config)
    trained = {
        name: one.numel() for name, one in made.named_parameters() if one.requires_grad and ".ranknum." not in name
    }
    return sum(trained.values()), sum(size for name, size in trained.items() if is_beside(name))


def is_beside(name: str) -> bool:
    """Whether a trained parameter is the adapter's, not one of the base's own, by its name in PEFT's model."""
    return ".default" in name


def moves_weights(adapter: Adapter | None) -> bool:
    """Whether the adapter begins with a part of the base's weights (PiSSA, OLoRA)."""
    return isinstance(adapter, LoraAdapter) and adapter.moves_weights
