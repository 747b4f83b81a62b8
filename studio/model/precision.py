"""What is trained is kept in float32, also inside a model in half precision. Trains nothing itself.

In half precision a small step is rounded away: bfloat16 has three digits. PEFT's own layers bring their inputs to the
type of their weights; around other modules a wrapper of `forward` does.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from studio.methods.scoring import KEEPS_FLOAT32

if TYPE_CHECKING:
    import torch
    from torch import nn


def train_in_float32(model: nn.Module) -> int:
    """Bring every trained parameter that is in half precision to float32, in place; how many there were."""
    import torch

    half, count = (torch.float16, torch.bfloat16), 0
    tied: dict[int, torch.Tensor] = {}
    for module in list(model.modules()):
        low = [one for one in module.parameters(recurse=False) if one.requires_grad and one.dtype in half]
        if not low:
            continue
        outside = low[0].dtype
        for parameter in low:
            parameter.data = tied.setdefault(parameter.data_ptr(), parameter.data.float())
        count += len(low)
        module.forward = _in_float32(module.forward, outside)
    return count


def back_to(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A model in the type its weights were loaded in, in place, but for the modules that it keeps in float32."""
    kept = getattr(model, KEEPS_FLOAT32, ())
    if not kept:
        return model.to(dtype)
    for name, child in model.named_children():
        if name not in kept:
            child.to(dtype)
    return model


def _in_float32(forward: Any, outside: torch.dtype) -> Any:
    """`forward` with its numbers in float32 inside and as they were outside."""

    @functools.wraps(forward)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        import torch

        if torch.is_autocast_enabled(args[0].device.type if args and isinstance(args[0], torch.Tensor) else "cpu"):
            return forward(*args, **kwargs)  # autocast chooses itself
        made = forward(*map(_float32, args), **{name: _float32(one) for name, one in kwargs.items()})
        return made.to(outside) if isinstance(made, torch.Tensor) and made.is_floating_point() else made

    return wrapped


def _float32(value: Any) -> Any:
    import torch

    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
