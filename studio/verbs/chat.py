"""The verb `chat`: base and adapter of a run answer the same question."""

from __future__ import annotations

import argparse
import threading

from studio.chat.compared import Compared
from studio.config.files import build
from studio.errors import ConfigError
from studio.runs.store import RunStore
from studio.telling import print_json, stdout_kept, tell
from studio.verbs.base import settings_of

HELP = "ask base and adapter of a run the same question"


def add(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run_id", metavar="RUN_ID")
    sub.add_argument("--step", type=int, metavar="N", help="its checkpoint of step N (default: what the run has saved)")
    sub.add_argument("--prompt", required=True, metavar="TEXT")
    sub.add_argument("--system", metavar="TEXT", help="system prompt (default: the one the run was trained with)")
    sub.add_argument("--max-new-tokens", "--max_new_tokens", type=int, metavar="N")
    sub.add_argument("--temperature", type=float, metavar="T", help="0 is greedy")
    sub.add_argument("--seed", type=int, metavar="N")


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    against = Compared(RunStore(settings.runs_dir).open(arguments.run_id), arguments.step)
    trained, config = against.weights(), against.record.config()
    changes = {"max_new_tokens": arguments.max_new_tokens, "temperature": arguments.temperature, "seed": arguments.seed}
    chosen = {name: value for name, value in changes.items() if value is not None}
    data = {**config.model_dump(), "generation": {**config.generation.model_dump(), **chosen}}
    generation = build(data, name="the command line").generation
    system = arguments.system if arguments.system is not None else config.data.system_prompt
    if not arguments.prompt.strip():
        raise ConfigError("--prompt is empty; say what base and adapter should answer.")
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": arguments.prompt})
    replies = {"base": "", "adapter": ""}
    with stdout_kept():
        from studio.chat.compare import compare
        from studio.chat.prompt import prompt_note
        from studio.model.slot import ModelSlot

        slot = ModelSlot(settings)
        note = prompt_note(slot.load(config.model, progress=tell).tokenizer)
        if note:
            tell(note, None)
        slot.attach(against.name, trained)
        turns = compare(
            slot, messages, messages, adapter_id=against.name, generation=generation, stop=threading.Event()
        )
        for turn in turns:
            replies[turn.side] += turn.text
    if arguments.json:
        print_json(replies)
    else:
        print(f"base:    {replies['base']}\nadapter: {replies['adapter']}")
    return 0
