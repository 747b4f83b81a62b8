"""The verb `report`: a run as one HTML file that needs nothing else."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from studio.errors import WorkspaceError
from studio.runs.disk import write_whole
from studio.runs.report import report
from studio.runs.store import RunStore
from studio.telling import print_json
from studio.ui.words import LANGUAGES, say, spoken
from studio.verbs.base import settings_of

HELP = "a run as one HTML file: curves, settings, data, samples"


def add(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run_id", metavar="RUN_ID", help="a run of the workspace")
    sub.add_argument("-o", "--output", type=Path, metavar="FILE", help="write here (default: RUN_ID.html); - is stdout")
    sub.add_argument("--lang", choices=LANGUAGES, default="en", help="the language of the report (default: en)")


def run(arguments: argparse.Namespace) -> int:
    record = RunStore(settings_of(arguments).runs_dir).open(arguments.run_id)
    lang = arguments.lang
    page = report(record, lang=lang, say=partial(say, lang), spoken=partial(spoken, lang))
    path: Path = arguments.output or Path(f"{record.run_id}.html")
    if str(path) == "-":
        print(page)
        return 0
    try:
        write_whole(path, page)
    except OSError as error:
        raise WorkspaceError("Cannot write {path}: {reason}.", path=path, reason=error.strerror or error) from error
    if arguments.json:
        print_json({"path": str(path), "bytes": len(page.encode())})
    else:
        print(path, file=sys.stderr)
    return 0
