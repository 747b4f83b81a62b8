"""RunConfig <-> YAML text, `--set key=value` and flat flags. Turns every mistake into a ConfigError."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from studio.adapters import ADAPTERS, LoraAdapter
from studio.config.data import STARTER as STARTER_ROWS
from studio.config.mistakes import sentence
from studio.config.model import SMOLLM2, STARTER
from studio.config.run import RunConfig
from studio.config.text import parse_value, parse_yaml
from studio.errors import ConfigError
from studio.methods import METHODS
from studio.section import Section, details

LARGEST_FILE = 1_000_000  # bytes; a run's YAML is about 2 kB


def read_yaml(path: Path) -> dict[str, Any]:
    """A run file -> a plain mapping."""
    return parse_yaml(_text(path), name=str(path))


def _text(path: Path) -> str:
    """A small file that a person has written."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError("{file} is larger than 1 MB; this is no run file.", file=path)
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError("Cannot read {file}: {reason}.", file=path, reason=error.strerror or error) from error
    except UnicodeDecodeError as error:
        raise ConfigError("{file} is not UTF-8 text; save it as UTF-8.", file=path) from error


def build(data: Mapping[str, Any], *, name: str = "the settings") -> RunConfig:
    """A plain mapping -> RunConfig; the first mistakes become one sentence with file and key."""
    try:
        return RunConfig.model_validate(dict(data))
    except ValidationError as error:
        raise ConfigError("{file}: {problem}", file=name, problem=explain(error)) from error


def explain(error: ValidationError) -> ConfigError:
    """What is wrong with a config, as sentences that name its settings."""
    names = {key: tuple(kind.model_fields) for key, kind in sections().items()} | {"": tuple(RunConfig.model_fields)}
    names |= {f"method.{name}": tuple(kind.model_fields) for name, kind in METHODS.items()}
    names |= {f"adapter.{name}": tuple(kind.model_fields) for name, kind in ADAPTERS.items()}
    flags = {flag: dotted for flag, (dotted, _) in flat_flags().items()}
    return sentence(error.errors(), names=names, flags=flags)


def load(path: Path | None, changes: Mapping[str, Any] | None = None) -> RunConfig:
    """A run file (or none) with dotted changes laid over it; changes win."""
    return lay(read_yaml(path) if path else {}, changes or {}, name=str(path) if path else "the command line")


def lay(data: Mapping[str, Any], changes: Mapping[str, Any], *, name: str, owner: bool = True) -> RunConfig:
    """A run as a plain mapping, with dotted changes laid over it. The mapping stays what it is.

    Only for the machine's `owner` does a name stand for a file's text; a page may be a stranger's.
    """
    laid = dict(data)
    for key, value in changes.items():
        _set(laid, key, value)
    if not owner:
        return build(laid, name=name)
    _read_texts(laid)
    return anchor(build(laid, name=name))


def _read_texts(data: dict[str, Any]) -> None:
    """Where a setting that is a text names a file of this machine, the file's text takes its place."""
    for dotted, field in flat_flags().values():
        room, _, name = dotted.partition(".")
        held = data.get(room)
        if not details(field).text_file or not isinstance(held, dict):
            continue
        given = held.get(name)
        if isinstance(given, str) and _is_here(given) and Path(given.strip()).expanduser().is_file():
            data[room] = {**held, name: _text(Path(given.strip()).expanduser())}


def anchor(config: RunConfig) -> RunConfig:
    """The config with local paths made absolute, so that its run can be repeated from any folder."""
    data = config.data
    sources = {
        name: _absolute(value)
        for name in ("source", "eval_source", "tools")
        if (value := getattr(data, name)) and _is_here(value)
    }
    mix = tuple(
        one.model_copy(update={"source": _absolute(one.source)}) if _is_here(one.source) else one for one in data.mix
    )
    model = config.model
    template = model.chat_template
    if "{" not in template and "/" in template and _is_here(template):
        model = model.model_copy(update={"chat_template": _absolute(template)})
    model = model.model_copy(update={"model_name_or_path": _model(model.model_name_or_path)})
    model = model.model_copy(update={"merged_adapters": tuple(_folder(one) for one in model.merged_adapters)})
    adapter = config.adapter
    if adapter is not None and adapter.adapter_name_or_path:
        adapter = adapter.model_copy(update={"adapter_name_or_path": _folder(adapter.adapter_name_or_path)})
    method = config.method
    reference = getattr(method, "ref_model_name_or_path", None)
    if reference:
        method = method.model_copy(update={"ref_model_name_or_path": _model(reference)})
    data = data.model_copy(update={**sources, "mix": mix})
    return config.model_copy(update={"data": data, "model": model, "method": method, "adapter": adapter})


