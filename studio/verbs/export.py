"""The verb `export`: a run's weights for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from studio.runs.store import RunStore
from studio.telling import print_json, stdout_kept
from studio.verbs.base import settings_of

HELP = "write what a run has trained for other programs: the adapter, or the whole model"


def add(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run_id", metavar="RUN_ID", help="a run of the workspace")
    sub.add_argument("--as", dest="form", metavar="FORM", help="adapter (default where there is one) or merged")
    sub.add_argument("--to", type=Path, metavar="DIR", help="a new folder (default: WORKSPACE/exports/RUN_ID-FORM)")


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    record = RunStore(settings.runs_dir).open(arguments.run_id)
    with stdout_kept():
        from studio.export import export, fitting

        form = arguments.form or next(iter(fitting(record)), "adapter")
        default = settings.exports_dir / f"{record.run_id}-{form}"
        made = export(record, form, Path(arguments.to or default).expanduser().resolve(), settings)
    if arguments.json:
        print_json(made.as_json())
        return 0
    found = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in made.proof.items())
    print(f"{made.path}: {len(made.files)} files, {made.bytes / 1e6:.1f} MB\nloaded again: {found or 'not tried'}")
    return 0
