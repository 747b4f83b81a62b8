"""The verb `diff`: in what two or more runs differ."""

from __future__ import annotations

import argparse
import json

from studio.runs.difference import Difference, compare
from studio.runs.store import RunStore
from studio.telling import print_json
from studio.verbs.base import settings_of

HELP = "the settings in which runs differ"


def add(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run_id", metavar="RUN_ID", help="a run of the workspace")
    sub.add_argument("others", nargs="+", metavar="OTHER_ID", help="what it is compared with")


def run(arguments: argparse.Namespace) -> int:
    store = RunStore(settings_of(arguments).runs_dir)
    records = [store.open(one) for one in (arguments.run_id, *arguments.others)]
    found = compare(records)
    if arguments.json:
        print_json({"runs": [{"run_id": one.run_id, "name": one.name} for one in records], **found.as_json()})
        return 0
    ids = [record.run_id for record in records]
    for one in (*found.settings, *found.grounds):
        print(f"{one.key}: {' | '.join(_told(one, run_id) for run_id in ids)}")
    if not found.settings:
        print("Their settings are the same.")
    return 0


def _told(one: Difference, run_id: str) -> str:
    return json.dumps(one.values[run_id], ensure_ascii=False) if run_id in one.values else "-"
