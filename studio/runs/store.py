"""The runs of a workspace, newest first, and what each one's directory says. Knows nothing of training.

Status is derived: the queue, the last event, else whether a living process holds the run's lock. Nothing stores it
twice.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from studio.config import RunConfig
from studio.config.files import build, dump, read_yaml
from studio.config.model import STARTER
from studio.errors import ConfigError, WorkspaceError
from studio.methods import METHODS
from studio.runs.events import EVENTS, TERMINAL, Event, last_events, read_events
from studio.runs.lock import LOCK as LOCK
from studio.runs.lock import held
from studio.runs.queue import RunQueue

Status = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted"]
RUN_YAML, STOP, ADAPTER, MODEL, CHECKPOINTS = "run.yaml", "stop", "adapter", "model", "checkpoints"
UNREAD = "?"  # what a run's file does not tell
GRACE = 20.0  # seconds between making a run's directory and taking its lock
WINDOWS_NAMES = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True)
class RunRecord:
    """One run as its directory tells it at this moment."""

    run_id: str
    path: Path
    name: str
    status: Status
    method: str
    model: str
    created: float
    steps: int = 0
    total_steps: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    has_adapter: bool = False
    problem: ConfigError | None = None  # why its settings cannot be used
    turns: bool = True  # whether its rows were conversations, not plain text

    @property
    def answers(self) -> bool:
        """Whether what was trained answers in words."""
        return self.method not in METHODS or METHODS[self.method].chats

    @property
    def foreign(self) -> WorkspaceError | None:
        """A sentence where the run's settings cannot be used here, as those of a plugin that is gone: what the run left
        is still seen."""
        if self.problem is None:
            return None
        return WorkspaceError(
            "The run {run} cannot be set up again here: {problem} Its curve and settings are still to be seen.",
            run=self.run_id,
            problem=self.problem,
        )

    @property
    def saved(self) -> Path | None:
        """The folder of what was trained: the adapter, or all weights of a full fine-tuning."""
        if self.has_adapter:
            return self.path / ADAPTER
        return self.path / MODEL if (self.path / MODEL / "model.safetensors").is_file() else None

    @property
    def trained(self) -> Path | None:
        """The folder that Chat compares with the base; none where it scores replies and writes none."""
        return self.saved if self.answers else None

    def weights(self) -> Path:
        """The folder to compare with the base, or a sentence where the run has saved nothing.

        An adapter folder without safetensors is handed out too: what loads it says what is wrong with it.
        """
        if not self.answers:
            raise WorkspaceError(
                "The run {run} trained a reward model, which scores replies and writes none. "
                "Choose another run, or have it score some.",
                run=self.run_id,
            )
        if self.trained is None and (self.path / ADAPTER).is_dir():
            return self.path / ADAPTER
        if self.trained is None:
            raise WorkspaceError(
                "The run {run} has nothing to compare: it is {status} and has saved no weights.",
                run=self.run_id,
                status=self.status,
            )
        return self.trained

    def scoring_weights(self) -> Path:
        """The folder of a reward model, or a sentence where the run has none."""
        if self.answers:
            raise WorkspaceError(
                "The run {run} is of method {method}, whose model writes replies and scores none. "
                "Choose a run of method reward.",
                run=self.run_id,
                method=self.method,
            )
        if self.saved is None:
            raise WorkspaceError(
                "The run {run} has no reward model to score with: it is {status} and has saved no weights.",
                run=self.run_id,
                status=self.status,
            )
        return self.saved

    def config(self) -> RunConfig:
        return build(read_yaml(self.path / RUN_YAML), name=str(self.path / RUN_YAML))

    def yaml_text(self) -> str:
        return (self.path / RUN_YAML).read_text(encoding="utf-8")

    def events(self, offset: int = 0) -> tuple[list[Event], int]:
        return read_events(self.path / EVENTS, offset)

    def as_json(self) -> dict[str, Any]:
        """The stable face of `runs --json`."""
        return {
            "run_id": self.run_id,
            "name": self.name,
            "status": self.status,
            "method": self.method,
            "model": self.model,
            "created": self.created,
            "steps": self.steps,
            "total_steps": self.total_steps,
            "metrics": self.metrics,
            "error": self.error,
            "adapter": str(self.path / ADAPTER) if self.has_adapter else None,
            "path": str(self.path),
        }


class RunStore:
    """The folder of runs. Every name that comes from outside is checked before it becomes a path."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir

    def create(self, config: RunConfig) -> Path:
        """A new run directory with its complete run.yaml; it appears whole or not at all."""
        stamp = time.strftime("%Y-%m-%d-%H%M%S")
        base = f"{slug(config.name or config.method.type)}-{stamp}"
        try:
            self.runs_dir.mkdir(parents=True, exist_ok=True)
            staged = Path(tempfile.mkdtemp(prefix=".new-", dir=self.runs_dir))
            staged.chmod(0o755)
            (staged / RUN_YAML).write_text(dump(config), encoding="utf-8", newline="\n")
            (staged / CHECKPOINTS).mkdir()
            return _claim(staged, self.runs_dir, base)
        except OSError as error:
            raise WorkspaceError(
                "Cannot make a run in {path} ({reason}). Choose another workspace with --workspace.",
                path=self.runs_dir,
                reason=error.strerror or error,
            ) from error

    def list(self) -> list[RunRecord]:
        """Every run, newest first. A folder without a readable run.yaml is shown as failed, not hidden."""
        if not self.runs_dir.is_dir():
            return []
        folders = [one for one in self.runs_dir.iterdir() if (one / RUN_YAML).is_file() and one.name[0] != "."]
        return sorted((_read(folder) for folder in folders), key=lambda run: (run.created, run.run_id), reverse=True)

    def open(self, run_id: str) -> RunRecord:
        """One run by its id (never a path)."""
        folder = self.runs_dir / run_id
        plain = re.fullmatch(r"[A-Za-z0-9][\w.\-]*", run_id) and folder.parent == self.runs_dir
        if not plain or not (folder / RUN_YAML).is_file():
            raise WorkspaceError(
                "There is no run {run_id!r} in {path}. `python launch.py runs` lists those there are.",
                run_id=run_id[:80],
                path=self.runs_dir,
            )
        return _read(folder)


