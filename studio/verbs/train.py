"""The verb `train`: one run, headless. The first Ctrl-C stops it and keeps what was learned."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from studio.errors import StudioError
from studio.flags import add_settings, read_config
from studio.runs.store import RunStore
from studio.telling import narrate, print_json, stdout_kept, tell
from studio.verbs.base import INTERRUPTED, settings_of

HELP = "train what RUN.yaml or the flags say"


def add(sub: argparse.ArgumentParser) -> None:
    add_settings(sub)


def run(arguments: argparse.Namespace) -> int:
    config, settings = read_config(arguments), settings_of(arguments)
    settings.prepare_workspace()
    out = sys.stdout
    with stdout_kept():
        from studio.model.slot import ModelSlot
        from studio.training.plan import preflight
        from studio.training.train import train

        preflight(config, settings, progress=tell)  # faults come before a run directory is made
        run_dir = RunStore(settings.runs_dir).create(config)
        print(f"run {run_dir.name}", file=sys.stderr)
        with interrupt_stops(run_dir) as interrupted:
            try:
                outcome = train(config, run_dir, ModelSlot(settings), settings=settings, listeners=[narrate])
            except StudioError:
                record = RunStore(settings.runs_dir).open(run_dir.name)
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


@contextlib.contextmanager
def interrupt_stops(run_dir: Path) -> Iterator[threading.Event]:
    """The first Ctrl-C stops the run and keeps the adapter, a second one ends the process at once."""
    interrupted = threading.Event()

    def stop(number: int, frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        ask_to_stop(run_dir)
        print("Stopping after this micro-batch; the adapter will be kept. Ctrl-C again ends at once.", file=sys.stderr)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
