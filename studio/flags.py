"""Every setting as a flag of the command line, and one sentence for a flag that is wrong. Runs no verb."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin

from studio.config import RunConfig
from studio.config.files import flat_flags, load, parse_set, parse_value
from studio.errors import ConfigError
from studio.section import Section
from studio.ui.words import load_words

PREFIX = "setting:"  # marks a setting's value among the parsed arguments


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose mistakes are one sentence, like every other mistake."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError("{problem}{hint} `{program} --help` lists the flags.", **self._told(message))

    def _below(self) -> list[argparse.ArgumentParser]:
        """The verbs' parsers: what a verb does not know, the parser above it reports."""
        inner = [action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return [parser for choices in inner for parser in choices.values()]

    def _told(self, message: str) -> dict[str, Any]:
        wrong = next((word for word in message.split() if word.startswith("--")), "")
        known = [
            flag for parser in (self, *self._below()) for action in parser._actions for flag in action.option_strings
        ]
        near = difflib.get_close_matches(wrong.partition("=")[0], known, n=1) if "unrecognized" in message else []
        hint = f" Did you mean {near[0]}?" if near else ""
        return {"problem": message[:300].rstrip(".") + ".", "hint": hint, "program": self.prog}


def add_settings(sub: argparse.ArgumentParser) -> None:
    """RUN.yaml, --set, and every setting as a flat flag, in the manner of HfArgumentParser."""
    if sub.prog.endswith("preview"):
        sub.add_argument("--rows", type=int, default=4, metavar="K", help="rows to show (default: 4)")
        sub.add_argument("--start", type=int, default=1, metavar="N", help="the first row to show (default: 1)")
    sub.add_argument("yaml", nargs="?", type=Path, metavar="RUN.yaml", help="a run file; without it all defaults")
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="training.learning_rate=1e-4")
    words = load_words()["en"]["knobs"]
    group = sub.add_argument_group("settings (they win over the file)")
    group.add_argument("--adapter", choices=["lora", "null"], help="null trains every weight (full fine-tuning)")
    for flag, (dotted, field) in flat_flags().items():
        many = "tuple" in str(field.annotation)
        group.add_argument(
            f"--{flag}",
            dest=f"{PREFIX}{dotted}",
            default=argparse.SUPPRESS,
            metavar="VALUE",
            nargs="+" if many else "?" if field.annotation is bool else None,
            const="true" if field.annotation is bool else None,
            help=words.get(dotted, {"help": field.description or ""})["help"].replace("%", "%%"),
        )


def read_config(arguments: argparse.Namespace) -> RunConfig:
    """The run that file, --set and flags describe; a flag wins over --set, and both over the file."""
    return load(arguments.yaml, read_changes(arguments))


def read_changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """What --set and flags say, by dotted key; a flag wins over --set."""
    changes = parse_set(arguments.set)
    if arguments.adapter:
        changes = {"adapter": None if arguments.adapter == "null" else {"type": "lora"}, **changes}
    fields = dict(flat_flags().values())
    for name, value in vars(arguments).items():
        dotted = name.removeprefix(PREFIX)
        if dotted == name:
            continue
        changes[dotted] = _value(value, fields[dotted].annotation, name=f"--{dotted}")
    return changes


def _value(given: str | list[str], kind: Any, *, name: str) -> Any:
    """What a flag's text stands for: YAML, but where the setting is a text or a list of such."""
    inner = get_args(kind) or (kind,)
    if isinstance(given, list) and any(isinstance(one, type) and issubclass(one, Section) for one in inner):
        return [parse_value(one, name=name) for one in given]
    text = ",".join(given) if isinstance(given, list) else given
    is_text = str in inner and get_origin(kind) is not dict and text != "null"
    return text if is_text else parse_value(text, name=name)


def underscored(argv: list[str]) -> list[str]:
    """`--learning-rate` is `--learning_rate`: flags of settings may be written with dashes."""
    known = flat_flags() if argv[0] in ("train", "check", "preview") else {}
    result = []
    for word in argv:
        name, equals, value = word.partition("=")
        plain = name[2:].replace("-", "_") if name.startswith("--") else ""
        result.append(f"--{plain}{equals}{value}" if plain in known else word)
    return result
