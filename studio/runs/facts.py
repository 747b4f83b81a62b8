"""What run.yaml and events.jsonl say of a run, read again only when they change. Knows nothing of a run's status.

Kept in memory, and for the next process in `.index.json` beside the runs. That file may go at any time: nothing is in
it that the runs do not say themselves.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from studio import __version__
from studio.adapters import ADAPTERS
from studio.config.data import STARTER as STARTER_ROWS
from studio.config.files import build, read_yaml
from studio.config.model import STARTER
from studio.errors import ConfigError
from studio.methods import METHODS
from studio.runs.disk import write_whole
from studio.runs.events import EVENTS, TERMINAL, Event, first_event, last_event, last_events
from studio.runs.summary import SUMMARY, load

RUN_YAML, INDEX = "run.yaml", ".index.json"
NOTES = 1200  # of a summary that are looked through
UNREAD = "?"  # what a run's file does not tell
ASIDE = frozenset({"warning"})  # may come after the end, as that a webhook was not told
Signature = tuple[int, ...]


@dataclass(frozen=True)
class Facts:
    """A run's settings and log in short. `last` is the kind of its last event, None before the first."""

    name: str
    method: str
    model: str
    data: str
    steps: int = 0
    total_steps: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    last: str | None = None
    error: str | None = None
    turns: bool = True
    problem: ConfigError | None = None  # why its settings cannot be used


class Index:
    """The facts of the runs of one folder."""

    def __init__(self, runs_dir: Path) -> None:
        self._path = runs_dir / INDEX
        self._read: dict[str, tuple[Signature, Facts]] = {}
        self._kept: dict[str, tuple[Signature, Facts]] | None = None
        self._by = _maker()

    def facts(self, folder: Path, signature: Signature, *, kept: bool = False) -> Facts:
        """What a run's files say; with `kept`, as another process of the same version has read them."""
        if self._by != _maker():  # a plugin came or went: what could be used may not be any more
            self._by = _maker()
            self._read.clear()
            self._kept = None
        known = self._read.get(folder.name)
        if kept and (known is None or known[0] != signature):
            known = self._others().get(folder.name)
        if known is None or known[0] != signature:
            known = self._read[folder.name] = (signature, read_facts(folder))
        return known[1]

    def keep(self, names: Sequence[str]) -> None:
        """Write down what this process has read of runs that have ended; only where that is news."""
        others, mine = self._others(), {name: self._read[name] for name in names if name in self._read}
        ended = {name: one for name, one in mine.items() if one[1].last in TERMINAL and one[1].problem is None}
        if all(others.get(name) == one for name, one in ended.items()):
            return
        self._kept = {name: one for name in names if (one := ended.get(name) or others.get(name))}
        runs = {name: [signature, _plain(facts)] for name, (signature, facts) in self._kept.items()}
        with contextlib.suppress(OSError):  # a workspace that cannot be written is only read more slowly
            write_whole(self._path, json.dumps({"by": _maker(), "runs": runs}, ensure_ascii=False))

    def _others(self) -> dict[str, tuple[Signature, Facts]]:
        if self._kept is None:
            self._kept = _load(self._path)
        return self._kept


def signature_of(folder: Path) -> Signature:
    """Changes when run.yaml or the log does. FileNotFoundError where there is no run.yaml."""
    settings = (folder / RUN_YAML).stat()
    try:
        log = (folder / EVENTS).stat()
    except FileNotFoundError:
        return settings.st_mtime_ns, settings.st_size, 0, 0
    return settings.st_mtime_ns, settings.st_size, log.st_mtime_ns, log.st_size


