"""What an adapter's weights are before the first step: saved ones, or drawn from data (EVA) or from a loss (LoftQ).

Works on the PEFT model that a trainer made. Trains nothing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.adapters import Adapter, LoraAdapter
from studio.errors import ModelError
from studio.model.adapter import moves_weights
from studio.model.adapter_file import WEIGHTS, AdapterFile, another_base

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor, nn

REFERENCE = "ref"  # the name under which TRL's trainers look for one
EVA_BATCHES = 16  # batches whose activations say where an adapter should look


def put_first_values(
    model: PeftModel,
    adapter: Adapter,
    *,
    before: AdapterFile | None,
    weights: Path,
    batches: Iterable[dict[str, Any]],
    reference: bool,
) -> None:
    """Fill the trained adapter as its settings say. `weights` is the base model's folder, `batches` are the trainer's;
    with `reference` what it is now is kept beside it, as what answers are measured against."""
    if before is not None:
        _continue(model, before, base=weights)
        if reference:
            _keep_as_reference(model)
    elif isinstance(adapter, LoraAdapter) and adapter.init_lora_weights == "eva":
        _from_activations(model, batches)
    elif isinstance(adapter, LoraAdapter) and adapter.init_lora_weights == "loftq":
        _from_what_was_lost(model, weights)


def _continue(model: PeftModel, before: AdapterFile, *, base: Path) -> None:
    """The saved tensors; every one has to find its place, and every place its tensor."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    there = get_peft_model_state_dict(model, save_embedding_layers=False)
    if {name: tuple(tensor.shape) for name, tensor in there.items()} != before.shapes:
        raise another_base(before, str(base))
    set_peft_model_state_dict(model, load_file(before.folder / WEIGHTS))


def _keep_as_reference(model: PeftModel) -> None:
    """A frozen copy beside it."""
    import torch

    config = copy.copy(model.peft_config["default"])
    if hasattr(config, "bias"):
        config.bias = "none"  # PEFT lets one adapter have them; `keep_first_biases` has those of this one
    model.add_adapter(REFERENCE, config)
    with torch.no_grad():
        parameters = dict(model.named_parameters())
        for name, parameter in parameters.items():
            if ".default." in name:
                parameters[name.replace(".default.", f".{REFERENCE}.")].copy_(parameter)
    for name, parameter in parameters.items():
        if f".{REFERENCE}." in name:
            parameter.requires_grad_(False)


def keep_first_biases(model: PeftModel) -> None:
    """Biases that an adapter trains are the base's own, which switching the adapter off does not bring back: while the
    model answers as its reference, they are what they were before the first step."""
    trained = [one for name, one in model.named_parameters() if one.requires_grad and _in_place(name)]
    first, learned = [one.detach().clone() for one in trained], list[Any]()
    plain, choose = model.disable_adapter, model.set_adapter

    def put(values: list[Any]) -> None:
        for one, value in zip(trained, values, strict=True):
            one.data = value

    @contextmanager
    def as_at_first() -> Iterator[None]:
        if learned:  # inside another one
            yield
            return
        learned.extend(one.data for one in trained)
        put(first)
        try:
            yield
        finally:
            put(learned)
            learned.clear()

    @contextmanager
    def disable_adapter() -> Iterator[None]:
        with as_at_first(), plain():
            yield

    chosen = ExitStack()

    def set_adapter(name: str, *rest: Any, **named: Any) -> None:
        chosen.close()
        if name == REFERENCE:
            chosen.enter_context(as_at_first())
        choose(name, *rest, **named)

    if trained:
        model.disable_adapter, model.set_adapter = disable_adapter, set_adapter


def _in_place(name: str) -> bool:
    """Whether a trained parameter is a bias of the base's, and not of a module beside it."""
    return "bias" in name.rpartition(".")[2] and ".default." not in name


def _from_activations(model: PeftModel, batches: Iterable[dict[str, Any]]) -> None:
    """EVA: the directions in which a layer's inputs vary most, over the trainer's first batches."""
    from itertools import islice

    from peft.tuners.lora.eva import initialize_lora_eva_weights

    device = next(model.parameters()).device
    first = [
        {name: one.to(device) for name, one in batch.items() if name in ("input_ids", "attention_mask", "position_ids")}
        for batch in islice(iter(batches), EVA_BATCHES)
    ]
    # It goes over the batches until each layer's directions stand still.
    initialize_lora_eva_weights(model, dataloader=first, show_progress_bar=False)


def _from_what_was_lost(model: PeftModel, weights: Path) -> None:
    """LoftQ: the best low-rank part of what quantization took away, so that adapter and base begin close to the plain
    weights. Its one iteration for a base that is quantized already."""
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from peft.tuners.lora import Linear4bit

    plain = _Tensors(weights, prefix=str(getattr(model.get_base_model(), "base_model_prefix", "")))
    for name, module in model.named_modules():
        if not isinstance(module, Linear4bit):
            continue
        held = module.get_base_layer().weight
        original = plain.get(name.removeprefix("base_model.model.") + ".weight").to(held.device, torch.float32)
        lost = original - dequantize_4bit(held.data, held.quant_state).to(torch.float32).reshape(original.shape)
        left, values, right = torch.linalg.svd(lost, full_matrices=False)
        rank = module.r["default"]
        root = (values[:rank] / module.scaling["default"]).sqrt()
        _fill(module.lora_A["default"], root[:, None] * right[:rank])
        _fill(module.lora_B["default"], left[:, :rank] * root)


def _fill(layer: nn.Module, values: Tensor) -> None:
    import torch

    with torch.no_grad():
        layer.weight.copy_(values)


class _Tensors:
    """A model folder's safetensors by name, read one at a time."""

    def __init__(self, folder: Path, *, prefix: str) -> None:
        self._folder, self._prefix = folder, prefix
        index = folder / "model.safetensors.index.json"
        self._map = json.loads(index.read_text(encoding="utf-8"))["weight_map"] if index.is_file() else {}

    def get(self, name: str) -> Tensor:
        from safetensors import safe_open

        for one in (name, name.removeprefix(f"{self._prefix}.")):  # some files leave the model's prefix out
            path = self._folder / self._map.get(one, "model.safetensors")
            if path.is_file():
                with safe_open(path, framework="pt") as held:
                    if one in held.keys():  # noqa: SIM118 - no mapping
                        found: Tensor = held.get_tensor(one)
                        return found
        raise ModelError("{folder} has no plain weights for {name}, which loftq needs.", folder=self._folder, name=name)


def remember(model: PeftModel, adapter: Adapter, folder: Path) -> Path | None:
    """Save what an adapter that took weights out of the base began with: it is taken off again when it is saved."""
    if not moves_weights(adapter):
        return None
    model.peft_config["default"].init_lora_weights = True  # else PEFT would move the weights once more
    model.save_pretrained(str(folder), save_embedding_layers=False, selected_adapters=["default"])
    return folder


def batches_of(trainer: Any) -> Iterator[dict[str, Any]]:
    """A trainer's batches, made when they are asked for."""
    yield from trainer.get_train_dataloader()
