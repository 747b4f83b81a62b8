"""The verb `metrics`: the figures of a run as CSV or JSON."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TextIO

from studio.errors import WorkspaceError
from studio.runs.disk import writing_whole
from studio.runs.metrics import write_csv, write_json
from studio.runs.store import RunRecord, RunStore
from studio.verbs.base import settings_of

HELP = "the figures of a run, step by step, as CSV or JSON"


def add(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run_id", metavar="RUN_ID", help="a run of the workspace")
    sub.add_argument("--csv", action="store_true", help="a table (this is the default)")
    sub.add_argument("-o", "--output", type=Path, metavar="FILE", help="write here; one that ends in .json is JSON")


def run(arguments: argparse.Namespace) -> int:
    record = RunStore(settings_of(arguments).runs_dir).open(arguments.run_id)
    path: Path | None = arguments.output
    as_json = arguments.json or (path is not None and path.suffix == ".json" and not arguments.csv)
    if path is None or str(path) == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(newline="")  # a row of CSV ends in CR LF on every system
        _write(record, sys.stdout, as_json=as_json)
        return 0
    try:
        with writing_whole(path) as out:
            count = _write(record, out, as_json=as_json)
    except OSError as error:
        raise WorkspaceError("Cannot write {path}: {reason}.", path=path, reason=error.strerror or error) from error
    print(f"{path}: {count} rows", file=sys.stderr)
    return 0


def _write(record: RunRecord, out: TextIO, *, as_json: bool) -> int:
    return write_json(record, out) if as_json else write_csv(record.path, out)
