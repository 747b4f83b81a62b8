"""Looks at a model folder's files before anything is built from them. Knows nothing of torch or of where it came from.

The files are somebody else's: no field may load code or lead to another repository, and only safetensors are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.errors import ModelError, StudioError

LARGEST_JSON = 64_000_000  # bytes; a large tokenizer.json has 20 MB
LIMITS = {  # fields that size the skeleton, with ranges far beyond any model there is
    "vocab_size": 10_000_000,
    "hidden_size": 1_000_000,
    "intermediate_size": 10_000_000,
    "num_hidden_layers": 2_000,
    "num_attention_heads": 10_000,
    "num_key_value_heads": 10_000,
    "max_position_embeddings": 1_000_000_000,
}
IMPLEMENTATIONS = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file that may be damaged or missing."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ModelError("{file} is larger than 64 MB; it belongs to no model.", file=path)
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError("Cannot read {file}: {reason}.", file=path, reason=error.strerror or error) from error
    except (ValueError, RecursionError) as error:
        raise ModelError("{file} is damaged: it is not valid JSON. Fetch the model again.", file=path) from error
    if not isinstance(data, dict):
        raise ModelError("{file} is damaged: it holds no JSON object. Fetch the model again.", file=path)
    return data


def read_config(folder: Path, *, name: str, trust_remote_code: bool) -> dict[str, Any]:
    """The checked config.json of a model folder."""
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise ModelError("{model} holds an adapter, not a model. Set the base model it was trained on.", model=name)
        raise ModelError(
            "{model} has no config.json, so it is no model folder. Choose the folder that holds config.json and "
            "model.safetensors.",
            model=name,
        )
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            "{model} holds a model and an adapter (adapter_config.json) in one folder, and it is unclear which is "
            "meant. Move the adapter's files to a folder of their own.",
            model=name,
        )
    config = read_json(folder / "config.json")
    check_config(config, name=name, trust_remote_code=trust_remote_code)
    tokenizer = folder / "tokenizer_config.json"
    if tokenizer.is_file() and read_json(tokenizer).get("auto_map") and not trust_remote_code:
        raise _needs_code(name)
    return config


def check_config(config: dict[str, Any], *, name: str, trust_remote_code: bool) -> None:
    """Refuse fields that load code or another repository, and sizes out of all reason."""
    if config.get("auto_map") and not trust_remote_code:
        raise _needs_code(name)
    for section in (config, *(value for value in config.values() if isinstance(value, dict))):
        for field in IMPLEMENTATIONS:
            value = section.get(field)
            if isinstance(value, str) and re.search(r"[/:@]", value):
                raise ModelError(
                    "{model}: config.json asks for code from elsewhere ({field}: {value}). Remove that field.",
                    model=name,
                    field=field,
                    value=value,
                )
        for field, limit in LIMITS.items():
            value = section.get(field)
            if value is not None and not (isinstance(value, int) and 1 <= value <= limit):
                raise ModelError(
                    "{model}: config.json is damaged ({field} is {value!r}). Fetch the model again.",
                    model=name,
                    field=field,
                    value=value,
                )
    if not isinstance(config.get("model_type"), str):
        raise ModelError("{model}: config.json does not say what kind of model it is (model_type).", model=name)


def _needs_code(name: str) -> ModelError:
    return ModelError(
        "{model} brings its own Python code, which Tunefork does not run unless it is started with "
        "--trust_remote_code. Choose a model of an architecture that transformers knows.",
        model=name,
    )


def weight_files(folder: Path, *, name: str) -> list[Path]:
    """The safetensors files of a model folder, each one opened to see that it is whole."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        files = [folder / "model.safetensors"]
    elif index.is_file():
        shards = read_json(index).get("weight_map")
        names = set(shards.values()) if isinstance(shards, dict) else set()
        if not names or not all(isinstance(one, str) and Path(one).name == one for one in names):
            raise ModelError("{file} is damaged: it names no files. Fetch the model again.", file=index)
        files = [folder / one for one in sorted(names)]
    elif any(next(folder.glob(pattern), None) for pattern in PICKLES):
        raise ModelError(
            "{model} has its weights as pickle files only, which can run code when they are read. "
            "Choose a model with safetensors files, or convert it.",
            model=name,
        )
    else:
        raise ModelError(
            "{model} has no weights: there is no model.safetensors in it. Choose a folder that has them, "
            "or fetch the model again.",
            model=name,
        )
    for file in files:
        check_safetensors(file)
    return files


def check_safetensors(file: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> (dtype, shape) of every tensor, from the header alone; a missing or cut file is named."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise ModelError("{file} is missing. Fetch the model again.", file=file)
    try:
        with safe_open(file, framework="numpy") as opened:
            slices = {key: opened.get_slice(key) for key in opened.keys()}  # noqa: SIM118 - no mapping
            return {key: (one.get_dtype(), tuple(one.get_shape())) for key, one in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(
            "{file} is damaged ({reason}). Fetch it again.", file=file, reason=first_line(error)
        ) from error


def first_line(error: BaseException) -> str:
    """What an exception says, on one line of bearable length; a line that ends in a colon says nothing by itself."""
    lines = [line.strip() for line in (str(error).strip() or type(error).__name__).splitlines()]
    said = lines[0]
    for line in lines[1:]:
        if not said.endswith(":"):
            break
        said = f"{said} {line}"
    return said[:200].rstrip(". :")


@contextmanager
def explained(part: str, *, name: str) -> Iterator[None]:
    """Turn whatever a library says about somebody else's files into one sentence."""
    import torch

    try:
        yield
    except StudioError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ModelError(
            "{model} does not fit into memory. Choose a smaller model, model.quantization: 4-bit, or free memory.",
            model=name,
        ) from error
    except Exception as error:
        raise ModelError(
            "{model}: its {part} cannot be used ({reason}).", model=name, part=part, reason=first_line(error)
        ) from error
