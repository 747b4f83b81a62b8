"""The verb `check`: a run validated, counted and planned. Trains nothing."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from studio.errors import ConfigError
from studio.flags import add_settings, read_config
from studio.telling import one_line, print_json, print_plan, stdout_kept, tell
from studio.verbs.base import settings_of

if TYPE_CHECKING:
    from studio.training.plan import Plan

HELP = "validate, count and plan a run; trains nothing"


def add(sub: argparse.ArgumentParser) -> None:
    add_settings(sub)


def run(arguments: argparse.Namespace) -> int:
    try:
        made = _planned(arguments)
    except ConfigError as error:  # the config itself: no plan can be made of it
        face: dict[str, Any] = {"ok": False, "errors": [str(error)], "findings": [], "plan": None, "report": None}
        if arguments.json:
            print_json(face)
        raise
    for told in made.errors:
        print(f"check: {one_line(told)}", file=sys.stderr)
    if arguments.json:
        print_json(made.as_json())
    else:
        print_plan(made)
    return 0 if made.ok else 2


def _planned(arguments: argparse.Namespace) -> Plan:
    config, settings = read_config(arguments), settings_of(arguments)
    with stdout_kept():
        from studio.training.plan import plan

        return plan(config, settings, progress=tell)