def read_facts(folder: Path) -> Facts:
    """Read both files; a run.yaml that cannot be used is told in `problem`, never raised."""
    tail = _in_force(last_events(folder / EVENTS))
    started = first_event(folder / EVENTS, "started") or {"kind": "started"}
    resumed = _last_resumed(folder)
    totals = [event["total_steps"] for event in (started, resumed, *tail) if event.get("total_steps") is not None]
    failed = next((event for event in tail if event["kind"] == "failed"), None)
    told, problem = {"name": folder.name, "method": UNREAD, "model": UNREAD, "data": UNREAD}, None
    try:
        data = read_yaml(folder / RUN_YAML)
        told = _named(data, folder.name)
        build(data, name=RUN_YAML)
    except ConfigError as broken:
        problem = broken
    return Facts(
        **told,
        steps=max((event.get("step") or 0 for event in tail), default=0),
        total_steps=totals[-1] if totals else None,
        metrics=_metrics(tail),
        last=next((event["kind"] for event in reversed(tail) if event["kind"] not in ASIDE), None),
        error=failed.get("message") if failed else None,
        turns=bool(started.get("turns", True)),
        problem=problem,
    )


def is_figure(name: str) -> bool:
    """Whether a logged value says how good the model is: the loss, and what evaluations say but for their pace."""
    if name in ("loss", "mean_token_accuracy"):
        return True
    return name.startswith("eval_") and not name.endswith(("_runtime", "_per_second", "_num_tokens"))


def _last_resumed(folder: Path) -> Event:
    """How the run went on, if it did: it may have more steps since. What is far back, a summary tells."""
    found = last_event(folder / EVENTS, "resumed")
    if found is None and (folder / SUMMARY).exists():
        found = next((note for note in reversed(load(folder).notes(NOTES)) if note["kind"] == "resumed"), None)
    return found or {"kind": "resumed"}


def _in_force(events: Sequence[Event]) -> list[Event]:
    """Without what a run that went on from an earlier step has made void: later steps, and its end."""
    kept: list[Event] = []
    for event in events:
        if event["kind"] == "resumed":
            step = event.get("step") or 0
            kept = [one for one in kept if one["kind"] not in TERMINAL and (one.get("step") or 0) <= step]
        kept.append(event)
    return kept


def _named(data: dict[str, Any], folder: str) -> dict[str, str]:
    """Name, method, model and data of a run's file, whether or not its method is installed."""
    chosen = data.get("method") or {}
    method = chosen if isinstance(chosen, str) else chosen.get("type", "sft") if isinstance(chosen, dict) else UNREAD
    return {
        "name": str(data.get("name") or folder),
        "method": str(method),
        "model": _of(data, "model", "model_name_or_path", STARTER),
        "data": _of(data, "data", "source", STARTER_ROWS),
    }


def _of(data: dict[str, Any], section: str, name: str, default: str) -> str:
    given = data.get(section) or {}
    return str(given.get(name, default)) if isinstance(given, dict) else UNREAD


def _metrics(tail: Sequence[Event]) -> dict[str, Any]:
    """The last training and evaluation figures, and those of the end over them."""
    metrics: dict[str, Any] = {}
    for event in tail:
        if event["kind"] == "log":
            metrics.update({name: event[name] for name in ("loss", "mean_token_accuracy") if name in event})
        elif event["kind"] == "evaluated":
            metrics.update({name: value for name, value in event.items() if is_figure(name)})
        elif event["kind"] in TERMINAL:
            metrics.update(event.get("metrics") or {})
    return metrics


def _maker() -> list[Any]:
    """Who can have read the same in the same files: this version, with these methods and kinds of adapter."""
    return [__version__, [one.name for one in fields(Facts)], sorted(METHODS), sorted(ADAPTERS)]


def _plain(facts: Facts) -> dict[str, Any]:
    return {name: value for name, value in asdict(facts).items() if name != "problem"}


def _load(path: Path) -> dict[str, tuple[Signature, Facts]]:
    """What the file holds; nothing where it is missing, damaged or of another version."""
    try:
        data = json.loads(path.read_bytes())
        if data["by"] != _maker():
            return {}
        return {name: (tuple(signature), Facts(**facts)) for name, (signature, facts) in data["runs"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
