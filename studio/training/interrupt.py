"""Leaves a long step at once: looks for a stop between the layers of a model, forwards and backwards.

The weights are those of the last whole step then, as only the optimizer changes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def look_between_layers(model: nn.Module, look: Callable[[], None]) -> int:
    """Call `look` before each layer and in its backward pass; how many layers there are. `look` may raise."""
    import torch

    def forwards(module: nn.Module, inputs: Any) -> None:
        look()

    def backwards(module: nn.Module, inputs: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, torch.Tensor) and first.requires_grad:
            first.register_hook(lambda gradient: look())

    layers = _layers(model)
    for layer in layers:
        layer.register_forward_pre_hook(forwards)
        layer.register_forward_hook(backwards)
    return len(layers)


def _layers(model: nn.Module) -> list[nn.Module]:
    """The children of the longest list of modules: a transformer's blocks."""
    import torch

    lists = [list(module) for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=len, default=[])
