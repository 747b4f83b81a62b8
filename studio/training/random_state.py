"""The random generators of a process and of a data loader: read, and set back. Knows nothing of files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LEADS_ON = ("generator", "synchronized_generator", "sampler", "batch_sampler", "base_dataloader")


def random_state() -> dict[str, Any]:
    """The states of python, numpy, torch and this process's GPU."""
    import numpy as np
    import torch

    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.random.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.random.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Put generators back to what `random_state` read."""
    import numpy as np
    import torch

    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.random.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.random.set_rng_state(state["cuda"])


def loader_state(loader: Any) -> list[torch.Tensor]:
    """The states of a data loader's own generators (of its samplers), which decide on the order of rows."""
    return [generator.get_state() for generator in _generators(loader)]


def set_loader_state(loader: Any, states: list[torch.Tensor]) -> None:
    for generator, state in zip(_generators(loader), states, strict=False):
        generator.set_state(state)


def _generators(loader: Any) -> Iterator[torch.Generator]:
    import torch

    seen: set[int] = set()
    ahead = [loader]
    while ahead:
        one = ahead.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, torch.Generator):
            yield one
            continue
        ahead += [vars(one).get(name) for name in LEADS_ON] if hasattr(one, "__dict__") else []
