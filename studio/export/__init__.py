"""A run's weights for other programs. A new form is a class here and a line in EXPORTERS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import ConfigError, ModelError, StudioError, WorkspaceError
from studio.export.adapter import AdapterAlone
from studio.export.base import Exporter
from studio.export.merged import MergedModel
from studio.export.staging import staging
from studio.runs.disk import sync_folder, sync_tree
from studio.runs.spare import is_full
from studio.runs.store import RunRecord
from studio.settings import Settings

# The order is that of the page; the first that fits a run is taken where none is named.
EXPORTERS: dict[str, Exporter] = {one.name: one for one in (AdapterAlone(), MergedModel())}

__all__ = ["EXPORTERS", "Exported", "Exporter", "export", "fitting"]


@dataclass(frozen=True)
class Exported:
    """What an export has left, and what was found when it was loaded again."""

    run_id: str
    form: str
    path: Path
    files: tuple[str, ...]
    bytes: int
    proof: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The stable face of `export --json`."""
        told = {"run_id": self.run_id, "as": self.form, "path": str(self.path)}
        return {**told, "files": list(self.files), "bytes": self.bytes, "proof": self.proof}


def fitting(record: RunRecord) -> list[str]:
    """The forms that a run can be had in."""
    return [name for name, one in EXPORTERS.items() if one.refusal(record) is None]


def export(record: RunRecord, name: str, target: Path, settings: Settings) -> Exported:
    """The run in one form, in a folder that appears whole and proven, or not at all."""
    exporter = _checked(record, name, target, settings)
    try:
        with staging(target) as staged:
            exporter.write(record, staged, settings)
            proof = _proven(exporter, record, staged, settings)
            files = sorted(one for one in staged.rglob("*") if one.is_file())
            names = tuple(one.relative_to(staged).as_posix() for one in files)
            size = sum(one.stat().st_size for one in files)
            _put(staged, target)
    except Exception as error:
        raise _told(error, record, name, target) from error
    return Exported(run_id=record.run_id, form=name, path=target, files=names, bytes=size, proof=proof)


def _checked(record: RunRecord, name: str, target: Path, settings: Settings) -> Exporter:
    """The exporter, or a sentence on why it cannot write this run there."""
    if name not in EXPORTERS:
        raise ConfigError(
            "{name} is no form that a run can be exported in; there are: {choices}.",
            name=repr(name[:80]),
            choices=", ".join(EXPORTERS),
        )
    if not settings.allows_local_paths and settings.exports_dir not in target.parents:
        raise WorkspaceError(
            "{path} is a path, and a public Space writes into its workspace alone. Leave --to out.", path=target
        )
    if record.saved is None:
        raise WorkspaceError(
            "The run {run} has nothing to export: it is {status} and has saved no weights.",
            run=record.run_id,
            status=record.status,
        )
    refusal = EXPORTERS[name].refusal(record)
    if refusal is not None:
        raise refusal
    if target.exists() and not (target.is_dir() and next(target.iterdir(), None) is None):
        raise WorkspaceError(
            "{path} is there already. Name a folder that is new or empty with --to, or remove this one.", path=target
        )
    return EXPORTERS[name]


def _proven(exporter: Exporter, record: RunRecord, folder: Path, settings: Settings) -> dict[str, Any]:
    try:
        return exporter.prove(record, folder, settings)
    except Exception as error:
        raise ModelError(
            "What was written of {run} as {name} cannot be used, so nothing of it is kept. {problem}",
            run=record.run_id,
            name=exporter.name,
            problem=error if isinstance(error, StudioError) else f"{type(error).__name__}: {str(error)[:300]}",
        ) from error


def _put(staged: Path, target: Path) -> None:
    """To its place. What came there meanwhile is not touched: then this fails."""
    sync_tree(staged)
    if target.exists():
        target.rmdir()
    staged.rename(target)
    sync_folder(target.parent)


def _told(error: Exception, record: RunRecord, name: str, target: Path) -> StudioError:
    """Whatever went wrong, as a sentence."""
    if is_full(error):
        return WorkspaceError(
            "There is not enough room on the disk to export {run}. Free some space, or name a folder on another disk "
            "with --to.",
            run=record.run_id,
        )
    if isinstance(error, StudioError):
        return error
    if isinstance(error, OSError):
        return WorkspaceError("Cannot write {path}: {reason}.", path=target, reason=error.strerror or error)
    return ModelError(
        "The exporter {name} failed with {run}: {kind}: {text}",
        name=name,
        run=record.run_id,
        kind=type(error).__name__,
        text=str(error)[:300],
    )
