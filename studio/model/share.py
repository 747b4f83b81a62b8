"""Two module trees over one set of storages, and the proof that weights are untouched. Knows nothing of adapters."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor, nn
    from transformers import PreTrainedModel

FINGERPRINT_TOKENS = 32


def fingerprint(model: PreTrainedModel | PeftModel) -> str:
    """SHA-256 of a model's logits on a fixed prompt."""
    import torch

    size = model.get_input_embeddings().num_embeddings
    prompt = torch.arange(FINGERPRINT_TOKENS).mul(7).add(3).remainder(size).unsqueeze(0).to(model.device)
    training, threads = model.training, torch.get_num_threads()
    model.eval()
    torch.set_num_threads(1)  # another number of threads adds in another order, and rounds otherwise
    try:
        with torch.inference_mode():
            logits = model(input_ids=prompt, use_cache=False).logits.float().cpu().contiguous()
    finally:
        torch.set_num_threads(threads)
        model.train(training)
    return hashlib.sha256(logits.numpy().tobytes()).hexdigest()


def shared_copy(model: PreTrainedModel, *, own: Collection[str] = ()) -> PreTrainedModel:
    """New modules over the same storages. The parameters in `own` are copied and trainable; biases are copied too:
    LoRA with `bias` trains them in place.

    `deepcopy` with every tensor already in its memo copies modules, config and hooks, and shares the rest;
    quantized weights keep their state that way too.
    """
    memo: dict[int, Any] = {}
    for name, parameter in model.named_parameters():
        memo[id(parameter)] = _view(parameter, private=name in own or "bias" in name.rpartition(".")[2])
        if name in own:
            memo[id(parameter)].requires_grad_(True)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.detach()
    for module in model.modules():
        for hidden in _quantization_state(module):
            memo[id(hidden)] = hidden
    return copy.deepcopy(model, memo)


def _view(parameter: nn.Parameter, *, private: bool) -> Tensor:
    """A new, frozen Parameter over the same storage (its own where `private`), with what bitsandbytes hung on it."""
    import torch

    data = parameter.detach().clone() if private else parameter.detach()
    view = torch.Tensor._make_subclass(type(parameter), data, False)
    # `module` would lead back to the base's own tree, but without the key bitsandbytes cannot copy it (for DoRA).
    view.__dict__.update({key: None if key == "module" else value for key, value in vars(parameter).items()})
    return view


def _quantization_state(module: nn.Module) -> Iterator[object]:
    """What bitsandbytes keeps beside a module's parameters and must not exist twice."""
    state = getattr(module, "quant_state", None)
    if state is not None:
        yield state
    for name in ("CB", "SCB"):
        tensor = getattr(getattr(module, "state", None), name, None)
        if tensor is not None:
            yield tensor


def private_copy(model: PreTrainedModel) -> PreTrainedModel:
    """Modules and storages of its own, every parameter trainable."""
    return copy.deepcopy(model).requires_grad_(True)
