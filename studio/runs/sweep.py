"""The sweeps of a workspace, as their runs tell of them: each keeps in `origin.json` which point of which sweep it is.

Nothing else is stored: a sweep is there as long as one of its runs is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.config.sweep import Point, Sweep
from studio.errors import WorkspaceError
from studio.runs.checkpoint import whole
from studio.runs.disk import write_whole
from studio.runs.origin import ORIGIN
from studio.runs.store import RunRecord, RunStore

LEFT_OFF = ("interrupted", "paused", "stopped")
LARGEST = 100_000  # bytes; an origin is some hundred


@dataclass(frozen=True)
class Swept:
    """One run of a sweep: the values that it was given, and the run as it stands."""

    number: int
    changes: dict[str, Any]
    run: RunRecord

    def as_json(self) -> dict[str, Any]:
        return {
            "point": self.number,
            "run_id": self.run.run_id,
            "name": self.run.name,
            "status": self.run.status,
            "values": self.changes,
            "steps": self.run.steps,
            "metrics": self.run.metrics,
            "error": self.run.error,
        }


@dataclass(frozen=True)
class Results:
    """What has come of a sweep so far; `total` is how many runs it was to have."""

    sweep_id: str
    name: str
    total: int
    runs: tuple[Swept, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The settings that it changes, in their order."""
        return tuple(dict.fromkeys(key for one in self.runs for key in one.changes))

    @property
    def figure(self) -> str:
        """What its runs are held against each other by: the evaluation's loss, else that of training."""
        return "eval_loss" if any(_number(one.run.metrics.get("eval_loss")) for one in self.runs) else "loss"

    @property
    def best(self) -> str | None:
        """The finished run with the least loss."""
        figure = self.figure
        found = [
            (one.run.metrics[figure], one.number, one.run.run_id)
            for one in self.runs
            if one.run.status == "finished" and _number(one.run.metrics.get(figure))
        ]
        return min(found)[2] if found else None

    def as_json(self) -> dict[str, Any]:
        """The stable face of `sweep --json`."""
        return {
            "sweep": self.sweep_id,
            "name": self.name,
            "total": self.total,
            "keys": list(self.keys),
            "figure": self.figure,
            "best": self.best,
            "runs": [one.as_json() for one in self.runs],
        }


def mark(run_dir: Path, sweep: Sweep, point: Point) -> None:
    """Write down that a run is a point of a sweep."""
    told = {
        "kind": "sweep", "run_id": None, "step": None, "sweep": sweep.sweep_id, "name": sweep.name,
        "point": point.number, "points": len(sweep.points), "changes": point.changes,
    }  # fmt: skip
    write_whole(run_dir / ORIGIN, json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def sweeps_of(store: RunStore) -> list[dict[str, Any]]:
    """Every sweep with a run in the workspace, the one with the newest run first: {sweep, name, total, runs}."""
    found: dict[str, dict[str, Any]] = {}
    points: dict[str, set[int]] = {}
    newest: dict[str, float] = {}
    for folder, told in _marked(store):
        sweep_id = told["sweep"]
        points.setdefault(sweep_id, set()).add(told["point"])
        found[sweep_id] = {
            "sweep": sweep_id, "name": told["name"], "total": told["points"], "runs": len(points[sweep_id]),
        }  # fmt: skip
        newest[sweep_id] = max(newest.get(sweep_id, 0.0), (folder / ORIGIN).stat().st_mtime)
    return sorted(found.values(), key=lambda one: (newest[one["sweep"]], one["sweep"]), reverse=True)


def results_of(store: RunStore, sweep_id: str) -> Results:
    """One sweep's runs in the order of its points: of several at one point the finished one, else the newest."""
    marked = [(folder, told) for folder, told in _marked(store) if told["sweep"] == sweep_id]
    if not marked:
        raise WorkspaceError(
            "There is no sweep {sweep_id!r} in {path}. `python launch.py sweep` lists those there are.",
            sweep_id=sweep_id[:80],
            path=store.runs_dir,
        )
    chosen: dict[int, Swept] = {}
    for folder, told in marked:
        try:
            run = Swept(told["point"], dict(told["changes"]), store.open(folder.name))
        except WorkspaceError:  # it was removed in between
            continue
        other = chosen.get(run.number)
        if other is None or _worth(run.run) > _worth(other.run):
            chosen[run.number] = run
    told = marked[0][1]
    runs = tuple(chosen[number] for number in sorted(chosen))
    return Results(sweep_id=sweep_id, name=told["name"], total=told["points"], runs=runs)


def runs_of(store: RunStore, sweep_id: str) -> dict[int, RunRecord]:
    """The run of each point that has one; none where the sweep was never begun."""
    try:
        return {one.number: one.run for one in results_of(store, sweep_id).runs}
    except WorkspaceError:
        return {}


def can_go_on(run: RunRecord) -> bool:
    """Whether a point needs no new run: its own left off, and has a checkpoint to go on from."""
    return run.status in LEFT_OFF and bool(whole(run.path))


def _worth(run: RunRecord) -> tuple[bool, float, str]:
    return run.status == "finished", run.created, run.run_id


def _marked(store: RunStore) -> list[tuple[Path, dict[str, Any]]]:
    """Folders of runs that belong to a sweep, with what each says of it."""
    if not store.runs_dir.is_dir():
        return []
    folders = [one for one in sorted(store.runs_dir.iterdir()) if one.name[0] != "." and (one / ORIGIN).is_file()]
    return [(folder, told) for folder in folders if (told := _read(folder / ORIGIN)) is not None]


def _read(path: Path) -> dict[str, Any] | None:
    """An origin that names a sweep; None for any other, and for a file that somebody has changed."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict) or told.get("kind") != "sweep":
        return None
    kinds: dict[str, type] = {"sweep": str, "name": str, "point": int, "points": int, "changes": dict}
    return told if all(isinstance(told.get(name), kind) for name, kind in kinds.items()) else None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
