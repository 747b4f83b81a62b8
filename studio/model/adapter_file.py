"""Reads an adapter's folder as untrusted input: allow-listed fields, safetensors only. Knows nothing of the slot."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelError
from studio.model.folder import check_safetensors, read_json

if TYPE_CHECKING:
    from peft import LoraConfig

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
# What is taken over; which modules and which rank is read from the tensors themselves, not from patterns.
TAKEN = frozenset(
    {"r", "lora_alpha", "bias", "use_rslora", "use_dora", "fan_in_fan_out", "modules_to_save", "alpha_pattern"}
    | {"trainable_token_indices"}
)
# What says nothing about a finished adapter, or nothing that the tensors do not say better.
IDLE = frozenset(
    [
        "task_type",
        "peft_type",
        "peft_version",
        "base_model_name_or_path",
        "revision",
        "inference_mode",
        "lora_dropout",
        "target_modules",
        "exclude_modules",
        "init_lora_weights",
        "layers_to_transform",
        "layers_pattern",
        "rank_pattern",
        "megatron_core",
        "qalora_group_size",
        "ensure_weight_tying",
        "runtime_config",
        "loftq_config",
        "eva_config",
        "corda_config",
        "lora_ga_config",
    ]
)
LARGEST_ROW = 10_000_000  # of an embedding; the largest vocabulary has 262,144
_A = re.compile(r"^base_model\.model\.(?P<module>[\w.]+)\.lora_A\.weight$")


@dataclass(frozen=True)
class AdapterFile:
    """A checked adapter folder. `shapes` is what its file holds: name -> shape."""

    folder: Path
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]

    @property
    def new_tokens(self) -> dict[str, list[int]]:
        """Layer -> the rows of its embedding that the adapter replaces."""
        rows: dict[str, list[int]] | None = self.config.get("trainable_token_indices")
        return rows or {}

    @property
    def base(self) -> str:
        return str(self.config.get("base_model_name_or_path") or "an unnamed model")


def read_adapter(folder: Path) -> AdapterFile:
    """Check the folder's two files; nothing in them is run, and no other repository is looked up."""
    if not (folder / CONFIG).is_file():
        raise ModelError("{folder} holds no adapter: there is no adapter_config.json in it.", folder=folder)
    config = read_json(folder / CONFIG)
    _check_fields(config, file=folder / CONFIG)
    if not (folder / WEIGHTS).is_file():
        if (folder / "adapter_model.bin").is_file():
            raise ModelError(
                "{folder} has its weights as a pickle file (adapter_model.bin), which can run code when it is read. "
                "Only adapter_model.safetensors is loaded.",
                folder=folder,
            )
        raise ModelError("{folder} has no adapter_model.safetensors, so there is nothing to load.", folder=folder)
    tensors = check_safetensors(folder / WEIGHTS)
    if not any(_A.match(name) for name in tensors):
        raise ModelError("{file} holds no LoRA weights.", file=folder / WEIGHTS)
    return AdapterFile(folder, config, {name: shape for name, (_, shape) in tensors.items()})


def _check_fields(config: dict[str, Any], *, file: Path) -> None:
    """Refuse every field that is set and not known here."""
    if config.get("peft_type") != "LORA":
        raise ModelError(
            "{file} describes an adapter of the kind {kind}; Tunefork loads LORA.",
            file=file,
            kind=config.get("peft_type"),
        )
    for field, value in config.items():
        if field not in TAKEN and field not in IDLE and value not in (None, False, "", [], {}):
            raise ModelError(
                "{file} sets {field}, which Tunefork does not load. Merge the adapter with the tool that made it.",
                file=file,
                field=field,
            )
    saved = config.get("modules_to_save")
    pattern = config.get("alpha_pattern") or {}
    rows = config.get("trainable_token_indices") or {}
    sound = (
        _number(config.get("r"), 1, 4096)
        and _number(config.get("lora_alpha"), 0, 1e6)
        and config.get("bias", "none") in ("none", "all", "lora_only")
        and (saved is None or (isinstance(saved, list) and all(_plain(one) for one in saved)))
        and isinstance(pattern, dict)
        and all(_plain(key) and _number(value, 0, 1e6) for key, value in pattern.items())
        and isinstance(rows, dict)
        and all(_plain(key) and isinstance(value, list) for key, value in rows.items())
        and all(type(one) is int and 0 <= one < LARGEST_ROW for value in rows.values() for one in value)
    )
    if not sound:
        raise ModelError(
            "{file} is damaged: one of r, lora_alpha, bias, modules_to_save, trainable_token_indices is no value they "
            "can have.",
            file=file,
        )


def _number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and low <= value <= high


def _plain(name: object) -> bool:
    """A module's name or the end of one; PEFT would take anything else for a regular expression."""
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_.]{1,200}", name) is not None


def lora_config(adapter: AdapterFile) -> LoraConfig:
    """A PEFT config made of checked values; target modules and ranks are those of the tensors."""
    from peft import LoraConfig

    ranks: dict[str, int] = {}
    for name, shape in adapter.shapes.items():
        found = _A.match(name)
        if found and shape:
            ranks[found["module"]] = shape[0]
    config = adapter.config
    most = max(set(ranks.values()), key=list(ranks.values()).count)
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=most,
        rank_pattern={re.escape(name): rank for name, rank in ranks.items() if rank != most},
        lora_alpha=config["lora_alpha"],
        alpha_pattern=config.get("alpha_pattern") or {},
        lora_dropout=0.0,
        target_modules=sorted(ranks),
        bias=config.get("bias", "none"),
        use_rslora=bool(config.get("use_rslora")),
        use_dora=bool(config.get("use_dora")),
        fan_in_fan_out=bool(config.get("fan_in_fan_out")),
        modules_to_save=config.get("modules_to_save"),
        trainable_token_indices=adapter.new_tokens or None,
        base_model_name_or_path=adapter.base,
        inference_mode=True,
    )
