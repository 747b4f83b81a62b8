"""In what runs differ: the settings of their files and what they were trained on. What is alike is left out.

Works on the files as they are, so that a run of a method that is not installed is compared as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.config.files import read_yaml
from studio.errors import ConfigError, WorkspaceError
from studio.runs.events import EVENTS, read_events
from studio.runs.store import RUN_YAML, RunRecord

HEAD = 1_048_576  # bytes of a log in which `started` is looked for
GROUNDS = ("digest", "data", "rows", "device", "dtype", "hardware", "versions")  # what `started` tells of them


@dataclass(frozen=True)
class Difference:
    """One dotted key and its value in each run; a run in which it is not set is not in `values`."""

    key: str
    values: dict[str, Any]  # by run id


@dataclass(frozen=True)
class Comparison:
    """`settings` are of run.yaml, `grounds` what the runs were trained on: data, versions, hardware."""

    settings: tuple[Difference, ...]
    grounds: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        """The stable face of `diff --json`, without the runs' names."""
        return {
            name: [{"key": one.key, "values": one.values} for one in found]
            for name, found in (("settings", self.settings), ("grounds", self.grounds))
        }


def compare(runs: Sequence[RunRecord]) -> Comparison:
    """What is not the same in all of the runs, in the order of their files."""
    if len({run.run_id for run in runs}) < 2:
        raise WorkspaceError("Only different runs can be compared; name at least two.")
    settings = {run.run_id: _settings(run) for run in runs}
    grounds = {run.run_id: {name: value for name, value in started(run).items() if name in GROUNDS} for run in runs}
    for told in settings.values():
        told.pop("name", None)
    return Comparison(settings=_unlike(settings), grounds=_unlike({name: one for name, one in grounds.items() if one}))


def started(run: RunRecord) -> dict[str, Any]:
    """The event that says what the run was trained on; {} where it did not come so far."""
    events, _ = read_events(run.path / EVENTS, limit=HEAD)
    return next((event for event in events if event["kind"] == "started"), {})


def _settings(run: RunRecord) -> dict[str, Any]:
    """All settings, those with the defaults that the file does not name, where this version knows them."""
    if run.problem is None:
        return run.config().model_dump(mode="json")
    try:
        return read_yaml(run.path / RUN_YAML)
    except ConfigError as error:
        raise WorkspaceError(
            "The settings of the run {run} cannot be read: {problem}", run=run.run_id, problem=error
        ) from error


def _unlike(told: Mapping[str, dict[str, Any]]) -> tuple[Difference, ...]:
    """The keys whose values are not the same everywhere. Where one run has a value and another a group, that is one
    difference."""
    if len(told) < 2:
        return ()
    keys = dict.fromkeys(key for one in told.values() for key in one)
    found: list[Difference] = []
    for key in keys:
        inner = {run: one[key] for run, one in told.items() if key in one}
        if len(inner) == len(told) and all(isinstance(value, dict) for value in inner.values()):
            found += (Difference(f"{key}.{one.key}", one.values) for one in _unlike(inner))
        elif len(inner) < len(told) or not _alike(list(inner.values())):
            found.append(Difference(str(key), inner))
    return tuple(found)


def _alike(values: Sequence[Any]) -> bool:
    """As files have them: 1 and 1.0 are the same setting, 1 and true are not."""
    first = values[0]
    return all(value == first and isinstance(value, bool) == isinstance(first, bool) for value in values[1:])
