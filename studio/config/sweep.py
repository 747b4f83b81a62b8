"""A sweep: one run many times, with other values of some settings. Makes configs and runs none.

run: starter.yaml                        # a run file beside this one, or the run itself
sweep:                                   # every combination of these
  training.learning_rate: [1e-4, 2e-4]
  adapter.r: [8, 16]
list:                                    # or these alone; with `sweep`, each of them in every combination
  - {training.learning_rate: 1e-4, adapter.r: 8}
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.adapters import ADAPTERS
from studio.config.files import dump, flat_flags, lay, read_yaml
from studio.config.run import RunConfig
from studio.config.text import parse_value
from studio.errors import ConfigError
from studio.methods import METHODS

MOST = 200  # runs of one sweep
MOST_TOLD = 5  # runs whose faults one sentence names
KEYS = ("name", "run", "sweep", "list")
NAME = 80  # what RunConfig.name takes
Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One run of a sweep. `changes` has a value for every key that the sweep changes anywhere."""

    number: int
    changes: dict[str, Any]
    config: RunConfig


@dataclass(frozen=True)
class Sweep:
    """The runs of a sweep in their order. Equal files make equal ids, so that a sweep can be gone on with."""

    sweep_id: str
    name: str
    keys: tuple[str, ...]
    points: tuple[Point, ...]


def read_sweep(path: Path) -> Sweep:
    """A sweep file -> the runs it stands for; every run that cannot be is named."""
    data = read_yaml(path)
    for key in data:
        if key not in KEYS:
            raise ConfigError(
                "{file}: {key} is not part of a sweep; there are: {choices}.",
                file=path,
                key=key,
                choices=", ".join(KEYS),
            )
    base = data.get("run") or {}
    if isinstance(base, str):
        beside = path.parent / base
        base = read_yaml(beside if beside.is_file() else Path(base))
    if not isinstance(base, dict):
        raise ConfigError("{file}: run is the name of a run file, or the settings of one.", file=path)
    grid, listed = data.get("sweep") or {}, data.get("list") or []
    if not isinstance(grid, dict) or not all(isinstance(values, list) for values in grid.values()):
        raise ConfigError(
            "{file}: sweep needs a list of values for each setting, such as training.learning_rate: [1e-4, 2e-4].",
            file=path,
        )
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ConfigError(
            "{file}: list needs settings for each run, such as - {{training.learning_rate: 1e-4}}.", file=path
        )
    return make_sweep(base, grid=grid, listed=listed, name=str(data.get("name") or path.stem), where=str(path))


def grid_of(text: str) -> dict[str, list[Any]]:
    """Lines such as `training.learning_rate = 1e-4, 2e-4` as a grid; a setting's bare name will do."""
    grid: dict[str, list[Any]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, equals, values = (part.strip() for part in line.partition("="))
        if not equals or not key or not values:
            raise ConfigError(
                "A line of a sweep is a setting and its values, such as training.learning_rate = 1e-4, 2e-4. "
                "{line} is none.",
                line=line[:80],
            )
        found = parse_value(f"[{values}]", name=key)
        grid[_dotted(key)] = found if isinstance(found, list) else [found]
    return grid


def make_sweep(
    base: Mapping[str, Any],
    *,
    grid: Mapping[str, Sequence[Any]],
    listed: Sequence[Changes] = (),
    name: str,
    where: str,
    owner: bool = True,
) -> Sweep:
    """Every run of a sweep over `base`, checked; `where` is what a sentence calls it, `owner` as `lay` has it."""
    changes = _every(grid, listed, where=where)
    keys = tuple(dict.fromkeys(key for one in changes for key in one))
    varied = [key for key in keys if len({_text(one.get(key)) for one in changes}) > 1]
    points, faults = [], []
    for number, one in enumerate(changes, 1):
        called = _called(one, varied)
        try:
            config = lay(_fitting(base, one), one, name=where, owner=owner)
        except ConfigError as error:
            faults.append(
                ConfigError("{point}: {problem}", point=called or number, problem=error.details.get("problem", error))
            )
            continue
        given = str(base.get("name") or config.method.type)
        config = config.model_copy(update={"name": f"{given} {called}".strip()[:NAME]})
        points.append(Point(number, dict(one), config))
    if faults:
        raise _told(faults, len(changes), where)
    mark = hashlib.sha256("\0".join(dump(point.config) for point in points).encode()).hexdigest()[:10]
    return Sweep(f"{_plain(name)}-{mark}", name, keys, tuple(points))


def _every(grid: Mapping[str, Sequence[Any]], listed: Sequence[Changes], *, where: str) -> list[dict[str, Any]]:
    """The changes of every run, none of them twice."""
    whole = {_dotted(key): list(values) for key, values in grid.items()}
    empty = next((key for key, values in whole.items() if not values), None)
    if empty or not (whole or listed):
        raise ConfigError(
            "{file}: there is nothing to sweep over. Give sweep or list at least one setting with a value.", file=where
        )
    count = max(len(listed), 1)
    for values in whole.values():
        count *= len(values)
    if count > MOST:
        raise ConfigError(
            "{file}: a sweep of {count} runs; there may be {limit}. Take some values out.",
            file=where,
            count=count,
            limit=MOST,
        )
    combined = [dict(zip(whole, values, strict=True)) for values in itertools.product(*whole.values())]
    every = [
        {**{_dotted(key): value for key, value in one.items()}, **more} for one in listed or [{}] for more in combined
    ]
    return [json.loads(text) for text in dict.fromkeys(map(_text, every))]


def _dotted(key: object) -> str:
    """A setting's bare name as the key it has in a run file."""
    name = str(key).strip()
    return name if "." in name else flat_flags().get(name, (name, None))[0]


def _fitting(base: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The base without what belongs to the method, or the kind of adapter, that a change takes the place of."""
    fitting = dict(base)
    rooms: tuple[tuple[str, Mapping[str, Any]], ...] = (("method", METHODS), ("adapter", ADAPTERS))
    for room, kinds in rooms:
        chosen, held = changes.get(f"{room}.type", changes.get(room)), base.get(room)
        if isinstance(held, dict) and isinstance(chosen, str) and chosen in kinds:
            fitting[room] = {key: value for key, value in held.items() if key in kinds[chosen].model_fields}
    return fitting


def _called(changes: Changes, varied: Iterable[str]) -> str:
    """`learning_rate=1e-4 r=8`: what this run has of its own."""
    return " ".join(f"{key.rpartition('.')[2]}={_short(changes[key])}" for key in varied if key in changes)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _told(faults: list[ConfigError], total: int, where: str) -> ConfigError:
    problem = faults[0]
    for more in faults[1:MOST_TOLD]:
        problem = ConfigError("{first} {second}", first=problem, second=more)
    return ConfigError(
        "{file}: {count} of {total} runs cannot be. {problem}",
        file=where,
        count=len(faults),
        total=total,
        problem=problem,
    )


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=False, default=str)


def _plain(name: str) -> str:
    """A name as part of an id: letters, digits and dashes."""
    text = "".join(one if one.isascii() and one.isalnum() else "-" for one in name.lower())
    return "-".join(filter(None, text.split("-")))[:32] or "sweep"