def _folder(name: str) -> str:
    """A folder's whole path; the id of a run stays what it is."""
    folder = Path(name).expanduser()
    return _absolute(name) if folder.is_dir() else name


def _model(name: str) -> str:
    """A folder's whole path; the studio's own models and the Hub's keep their names."""
    folder = Path(name).expanduser()
    return _absolute(str(folder)) if name not in (STARTER, SMOLLM2) and folder.is_dir() else name


def _absolute(path: str) -> str:
    """From the root on. A link keeps its name: the file behind it may have one that says nothing of its kind."""
    return str(Path(path.strip()).expanduser().absolute())


def _is_here(path: str) -> bool:
    """Whether a source is a file or folder of this machine; the starter is the studio's own, whatever lies here."""
    try:
        return path.strip() != STARTER_ROWS and Path(path.strip()).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def dump(config: RunConfig) -> str:
    """The complete config as YAML; `build(parse_yaml(...))` gives it back unchanged."""
    data = config.model_dump(mode="json")
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def parse_set(pairs: Iterable[str]) -> dict[str, Any]:
    """`["training.learning_rate=1e-4"]` -> `{"training.learning_rate": 0.0001}`; values are YAML."""
    changes: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError("--set takes key=value, such as training.learning_rate=1e-4; got {pair!r}.", pair=pair)
        changes[key.strip()] = parse_value(value, name=f"--set {key.strip()}")
    return changes


def flat_flags() -> dict[str, tuple[str, FieldInfo]]:
    """Flag without dashes -> (dotted key, field), for every setting of every section."""
    table: dict[str, tuple[str, FieldInfo]] = {}
    for prefix, section in sections().items():
        for name, field in section.knobs().items():
            extra = details(field)
            for flag in (extra.flag or name, *extra.aliases):
                table.setdefault(flag, (f"{prefix}.{name}" if prefix else name, field))
    return table


def sections() -> dict[str, type[Section]]:
    """Key in the file -> Section, with the methods' own settings merged under `method`."""
    found: dict[str, type[Section]] = {}
    for name, field in RunConfig.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Section):
                found[name] = kind
                break
    return {"": _Top, **found, "method": _EveryMethod, "adapter": _EveryAdapter}


class _EveryMethod(Section):
    """The settings of all methods; one that several have is declared by the first of them."""

    @classmethod
    def knobs(cls) -> dict[str, FieldInfo]:
        return {name: field for kind in reversed(METHODS.values()) for name, field in kind.knobs().items()} | dict(
            next(iter(METHODS.values())).knobs()
        )


class _EveryAdapter(Section):
    """The same of all kinds of fine-tuning."""

    @classmethod
    def knobs(cls) -> dict[str, FieldInfo]:
        return {name: field for kind in reversed(ADAPTERS.values()) for name, field in kind.knobs().items()} | dict(
            LoraAdapter.knobs()
        )


class _Top(Section):
    """The settings of a run that belong to no section."""

    name: str | None = None


def _set(data: dict[str, Any], dotted: str, value: Any) -> None:
    """Lay one dotted change over a plain mapping; `method.x` works on `method: sft` too."""
    if dotted in ("method.type", "adapter.type"):
        dotted = dotted.partition(".")[0]
    *parents, last = dotted.split(".")
    here = data
    for name in parents:
        inner = here.get(name)
        if isinstance(inner, str):
            inner = {"type": inner}
        if inner is None:
            inner = {}
        if not isinstance(inner, dict):
            raise ConfigError("{key}: {name} is a value, not a group of settings.", key=dotted, name=name)
        here[name] = inner = dict(inner)
        here = inner
    if dotted in ("method", "adapter") and isinstance(here.get(dotted), dict) and isinstance(value, str):
        value = {**here[dotted], "type": value}
    here[last] = value
