"""Any state of a trainer in two files without pickle: its shape as JSON, its tensors as safetensors.

Knows dicts with any plain keys, lists, tuples, numbers, texts, None, torch tensors and numpy arrays: what optimizers,
schedulers and random generators keep. Anything else is refused with its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import RunFailed
from studio.runs.checkpoint import damaged

if TYPE_CHECKING:
    from torch import Tensor


def save_state(folder: Path, name: str, state: Any) -> None:
    """Write `NAME.json` and, where there are tensors, `NAME.safetensors`."""
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    shape = _taken_apart(state, name, tensors)
    (folder / f"{name}.json").write_text(json.dumps(shape, ensure_ascii=False), encoding="utf-8")
    if tensors:
        save_file(tensors, folder / f"{name}.safetensors")


def load_state(folder: Path, name: str) -> Any:
    """What `save_state` wrote, with its tensors on the CPU; a sentence where the files are anything else."""
    shape, weights = folder / f"{name}.json", folder / f"{name}.safetensors"
    tensors = load_tensors(weights) if weights.is_file() else {}
    try:
        return _put_together(json.loads(shape.read_text(encoding="utf-8")), tensors)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(folder, shape.name, "not what a checkpoint holds") from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """A checkpoint's file of tensors by name; a sentence where it is anything else."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise damaged(path.parent, path.name, "not what a checkpoint holds") from error
    return found


def _taken_apart(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    import numpy as np
    import torch

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        key = str(len(tensors))
        tensors[key] = value.detach().cpu().contiguous().clone()
        return {"tensor": key}
    if isinstance(value, np.ndarray):
        key = str(len(tensors))
        whole = value.astype(np.int64) if value.dtype.kind in "ui" else value
        tensors[key] = torch.from_numpy(np.ascontiguousarray(whole).copy())
        return {"array": key, "dtype": str(value.dtype)}
    if isinstance(value, np.generic):
        return _taken_apart(value.item(), place, tensors)
    if isinstance(value, Mapping):
        return {
            "dict": [
                [_taken_apart(key, place, tensors), _taken_apart(one, f"{place}.{key}", tensors)]
                for key, one in value.items()
            ]
        }
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_taken_apart(one, f"{place}[{at}]", tensors) for at, one in enumerate(value)]}
    raise RunFailed(
        "A checkpoint cannot be written without running code when it is read: {place} is of type {kind}. "
        "Set training.save_strategy: no, or choose another training.optim.",
        place=place,
        kind=type(value).__name__,
    )


def _put_together(shape: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(shape, dict):
        return shape
    if "tensor" in shape:
        return tensors[shape["tensor"]]
    if "array" in shape:
        return tensors[shape["array"]].numpy().astype(shape["dtype"])
    if "dict" in shape:
        return {_put_together(key, tensors): _put_together(one, tensors) for key, one in shape["dict"]}
    if "tuple" in shape:
        return tuple(_put_together(one, tensors) for one in shape["tuple"])
    return [_put_together(one, tensors) for one in shape["list"]]
