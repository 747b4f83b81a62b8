"""The verb `score`: a reward run says which reply is better."""

from __future__ import annotations

import argparse

from studio.chat.compared import Compared
from studio.runs.store import RunStore
from studio.telling import print_json, stdout_kept, tell
from studio.verbs.base import settings_of

HELP = "let a reward run say which reply is better"


def add(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run_id", metavar="RUN_ID", help="a run of method reward")
    sub.add_argument("--step", type=int, metavar="N", help="its checkpoint of step N (default: what the run has saved)")
    sub.add_argument("--prompt", required=True, metavar="TEXT")
    sub.add_argument("--reply", required=True, action="append", metavar="TEXT", help="give it once for each reply")
    sub.add_argument("--system", metavar="TEXT", help="system prompt (default: the one the run was trained with)")


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    record = RunStore(settings.runs_dir).open(arguments.run_id)
    Compared(record, arguments.step).scoring_weights()  # what cannot be is told before a library is loaded
    with stdout_kept():
        from studio.chat.verdict import judge
        from studio.model.slot import ModelSlot

        verdict = judge(
            ModelSlot(settings), record, prompt=arguments.prompt, replies=arguments.reply, system=arguments.system,
            step=arguments.step, progress=tell,
        )  # fmt: skip
    if arguments.json:
        print_json(verdict.as_json())
        return 0
    for at, score in enumerate(verdict.scores):
        print(f"{'best' if at == verdict.best else '':4} {score:8.4f}  {arguments.reply[at]}")
    if len(verdict.scores) == 2:
        print(f"difference {verdict.difference:.4f}, chance that the first is preferred {verdict.chance:.1%}")
    return 0
