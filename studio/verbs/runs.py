"""The verb `runs`: the runs of the workspace."""

from __future__ import annotations

import argparse

from studio.runs.store import RunStore
from studio.telling import print_json
from studio.verbs.base import settings_of

HELP = "list the runs of the workspace"


def add(sub: argparse.ArgumentParser) -> None:
    """No flags of its own yet."""


def run(arguments: argparse.Namespace) -> int:
    records = RunStore(settings_of(arguments).runs_dir).list()
    if arguments.json:
        print_json([record.as_json() for record in records])
        return 0
    if not records:
        print("No runs yet. `python launch.py train` makes one.")
    for record in records:
        loss = record.metrics.get("loss")
        figure = f"loss {loss:.3f}" if isinstance(loss, float) else ""
        print(f"{record.run_id:44} {record.status:12} {record.method:6} step {record.steps:<6} {figure}")
    return 0
