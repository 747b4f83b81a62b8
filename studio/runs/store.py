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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from studio.config import RunConfig
from studio.config.files import build, dump, read_yaml
from studio.errors import ConfigError, WorkspaceError
from studio.methods import METHODS
from studio.runs.events import EVENTS, TERMINAL, Event, read_events
from studio.runs.facts import RUN_YAML as RUN_YAML
from studio.runs.facts import UNREAD as UNREAD
from studio.runs.facts import Facts, Index, signature_of
from studio.runs.facts import is_figure as is_figure
from studio.runs.labels import read_labels
from studio.runs.lock import LOCK as LOCK
from studio.runs.lock import held
from studio.runs.lock import hold as hold
from studio.runs.queue import RunQueue
from studio.runs.usage import Usage

Status = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted"]
STOP, ADAPTER, MODEL, CHECKPOINTS = "stop", "adapter", "model", "checkpoints"
ID = re.compile(r"[A-Za-z0-9][\w.\-]*")  # of a run
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
    data: str = UNREAD  # the source of its rows
    notes: str = ""
    tags: tuple[str, ...] = ()
    bytes: int | None = None  # of its folder, once that was measured

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
        """The file as it is; what is no text in it is shown as such."""
        try:
            return (self.path / RUN_YAML).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ConfigError(
                "Cannot read {file}: {reason}.", file=self.path / RUN_YAML, reason=error.strerror or error
            ) from error

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
            "data": self.data,
            "notes": self.notes,
            "tags": list(self.tags),
            "bytes": self.bytes,
        }


class RunStore:
    """The folder of runs. Every name that comes from outside is checked before it becomes a path."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.usage = Usage()
        self._index = Index(runs_dir)

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
        try:
            folders = [one for one in self.runs_dir.iterdir() if ID.fullmatch(one.name)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        waiting = self._waiting()
        read = (self._read(one, waiting, kept=True) for one in folders)
        found = [run for run in read if run is not None]
        self._index.keep([run.run_id for run in found])
        return sorted(found, key=lambda run: (run.created, run.run_id), reverse=True)

    def open(self, run_id: str) -> RunRecord:
        """One run by its id (never a path)."""
        folder = self.runs_dir / run_id
        plain = ID.fullmatch(run_id) and folder.parent == self.runs_dir
        record = self._read(folder, self._waiting()) if plain else None
        if record is None:
            raise WorkspaceError(
                "There is no run {run_id!r} in {path}. `python launch.py runs` lists those there are.",
                run_id=run_id[:80],
                path=self.runs_dir,
            )
        return record

    def measured(self, record: RunRecord) -> RunRecord:
        """The record with the size that its folder has now."""
        return replace(record, bytes=self.usage.measure(record.path))

    def _waiting(self) -> set[str]:
        return {entry.run_id for entry in RunQueue(self.runs_dir).entries()}

    def _read(self, folder: Path, waiting: set[str], *, kept: bool = False) -> RunRecord | None:
        """A run's folder; None where it is none. What another process has read of it will do if `kept`."""
        try:
            signature = signature_of(folder)
        except OSError:
            return None
        facts = self._index.facts(folder, signature, kept=kept)
        status: Status | None = None
        if folder.name in waiting:
            status = "running" if held(folder) else "queued"
        return record_of(folder, facts, status=status, created=signature[0] / 1e9, size=self.usage.known(folder))


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


def record_of(
    folder: Path, facts: Facts, *, created: float, status: Status | None = None, size: int | None = None
) -> RunRecord:
    """A run's record: what its files say, what people wrote on it, and whether it lives."""
    labels = read_labels(folder)
    if status is None:
        unusable = facts.problem is not None and facts.last is None
        status = "failed" if unusable else _status(folder, facts.last)
    return RunRecord(
        run_id=folder.name,
        path=folder,
        name=labels.name or facts.name,
        status=status,
        method=facts.method,
        model=facts.model,
        created=created,
        steps=facts.steps,
        total_steps=facts.total_steps,
        metrics=facts.metrics,
        error=facts.error or (str(facts.problem) if facts.problem else None),
        has_adapter=(folder / ADAPTER / "adapter_model.safetensors").is_file(),
        problem=facts.problem,
        turns=facts.turns,
        data=facts.data,
        notes=labels.notes,
        tags=labels.tags,
        bytes=size,
    )


def _status(folder: Path, last: str | None) -> Status:
    if last in TERMINAL:
        return cast(Status, last)
    if not (folder / LOCK).exists():
        fresh = abs(time.time() - (folder / RUN_YAML).stat().st_mtime) < GRACE  # also where the clock was set back
        return "running" if fresh and last is None else "interrupted"
    return "running" if held(folder) else "interrupted"
