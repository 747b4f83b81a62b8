"""The verb `runs`: the runs of the workspace: listed, labelled, deleted and brought back."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any

from studio.config.files import dump
from studio.errors import ConfigError
from studio.runs.bin import Bin
from studio.runs.labels import annotate, rename, tag
from studio.runs.store import RunRecord, RunStore
from studio.telling import print_json
from studio.verbs.base import settings_of

HELP = "list the runs of the workspace; show, rename, note, tag, duplicate, delete or restore one"
FORMS = """\
runs                         every run, newest first
runs show ID                 what is known of one
runs rename ID NAME          call it otherwise ("" is the name in its run.yaml)
runs note ID [TEXT]          put notes on it, or print them
runs tag ID +TAG -TAG        add tags and take tags off
runs duplicate ID            its run.yaml as a new one, on stdout
runs delete ID ...           put it into the bin
runs restore ID ...          bring it back
runs bin [--empty]           what is in the bin; with --empty delete that for ever
"""
SORTS: dict[str, Callable[[RunRecord], Any]] = {
    "started": lambda run: run.created,
    "name": lambda run: run.name.casefold(),
    "status": lambda run: run.status,
    "method": lambda run: run.method,
    "model": lambda run: run.model,
    "data": lambda run: run.data,
    "steps": lambda run: run.steps,
    "loss": lambda run: run.metrics.get("loss"),
    "eval_loss": lambda run: run.metrics.get("eval_loss"),
    "bytes": lambda run: run.bytes,
}
VALUED = (
    "--workspace", "--plugin", "--status", "--method", "--model", "--data", "--tag", "--search", "--sort", "--off"
)  # fmt: skip
LARGEST_FIRST = ("started", "steps", "bytes")


def words(argv: list[str]) -> list[str]:
    """`runs tag ID +good -bad`: a tag to take off is no flag. Flags may stand anywhere: they go behind the words."""
    plain, flags, rest = argv[:1], list[str](), iter(argv[1:])
    for one in rest:
        if one == "--" and plain[1:2] == ["tag"]:  # no tag; a tag to take off is no flag without it either
            continue
        if re.fullmatch(r"-[^-].*", one) and one != "-h" and plain[1:2] == ["tag"]:
            flags.append(f"--off={one[1:]}")
        elif one.startswith("--"):
            flags += [one, *([value] if one in VALUED and (value := next(rest, None)) is not None else [])]
        else:
            plain.append(one)
    return plain + flags


def add(sub: argparse.ArgumentParser) -> None:
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    sub.epilog = FORMS
    sub.add_argument("action", nargs="?", choices=list(ACTIONS), default="list", help="what to do (default: list)")
    sub.add_argument("words", nargs="*", metavar="ID", help="a run's id, and what goes with it")
    group = sub.add_argument_group("which runs are listed")
    group.add_argument("--status", metavar="STATUS", help="finished, running, failed, ...")
    group.add_argument("--method", metavar="METHOD", help="sft, dpo, ...")
    group.add_argument("--model", metavar="TEXT", help="a part of the model's name")
    group.add_argument("--data", metavar="TEXT", help="a part of the source's name")
    group.add_argument("--tag", metavar="TAG", help="with this tag")
    group.add_argument("--search", metavar="TEXT", help="words in name, id, notes and tags")
    group.add_argument("--sort", choices=list(SORTS), default="started", help="in which order (default: newest first)")
    group.add_argument("--reverse", action="store_true", help="the other way round")
    sub.add_argument("--empty", action="store_true", help="with bin: delete what is in it for ever")
    sub.add_argument("--off", action="append", default=[], metavar="TAG", help="with tag: take this one off")


def run(arguments: argparse.Namespace) -> int:
    store = RunStore(settings_of(arguments).runs_dir)
    ACTIONS[arguments.action](store, arguments)
    return 0


def matching(records: Sequence[RunRecord], arguments: argparse.Namespace) -> list[RunRecord]:
    """Those that every filter lets through, in the order asked for; runs without the figure come last."""
    key, wanted = SORTS[arguments.sort], (arguments.search or "").casefold().split()

    def fits(run: RunRecord) -> bool:
        text = "\n".join((run.name, run.run_id, run.notes, *run.tags)).casefold()
        return (
            arguments.status in (None, run.status)
            and arguments.method in (None, run.method)
            and (arguments.model or "").casefold() in run.model.casefold()
            and (arguments.data or "").casefold() in run.data.casefold()
            and (arguments.tag is None or arguments.tag in run.tags)
            and all(word in text for word in wanted)
        )

    found = [run for run in records if fits(run)]
    known = [run for run in found if _sortable(key(run))]
    known.sort(key=key, reverse=arguments.reverse != (arguments.sort in LARGEST_FIRST))
    return known + [run for run in found if not _sortable(key(run))]


def _sortable(value: object) -> bool:
    return value not in (None, "nan", "inf", "-inf")


def _list(store: RunStore, arguments: argparse.Namespace) -> None:
    _no_more(arguments, 0)
    records = store.list()
    sized = arguments.json or arguments.sort == "bytes"
    found = matching([store.measured(one) for one in records] if sized else records, arguments)
    if arguments.json:
        print_json([record.as_json() for record in found])
        return
    if not found:
        print("No run matches." if records else "No runs yet. `python launch.py train` makes one.")
    for record in found:
        loss = record.metrics.get("loss")
        figure = f"loss {loss:.3f}" if isinstance(loss, float) else ""
        labels = " ".join((record.name, *(f"#{one}" for one in record.tags)))
        line = f"{record.run_id:44} {record.status:12} {record.method:6} step {record.steps:<6} {figure:12} {labels}"
        print(line.rstrip())


def _show(store: RunStore, arguments: argparse.Namespace) -> None:
    _no_more(arguments, 1)
    record = store.measured(store.open(_id(arguments)))
    if arguments.json:
        print_json(record.as_json())
        return
    for name, value in record.as_json().items():
        told = ", ".join(value) if name == "tags" else value
        if told not in (None, "", {}):
            print(f"{name}: {told}")


def _rename(store: RunStore, arguments: argparse.Namespace) -> None:
    record = store.open(_id(arguments))
    if len(arguments.words) < 2:
        raise ConfigError('`runs rename` needs a name: `runs rename ID "a better name"`.')
    rename(record.path, " ".join(arguments.words[1:]))
    _told(store, arguments)


def _note(store: RunStore, arguments: argparse.Namespace) -> None:
    record = store.open(_id(arguments))
    if len(arguments.words) == 1 and not arguments.json:
        print(record.notes)
        return
    if len(arguments.words) > 1:
        annotate(record.path, " ".join(arguments.words[1:]))
    _told(store, arguments)


def _tag(store: RunStore, arguments: argparse.Namespace) -> None:
    record = store.open(_id(arguments))
    tag(record.path, add=[one.removeprefix("+") for one in arguments.words[1:]], remove=arguments.off)
    _told(store, arguments)


def _duplicate(store: RunStore, arguments: argparse.Namespace) -> None:
    _no_more(arguments, 1)
    record = store.open(_id(arguments))
    config = record.config().model_copy(update={"name": f"{record.name[:70]} copy"})
    if arguments.json:
        print_json(config.model_dump(mode="json"))
    else:
        print(dump(config), end="")


def _delete(store: RunStore, arguments: argparse.Namespace) -> None:
    _id(arguments)
    box = Bin(store)
    gone = [{"run_id": one, "entry": box.delete(one)} for one in arguments.words]
    if arguments.json:
        print_json({"deleted": gone})
        return
    for one in gone:
        print(f"{one['run_id']} is in the bin. `python launch.py runs restore {one['run_id']}` brings it back.")


def _restore(store: RunStore, arguments: argparse.Namespace) -> None:
    _id(arguments)
    back = [Bin(store).restore(one) for one in arguments.words]
    if arguments.json:
        print_json({"restored": back})
        return
    for one in back:
        print(f"{one} is back.")


def _bin(store: RunStore, arguments: argparse.Namespace) -> None:
    _no_more(arguments, 0)
    box = Bin(store)
    if arguments.empty:
        count = box.empty()
        if arguments.json:
            print_json({"emptied": count})
        else:
            print(f"{count} deleted for ever.")
        return
    found = [(one, store.measured(one.run)) for one in box.runs()]
    if arguments.json:
        print_json([{"entry": one.entry, "deleted": one.deleted, **run.as_json()} for one, run in found])
        return
    if not found:
        print("The bin is empty.")
    for one, run in found:
        print(f"{one.entry:20} {run.run_id:44} {(run.bytes or 0) / 1e6:10.1f} MB  {run.name}")


def _told(store: RunStore, arguments: argparse.Namespace) -> None:
    """What is written on the run now."""
    record = store.open(arguments.words[0])
    if arguments.json:
        print_json(record.as_json())
    else:
        print(" ".join((f"{record.run_id}: {record.name}", *(f"#{one}" for one in record.tags))))


def _id(arguments: argparse.Namespace) -> str:
    if not arguments.words:
        raise ConfigError(
            "`runs {action}` needs the id of a run; `python launch.py runs` lists them.", action=arguments.action
        )
    return str(arguments.words[0])


def _no_more(arguments: argparse.Namespace, count: int) -> None:
    if len(arguments.words) > count:
        raise ConfigError(
            "`runs {action}` does not take {word!r}. `python launch.py runs --help` shows the forms.",
            action=arguments.action,
            word=arguments.words[count][:80],
        )


ACTIONS: dict[str, Callable[[RunStore, argparse.Namespace], None]] = {
    "list": _list, "show": _show, "rename": _rename, "note": _note, "tag": _tag, "duplicate": _duplicate,
    "delete": _delete, "restore": _restore, "bin": _bin,
}  # fmt: skip
