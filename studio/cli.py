"""The command line: the studio's verbs without a page. Turns a StudioError into one line and an exit code.

Exit codes: 0 done, 1 the run failed, 2 config or data is wrong, 130 interrupted.
JSON goes to stdout (`--json`), messages to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config.files import build
from studio.errors import ConfigError, StudioError
from studio.flags import Parser, add_settings, read_config, underscored
from studio.runs.store import RunStore
from studio.settings import Settings, read_settings
from studio.telling import narrate, one_line, print_json, print_plan, print_preview, stdout_kept, tell

if TYPE_CHECKING:
    from studio.config import RunConfig
    from studio.data.blocks import PackedBlock
    from studio.training.plan import Plan

VERBS = ("ui", "train", "check", "preview", "chat", "score", "runs")
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "true",
}
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one verb; no verb is `ui`."""
    argv = list(sys.argv[1:] if argv is None else argv)
    _quieten()
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version")):
        argv = ["ui", *argv]
    try:
        problems = _plug_in(argv)  # before the flags of their methods are read
        arguments = _parser(argv[0]).parse_args(underscored(argv))
        arguments.problems = problems
        return arguments.run(arguments)
    except StudioError as error:
        print(f"{argv[0]}: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `launch.py runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _plug_in(argv: list[str]) -> list[ConfigError]:
    """Load what installed packages and --plugin bring. The page starts without what cannot be loaded, a verb without
    what no --plugin names; both say so."""
    from studio.plugins import plug_in

    early = Parser(prog="launch.py", add_help=False, allow_abbrev=False)
    _add_plugin(early)
    files = early.parse_known_args(argv[1:])[0].plugin
    problems = plug_in(files, space=read_settings().mode == "space", strict=argv[0] != "ui")
    for problem in problems:
        print(f"{argv[0]}: {one_line(problem)}", file=sys.stderr)
    return problems


def _quieten() -> None:
    """Text is UTF-8 on every system, nothing is told to anybody's server, and libraries keep their remarks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of optional kernels at every start
    for kind in (FutureWarning, UserWarning):
        warnings.filterwarnings("ignore", category=kind, module="transformers|trl|peft|datasets|accelerate|torch")


def _settings(arguments: argparse.Namespace) -> Settings:
    return read_settings(
        workspace=arguments.workspace,
        host=getattr(arguments, "host", None),
        port=getattr(arguments, "port", None),
        share=getattr(arguments, "share", False),
        trust_remote_code=getattr(arguments, "trust_remote_code", False),
    )


# The verbs


def _ui(arguments: argparse.Namespace) -> int:
    from studio.services import build_services
    from studio.ui.app import serve

    settings = _settings(arguments)
    auth = None
    if arguments.auth:
        user, colon, password = arguments.auth.partition(":")
        if not (user and colon and password):
            raise ConfigError("--auth takes USER:PASS.")
        auth = (user, password)
    services = build_services(settings, notices=tuple(arguments.problems))
    serve(services, port=settings.port, open_browser=not arguments.no_browser, share=arguments.share, auth=auth)
    return 0


def _train(arguments: argparse.Namespace) -> int:
    config, settings = read_config(arguments), _settings(arguments)
    settings.prepare_workspace()
    out = sys.stdout
    with stdout_kept():
        from studio.model.slot import ModelSlot
        from studio.training.plan import preflight
        from studio.training.train import train

        preflight(config, settings, progress=tell)  # faults come before a run directory is made
        run_dir = RunStore(settings.runs_dir).create(config)
        print(f"run {run_dir.name}", file=sys.stderr)
        with _interrupt_stops(run_dir) as interrupted:
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


def _check(arguments: argparse.Namespace) -> int:
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
    config, settings = read_config(arguments), _settings(arguments)
    with stdout_kept():
        from studio.training.plan import plan

        return plan(config, settings, progress=tell)


def _preview(arguments: argparse.Namespace) -> int:
    config, settings = read_config(arguments), _settings(arguments)
    if arguments.rows < 1:
        raise ConfigError("--rows is {rows}; it must be at least 1.", rows=arguments.rows)
    if arguments.start < 1:
        raise ConfigError("--start is {row}; rows are counted from 1.", row=arguments.start)
    with stdout_kept():
        from studio.data.blocks import is_packed, packed_blocks
        from studio.data.preview import preview
        from studio.model.load import load_tokenizer, tokenizer_notes
        from studio.training.stage import stage

        tokenizer = load_tokenizer(config.model, settings, progress=tell)
        start, rows = arguments.start - 1, arguments.rows
        made = preview(config, settings=settings, tokenizer=tokenizer, rows=rows, start=start)
        _remember(config, settings)
        made = replace(made, notes=(*tokenizer_notes(tokenizer, config.model), *made.notes))
        blocks: list[PackedBlock] = []
        if is_packed(config) or config.data.filters:  # which rows share a block, or are left out, is known of all alone
            prepared = stage(config, settings, progress=tell).prepared
            made = made.among(prepared.index, digest=prepared.digest)
            blocks = list(packed_blocks(config, prepared, tokenizer=tokenizer, start=start, count=rows))
    if arguments.json:
        print_json({**made.as_json(), **({"blocks": [block.as_json() for block in blocks]} if blocks else {})})
    else:
        print_preview(made, blocks)
    return 0


def _remember(config: RunConfig, settings: Settings) -> None:
    """Keep what was shown, so that a run over other rows says so."""
    from studio.data.corpus import open_corpus
    from studio.data.previewed import Previewed

    shown = Previewed(settings)
    shown.saw(config, open_corpus(config, settings))
    shown.keep()


def _chat(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    record = RunStore(settings.runs_dir).open(arguments.run_id)
    trained, config = record.weights(), record.config()
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
        slot.attach(record.run_id, trained)
        turns = compare(
            slot, messages, messages, adapter_id=record.run_id, generation=generation, stop=threading.Event()
        )
        for turn in turns:
            replies[turn.side] += turn.text
    if arguments.json:
        print_json(replies)
    else:
        print(f"base:    {replies['base']}\nadapter: {replies['adapter']}")
    return 0


def _score(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    record = RunStore(settings.runs_dir).open(arguments.run_id)
    record.scoring_weights()  # what cannot be is told before a library is loaded
    with stdout_kept():
        from studio.chat.verdict import judge
        from studio.model.slot import ModelSlot

        verdict = judge(
            ModelSlot(settings), record, prompt=arguments.prompt, replies=arguments.reply, system=arguments.system,
            progress=tell,
        )  # fmt: skip
    if arguments.json:
        print_json(verdict.as_json())
        return 0
    for at, score in enumerate(verdict.scores):
        print(f"{'best' if at == verdict.best else '':4} {score:8.4f}  {arguments.reply[at]}")
    if len(verdict.scores) == 2:
        print(f"difference {verdict.difference:.4f}, chance that the first is preferred {verdict.chance:.1%}")
    return 0


def _runs(arguments: argparse.Namespace) -> int:
    records = RunStore(_settings(arguments).runs_dir).list()
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


# A run that is interrupted


@contextlib.contextmanager
def _interrupt_stops(run_dir: Path) -> Iterator[threading.Event]:
    """The first Ctrl-C stops the run and keeps the adapter, a second one ends the process at once."""
    from studio.training.train import request_stop

    interrupted = threading.Event()

    def stop(number: int, frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        request_stop(run_dir)
        print("Stopping after this micro-batch; the adapter will be kept. Ctrl-C again ends at once.", file=sys.stderr)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# The parser


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = Parser(prog="launch.py", description="Tunefork: an interactive fine-tuning studio.")
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(parser_class=Parser, dest="verb", metavar="{" + ",".join(VERBS) + "}", required=True)
    table: dict[str, tuple[str, Callable[[argparse.Namespace], int]]] = {
        "ui": ("open the studio in the browser (the default)", _ui),
        "train": ("train what RUN.yaml or the flags say", _train),
        "check": ("validate, count and plan a run; trains nothing", _check),
        "preview": ("show rows as the tokens the trainer will see", _preview),
        "chat": ("ask base and adapter of a run the same question", _chat),
        "score": ("let a reward run say which reply is better", _score),
        "runs": ("list the runs of the workspace", _runs),
    }
    for name, (text, run) in table.items():
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        sub.set_defaults(run=run)
        sub.add_argument("--workspace", metavar="DIR", help="where runs live (default: ~/tunefork)")
        _add_plugin(sub)
        if name != "ui":
            sub.add_argument("--json", action="store_true", help="one JSON value on stdout")
        if name != "runs":
            sub.add_argument(
                "--trust_remote_code", action="store_true", help="run code that a model's repository brings along"
            )
        if name == verb:  # only the asked verb's own arguments are worth their time
            {"ui": _add_ui, "chat": _add_chat, "score": _add_score, "runs": lambda _: None}.get(name, add_settings)(sub)
    return parser


def _add_plugin(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--plugin", action="append", default=[], type=Path, metavar="FILE.py",
        help="run this file, which brings a method, format, check or reward of yours; may be given several times",
    )  # fmt: skip


def _add_ui(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--host", metavar="H", help="address to listen on (default: 127.0.0.1)")
    sub.add_argument("--port", metavar="P", type=int, help="port (default: the first free one from 7860)")
    sub.add_argument("--no-browser", "--no_browser", action="store_true", help="do not open the browser")
    sub.add_argument("--share", action="store_true", help="a public link through Gradio; needs --auth")
    sub.add_argument("--auth", metavar="USER:PASS", help="ask for this login")


def _add_chat(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run_id", metavar="RUN_ID")
    sub.add_argument("--prompt", required=True, metavar="TEXT")
    sub.add_argument("--system", metavar="TEXT", help="system prompt (default: the one the run was trained with)")
    sub.add_argument("--max-new-tokens", "--max_new_tokens", type=int, metavar="N")
    sub.add_argument("--temperature", type=float, metavar="T", help="0 is greedy")
    sub.add_argument("--seed", type=int, metavar="N")


def _add_score(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run_id", metavar="RUN_ID", help="a run of method reward")
    sub.add_argument("--prompt", required=True, metavar="TEXT")
    sub.add_argument("--reply", required=True, action="append", metavar="TEXT", help="give it once for each reply")
    sub.add_argument("--system", metavar="TEXT", help="system prompt (default: the one the run was trained with)")


def _version() -> str:
    from studio import __version__

    return f"Tunefork {__version__}"
