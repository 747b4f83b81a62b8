"""Reads an adapter's folder as untrusted input: allow-listed fields, safetensors only. Knows nothing of the slot."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.adapters import ADAPTERS, Adapter
from studio.errors import ModelError
from studio.model.folder import check_safetensors, read_json
from studio.settings import Settings

if TYPE_CHECKING:
    from peft import LoraConfig, PeftConfig

LORA = "LORA"
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
        "vera_dropout",
        "module_dropout",
        "rank_dropout",
        "init_weights",
        "init_ia3_weights",
        "beta1",
        "beta2",
        "orth_reg_weight",
        "use_effective_conv2d",
        "rank_dropout_scale",
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
    def kind(self) -> type[Adapter]:
        return kinds_by_peft()[str(self.config["peft_type"])]

    @property
    def parameters(self) -> int:
        """Numbers in the file."""
        return sum(math.prod(shape) for shape in self.shapes.values())

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
    lora = config["peft_type"] == LORA
    if not (any(_A.match(name) for name in tensors) if lora else tensors):
        raise ModelError("{file} holds no {kind} weights.", file=folder / WEIGHTS, kind=config["peft_type"])
    return AdapterFile(folder, config, {name: shape for name, (_, shape) in tensors.items()})


def kinds_by_peft() -> dict[str, type[Adapter]]:
    """PEFT's name of a kind -> ours."""
    return {one.peft_type: one for one in ADAPTERS.values() if one.peft_type}


def find_adapter(wanted: str, settings: Settings) -> Path:
    """The folder of a run's adapter by the run's id, or a folder of this machine where such are allowed."""
    run = settings.runs_dir / wanted / "adapter"
    if re.fullmatch(r"[\w.-]+", wanted) and run.is_dir():
        return run
    folder = Path(wanted).expanduser()
    if not settings.allows_local_paths:
        raise ModelError("{name} is no run with an adapter in this workspace. Choose one of its runs.", name=wanted)
    if (folder / "adapter").is_dir() and not (folder / CONFIG).is_file():
        return folder / "adapter"  # a run's directory
    if not folder.is_dir():
        raise ModelError(
            "{name} is neither a run of this workspace nor a folder. Name a run that has an adapter, or the adapter's "
            "folder.",
            name=wanted,
        )
    return folder


def _check_fields(config: dict[str, Any], *, file: Path) -> None:
    """Refuse every field that is set and not known here, and every value that it cannot have."""
    kinds = kinds_by_peft()
    kind = kinds.get(str(config.get("peft_type")))
    if kind is None:
        raise ModelError(
            "{file} describes an adapter of the kind {kind}; Tunefork loads {kinds}.",
            file=file,
            kind=config.get("peft_type"),
            kinds=", ".join(kinds),
        )
    lora = kind.peft_type == LORA
    taken = TAKEN if lora else {*kind.saved, "modules_to_save", "bias"}
    for field, value in config.items():
        if field not in taken and field not in IDLE and value not in (None, False, "", [], {}):
            raise ModelError(
                "{file} sets {field}, which Tunefork does not load. Merge the adapter with the tool that made it.",
                file=file,
                field=field,
            )
    if lora:
        _check_lora(config, file=file)
        return
    for field, check in {**kind.saved, **_EVERY}.items():
        if field in config and config[field] is not None and not _CHECKS[check](config[field]):
            raise ModelError("{file} is damaged: {field} is no value it can have.", file=file, field=field)


def _check_lora(config: dict[str, Any], *, file: Path) -> None:
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
        and all(_row(one) for value in rows.values() for one in value)
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


def _names(value: object) -> bool:
    return isinstance(value, list) and all(_plain(one) for one in value)


def _row(value: object) -> bool:
    return type(value) is int and 0 <= value < LARGEST_ROW


_EVERY = {"target_modules": "names", "modules_to_save": "names", "bias": "bias"}
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "number": lambda value: _number(value, -1, 1e9),
    "flag": lambda value: isinstance(value, bool),
    "names": _names,
    "bias": lambda value: value in ("none", "all", "lora_only", "oft_only"),
    "layers": lambda value: isinstance(value, list) and all(_row(one) for one in value),
    "ranks": lambda value: (
        isinstance(value, dict)
        and all(_plain(key) and isinstance(mask, list) and all(isinstance(one, bool) for one in mask)
                for key, mask in value.items())
    ),
}  # fmt: skip


def another_base(adapter: AdapterFile, loaded: str) -> ModelError:
    """Why training cannot go on with an adapter here."""
    return ModelError(
        "adapter.adapter_name_or_path: the adapter in {folder} was trained on {base}, or by another kind of "
        "method, and its weights do not fit {loaded}. Choose its base and method.",
        folder=adapter.folder,
        base=adapter.base,
        loaded=loaded,
    )


def loaded_config(adapter: AdapterFile) -> PeftConfig:
    """A PEFT config made of checked values."""
    if adapter.config["peft_type"] == LORA:
        return lora_config(adapter)
    from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftType

    kind = adapter.kind
    taken = (*kind.saved, *_EVERY)
    values = {name: adapter.config[name] for name in taken if adapter.config.get(name) is not None}
    made: PeftConfig = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType[kind.peft_type]](
        task_type="CAUSAL_LM", base_model_name_or_path=adapter.base, inference_mode=True, **values
    )
    return made


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
