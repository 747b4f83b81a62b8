"""The command line: the studio's verbs without a page. Turns a StudioError into one line and an exit code.

Exit codes: 0 done, 1 the run failed, 2 config or data is wrong, 130 interrupted.
JSON goes to stdout (`--json`), messages to stderr.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import warnings
from pathlib import Path

from studio.errors import ConfigError, StudioError
from studio.flags import Parser, underscored
from studio.runs.spare import is_full
from studio.settings import read_settings
from studio.telling import deaf, one_line
from studio.verbs import VERBS
from studio.verbs.base import INTERRUPTED

QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "true",
}


def main(argv: list[str] | None = None) -> int:
    """Run one verb; no verb is `ui`."""
    argv = list(sys.argv[1:] if argv is None else argv)
    _quieten()
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version")):
        argv = ["ui", *argv]
    try:
        problems = _plug_in(argv)  # before the flags of their methods are read
        words = getattr(VERBS.get(argv[0]), "words", underscored)
        arguments = _parser(argv[0]).parse_args(words(argv))
        arguments.problems = problems
        code = int(arguments.run(arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except StudioError as error:
        print(f"{argv[0]}: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `launch.py runs | head`
        deaf(sys.stdout)
        return 0
    except OSError as error:
        if not is_full(error):
            raise
        deaf(sys.stdout)
        print(
            f"{argv[0]}: The disk is full, and not everything could be written. Free some space and run it again.",
            file=sys.stderr,
        )
        return 1


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


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = Parser(prog="launch.py", description="Tunefork: an interactive fine-tuning studio.")
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(parser_class=Parser, dest="verb", metavar="{" + ",".join(VERBS) + "}", required=True)
    for name, one in VERBS.items():
        described = one.HELP[0].upper() + one.HELP[1:] + "."
        sub = verbs.add_parser(name, help=one.HELP, description=described, allow_abbrev=False)
        sub.set_defaults(run=one.run)
        sub.add_argument("--workspace", metavar="DIR", help="where runs live (default: ~/tunefork)")
        _add_plugin(sub)
        if name != "ui":
            sub.add_argument("--json", action="store_true", help="one JSON value on stdout")
        if name != "runs":
            sub.add_argument(
                "--trust_remote_code", action="store_true", help="run code that a model's repository brings along"
            )
        if name == verb:  # only the asked verb's own arguments are worth their time
            one.add(sub)
    return parser


def _add_plugin(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--plugin", action="append", default=[], type=Path, metavar="FILE.py",
        help="run this file, which brings a method, format, check, evaluator, exporter or reward; may be repeated",
    )  # fmt: skip


def _version() -> str:
    from studio import __version__

    return f"Tunefork {__version__}"
