"""The verb `sweep`: one run with many values, one training after another; and what has come of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config.sweep import Point, Sweep, read_sweep
from studio.errors import ConfigError, StudioError
from studio.runs.store import RunRecord, RunStore
from studio.runs.sweep import Results, can_go_on, mark, results_of, runs_of, sweeps_of
from studio.settings import Settings
from studio.telling import narrate, note, one_line, print_json, stdout_kept
from studio.verbs.base import INTERRUPTED, settings_of
from studio.verbs.train import interrupt_stops

if TYPE_CHECKING:
    from studio.training.resume import Resume

HELP = "train a run with many values of some settings, one after another; or list the sweeps there are"
FAILED = 1


def add(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("yaml", nargs="?", type=Path, metavar="SWEEP.yaml", help="run, and sweep: {setting: [values]}")
    sub.add_argument("--results", metavar="ID", help="the table of a sweep that was begun")
    sub.add_argument("--check", action="store_true", help="check every run of the file; train none")


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    store = RunStore(settings.runs_dir)
    if arguments.results:
        return _answer(arguments, results_of(store, arguments.results))
    if arguments.yaml is None:
        return _listed(arguments, store)
    sweep = read_sweep(arguments.yaml)
    settings.prepare_workspace()
    with stdout_kept():
        done = {number for number, one in runs_of(store, sweep.sweep_id).items() if one.status == "finished"}
        ahead = [point for point in sweep.points if point.number not in done]
        _check(ahead, settings)  # every fault before the first run begins
        if not arguments.check:
            note(f"sweep {sweep.sweep_id}: {len(ahead)} of {len(sweep.points)} runs to train")
            code = _train(sweep, ahead, store, settings)
    if arguments.check:
        return _checked(arguments, sweep, done=len(done))
    _answer(arguments, results_of(store, sweep.sweep_id))
    return code


def _check(points: list[Point], settings: Settings) -> None:
    """What only data and model can tell, of every run that is ahead."""
    from studio.training.plan import preflight

    faults: list[StudioError] = []
    for point in points:
        try:
            preflight(point.config, settings)
        except StudioError as error:
            faults.append(error)
            note(f"{point.config.name}: {one_line(error)}")
    if faults:
        raise ConfigError(
            "{count} of {total} runs of the sweep cannot be trained; none was begun. {problem}",
            count=len(faults),
            total=len(points),
            problem=faults[0],
        )


def _train(sweep: Sweep, ahead: list[Point], store: RunStore, settings: Settings) -> int:
    """Each run in its turn, all over one model in memory. A run that fails is told, and the next one begins."""
    from studio.model.slot import ModelSlot
    from studio.training.train import train

    slot, code, before = ModelSlot(settings), 0, runs_of(store, sweep.sweep_id)
    for count, point in enumerate(ahead, 1):
        run_dir, resume = _begin(sweep, point, store, before.get(point.number))
        note(f"run {count} of {len(ahead)}: {run_dir.name}")
        with interrupt_stops(run_dir) as interrupted:
            try:
                train(point.config, run_dir, slot, settings=settings, listeners=[narrate], resume=resume)
            except StudioError as error:
                note(f"{run_dir.name}: {one_line(error)}")
                code = FAILED
        if interrupted.is_set():
            return INTERRUPTED
        slot.detach(run_dir.name)  # the next run needs the memory more than a chat that nobody has here
    return code


def _begin(sweep: Sweep, point: Point, store: RunStore, before: RunRecord | None) -> tuple[Path, Resume | None]:
    """A new run for a point, or the one it has, where that left off and can go on."""
    from studio.training.going_on import resume_of

    if before is not None and can_go_on(before):
        try:
            return before.path, resume_of(before)
        except StudioError as error:
            note(f"{before.run_id} cannot go on: {one_line(error)}")
    run_dir = store.create(point.config)
    mark(run_dir, sweep, point)
    return run_dir, None


def _checked(arguments: argparse.Namespace, sweep: Sweep, *, done: int) -> int:
    points = [{"point": one.number, "name": one.config.name, "values": one.changes} for one in sweep.points]
    if arguments.json:
        print_json({"sweep": sweep.sweep_id, "name": sweep.name, "finished": done, "points": points})
        return 0
    for one in points:
        print(one["name"])
    print(f"{sweep.sweep_id}: {len(points)} runs, {done} of them finished")
    return 0


def _listed(arguments: argparse.Namespace, store: RunStore) -> int:
    found = sweeps_of(store)
    if arguments.json:
        print_json(found)
        return 0
    if not found:
        print("No sweeps yet. `python launch.py sweep SWEEP.yaml` makes one.")
    for one in found:
        print(f"{one['sweep']:44} {one['runs']} of {one['total']} runs")
    return 0


def _answer(arguments: argparse.Namespace, results: Results) -> int:
    if arguments.json:
        print_json(results.as_json())
        return 0
    for row in table(results):
        print(row)
    if results.best:
        print(f"best by {results.figure}: {results.best}")
    return 0


def table(results: Results) -> list[str]:
    """The runs as lines of text, a column a setting that differs; `*` marks the best."""
    keys = [key for key in results.keys if len({str(one.changes.get(key)) for one in results.runs}) > 1]
    figures = [name for name in ("loss", "eval_loss") if any(name in one.run.metrics for one in results.runs)]
    rows = [["", *(key.rpartition(".")[2] for key in keys), "status", "steps", *figures, "run"]]
    for one in results.runs:
        best = "*" if one.run.run_id == results.best else ""
        values = [_cell(one.changes.get(key)) for key in keys]
        told = [_cell(one.run.metrics.get(name)) for name in figures]
        rows.append([best, *values, one.run.status, str(one.run.steps), *told, one.run.run_id])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
