"""The verb `train`: one run, headless. The first Ctrl-C stops it and keeps what was learned."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import ConfigError, StudioError
from studio.flags import add_settings, read_changes, read_config
from studio.runs.queue import RunQueue
from studio.runs.stopping import ask_to_stop
from studio.runs.store import RunStore
from studio.settings import Settings
from studio.telling import narrate, note, print_json, stdout_kept, tell
from studio.verbs.base import INTERRUPTED, settings_of

if TYPE_CHECKING:
    from studio.config import RunConfig
    from studio.training.resume import Resume

HELP = "train what RUN.yaml or the flags say, or let a run go on"


def add(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--resume", metavar="RUN_ID", help="go on with this run from its last checkpoint")
    sub.add_argument("--branch", metavar="RUN_ID", help="a new run from a checkpoint of this one, with other settings")
    sub.add_argument("--step", type=int, metavar="N", help="the checkpoint's step (default: the last one)")
    sub.add_argument(
        "--despite", nargs="+", default=[], metavar="PART",
        help="go on although it is missing or another: optimizer, data",
    )  # fmt: skip
    add_settings(sub)


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    _refuse_several_processes()
    settings.prepare_workspace()
    store, out = RunStore(settings.runs_dir), sys.stdout
    with stdout_kept():
        from studio.model.slot import ModelSlot
        from studio.training.train import train

        run_dir, config, resume = _begin(arguments, store, settings)
        RunQueue(settings.runs_dir).remove(run_dir.name)  # a page's server need not train it again
        note(f"run {run_dir.name}")
        with interrupt_stops(run_dir) as interrupted:
            try:
                outcome = train(
                    config, run_dir, ModelSlot(settings), settings=settings, listeners=[narrate], resume=resume
                )
            except StudioError:
                record = store.open(run_dir.name)
                result = {"run_id": record.run_id, "status": record.status, "steps": record.steps}
                if arguments.json:
                    print_json({**result, "metrics": record.metrics}, to=out)
                raise
    result = {"run_id": outcome.run_id, "status": outcome.status, "steps": outcome.steps, "metrics": outcome.metrics}
    if arguments.json:
        print_json(result)
    else:
        print(f"{outcome.run_id}: {outcome.status} after {outcome.steps} steps, in {run_dir}")
    return INTERRUPTED if interrupted.is_set() else 0


def _refuse_several_processes() -> None:
    """Each of them would begin a run of its own. A launcher says in the environment how many it has started."""
    count = os.environ.get("WORLD_SIZE", "1")
    if count.isdigit() and int(count) > 1:
        raise ConfigError(
            "A launcher started {count} processes, and one process trains a run. Launch it with --num_processes 1, or "
            "without a launcher.",
            count=int(count),
        )


def _begin(arguments: argparse.Namespace, store: RunStore, settings: Settings) -> tuple[Path, RunConfig, Resume | None]:
    """The directory to train into, with which settings, and from where a run goes on."""
    from studio.training.going_on import branch, changed_config, resume_of
    from studio.training.plan import preflight

    named = arguments.resume or arguments.branch
    if named is None:
        if arguments.step is not None or arguments.despite:
            raise ConfigError(
                "--step and --despite say how a run goes on. Give --resume RUN_ID or --branch RUN_ID too."
            )
        config = read_config(arguments)
        preflight(config, settings, progress=tell)  # faults come before a run directory is made
        return store.create(config), config, None
    if arguments.resume and arguments.branch:
        raise ConfigError("--resume goes on with a run and --branch makes another of it. Give one of them.")
    if arguments.yaml is not None:
        raise ConfigError("A run goes on with its own settings. Give flags for those that change, and no file.")
    record, changes = store.open(named), read_changes(arguments)
    if arguments.branch:
        run_dir = branch(store, record, changes, step=arguments.step, despite=arguments.despite)
        made = store.open(run_dir.name)
        return run_dir, made.config(), resume_of(made, despite=arguments.despite)
    config = changed_config(record, changes)
    return record.path, config, resume_of(record, config=config, step=arguments.step, despite=arguments.despite)


@contextlib.contextmanager
def interrupt_stops(run_dir: Path) -> Iterator[threading.Event]:
    """The first Ctrl-C stops the run and keeps the adapter, a second one ends the process at once."""
    interrupted = threading.Event()

    def stop(number: int, frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        ask_to_stop(run_dir)
        note("Stopping; what was learned is kept, and `train --resume` goes on from here. Ctrl-C again ends at once.")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