def hold(run_dir: Path) -> FileLock:
    """The lock that says 'a living process works on this run'. The system frees it when the process dies.

    One object a run and process, so that it may be taken again by whoever works for its holder.
    """
    return FileLock(run_dir / LOCK, timeout=5, thread_local=False, is_singleton=True)


def slug(name: str) -> str:
    """A folder name that is safe on every system: letters, digits, dashes; 48 characters at most."""
    text = unicodedata.normalize("NFKC", name).strip().lower()
    text = re.sub(r"[^\w]+", "-", text, flags=re.ASCII).strip("-_")[:48].strip("-_")
    return text if text and text not in WINDOWS_NAMES else "run"


def _claim(staged: Path, parent: Path, base: str) -> Path:
    """Rename the staged folder to the first free id; rename onto a folder with files in it fails everywhere."""
    for count in range(1, 1000):
        target = parent / (base if count == 1 else f"{base}-{count}")
        if target.exists():
            continue
        try:
            staged.rename(target)
        except OSError:
            if target.exists():
                continue
            raise
        return target
    shutil.rmtree(staged)
    raise FileExistsError(f"{base} is taken a thousand times")


def _read(folder: Path) -> RunRecord:
    tail = last_events(folder / EVENTS)
    head, _ = read_events(folder / EVENTS, limit=65_536)
    started = next((event for event in head if event["kind"] == "started"), {})
    failed = next((event for event in tail if event["kind"] == "failed"), None)
    status, error = _status(folder, tail), failed.get("message") if failed else None
    name, method, model = folder.name, UNREAD, UNREAD
    problem: ConfigError | None = None
    try:
        data = read_yaml(folder / RUN_YAML)
        name, method, model = _named(data, folder.name)
        build(data, name=RUN_YAML)
    except ConfigError as broken:
        problem, error = broken, error or str(broken)
        status = status if tail else "failed"
    return RunRecord(
        run_id=folder.name,
        path=folder,
        name=name,
        status=status,
        method=method,
        model=model,
        created=(folder / RUN_YAML).stat().st_mtime,
        steps=max((event.get("step") or 0 for event in tail), default=0),
        total_steps=started.get("total_steps"),
        metrics=_metrics(tail),
        error=error,
        problem=problem,
        has_adapter=(folder / ADAPTER / "adapter_model.safetensors").is_file(),
        turns=bool(started.get("turns", True)),
    )


def _named(data: dict[str, Any], folder: str) -> tuple[str, str, str]:
    """Name, method and model of a run's file, whether or not its method is installed."""
    chosen, model = data.get("method") or {}, data.get("model") or {}
    method = chosen if isinstance(chosen, str) else chosen.get("type", "sft") if isinstance(chosen, dict) else UNREAD
    named = model.get("model_name_or_path", STARTER) if isinstance(model, dict) else UNREAD
    return str(data.get("name") or folder), str(method), str(named)


def _status(folder: Path, tail: list[Event]) -> Status:
    if RunQueue(folder.parent).place(folder.name):
        return "running" if held(folder) else "queued"
    last = next((event["kind"] for event in reversed(tail) if event["kind"] != "warning"), None)
    if last in TERMINAL:  # that a webhook was not told is a warning after the end
        return last
    if not (folder / LOCK).exists():
        fresh = time.time() - (folder / RUN_YAML).stat().st_mtime < GRACE
        return "running" if fresh and not tail else "interrupted"
    return "running" if held(folder) else "interrupted"


def is_figure(name: str) -> bool:
    """Whether a logged value says how good the model is: the loss, and what evaluations say but for their pace."""
    if name in ("loss", "mean_token_accuracy"):
        return True
    return name.startswith("eval_") and not name.endswith(("_runtime", "_per_second", "_num_tokens"))


def _metrics(tail: list[Event]) -> dict[str, Any]:
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
