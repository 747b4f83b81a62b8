"""The checkpoints of a run on disk: whole or not there at all. Knows nothing of what is in their files.

A folder `checkpoints/checkpoint-N` counts only with its `manifest.json`, which is written last and names every other
file with size and SHA-256. Files that it does not name make a folder foreign, and nothing in it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.errors import WorkspaceError
from studio.runs.disk import put_folder, remove_folder, settle, sync_tree, write_whole
from studio.runs.store import ADAPTER, CHECKPOINTS, MODEL

MANIFEST = "manifest.json"
FORMAT = 1
NAME = re.compile(r"checkpoint-(\d+)")
STAGED = ".staged-"
OPTIMIZER = "optimizer"  # beginning of the names of files that a run can go on without


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint: every file there in its size. `facts` are what the writer told of it."""

    path: Path
    step: int
    time: float
    bytes: int
    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its place below the run's directory."""
        return f"{CHECKPOINTS}/{self.path.name}"

    def as_json(self) -> dict[str, Any]:
        return {"step": self.step, "time": self.time, "bytes": self.bytes, "path": str(self.path)}


def whole(run_dir: Path, *, without: Collection[str] = ()) -> list[Checkpoint]:
    """The checkpoints a run can go on from (`without` some of their files, see `read`), oldest step first."""
    found = []
    for folder in _folders(run_dir):
        try:
            found.append(read(folder, without=without))
        except WorkspaceError:
            continue
    return sorted(found, key=lambda one: one.step)


def broken(run_dir: Path) -> dict[str, WorkspaceError]:
    """Folders with a checkpoint's name that cannot be used, each with the reason."""
    found = {}
    for folder in _folders(run_dir):
        try:
            read(folder)
        except WorkspaceError as error:
            found[folder.name] = error
    return found


def latest(run_dir: Path, *, step: int | None = None, without: Collection[str] = ()) -> Checkpoint:
    """The whole checkpoint of a step, or the last one; a sentence where there is none."""
    there = whole(run_dir, without=without)
    if step is None and there:
        return there[-1]
    for one in there:
        if one.step == step:
            return one
    problems = broken(run_dir)
    for name, problem in problems.items():
        if not there or name == f"checkpoint-{step}":
            raise problem
    if not there:
        raise WorkspaceError(
            "The run {run} has no checkpoint to go on from. Start it again; training.save_strategy says when "
            "checkpoints are written.",
            run=run_dir.name,
        )
    raise WorkspaceError(
        "The run {run} has no checkpoint of step {step}; there are those of steps {steps}.",
        run=run_dir.name,
        step=step,
        steps=", ".join(str(one.step) for one in there),
    )


def read(folder: Path, *, without: Collection[str] = ()) -> Checkpoint:
    """A checkpoint by its folder, checked for completeness (not yet for its content: `verify`).

    Files whose names begin with a word of `without` and a dot may be missing or damaged: nobody will read them.
    """
    try:
        data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {str(name): dict(one) for name, one in data["files"].items()}
        step, told, form = int(data["step"]), float(data["time"]), int(data["format"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkspaceError(
            "The checkpoint {folder} is not complete: it has no readable manifest.json, which is written last. "
            "Go on from another one.",
            folder=folder,
        ) from error
    if form != FORMAT:
        raise WorkspaceError(
            "The checkpoint {folder} was written by another version of Tunefork. Go on with that one.", folder=folder
        )
    there = dict(_content(folder))
    there.pop(MANIFEST, None)
    for name in there:
        if name not in files:
            raise WorkspaceError(
                "The checkpoint {folder} holds {file}, which Tunefork did not write; nothing of it is read. "
                "Go on from another one.",
                folder=folder,
                file=name,
            )
    for name, one in files.items():
        path = there.get(name)
        if name.partition(".")[0] in without:
            continue
        if path is None or path.is_symlink() or path.stat(follow_symlinks=False).st_size != one.get("bytes"):
            what = "missing" if path is None else "not as long as it was written"
            raise damaged(folder, name, what)
    size = sum(int(one["bytes"]) for one in files.values())
    return Checkpoint(path=folder, step=step, time=told, bytes=size, facts=dict(data.get("facts") or {}), files=files)


def verify(checkpoint: Checkpoint, *, without: Collection[str] = ()) -> None:
    """Every file's content against its hash; a sentence that names the first that is another."""
    for name, one in checkpoint.files.items():
        if name.partition(".")[0] not in without and _sha256(checkpoint.path / name) != one.get("sha256"):
            raise damaged(checkpoint.path, name, "not what was written")


def damaged(folder: Path, name: str, what: str) -> WorkspaceError:
    """The sentence for a file that is not as the manifest has it."""
    if name.partition(".")[0] == OPTIMIZER:
        return WorkspaceError(
            "The checkpoint {folder} is damaged: {file} is {what}. Go on from another one, or with a fresh optimizer: "
            "`--despite optimizer`.",
            folder=folder,
            file=name,
            what=what,
        )
    return WorkspaceError(
        "The checkpoint {folder} is damaged: {file} is {what}. Go on from another one.",
        folder=folder,
        file=name,
        what=what,
    )


def write(run_dir: Path, step: int, fill: Callable[[Path], None], *, facts: dict[str, Any]) -> Checkpoint:
    """A new checkpoint, filled by `fill`; one of the same step is replaced. A failure leaves those before untouched."""
    parent = run_dir / CHECKPOINTS
    parent.mkdir(exist_ok=True)
    staged, target = parent / f"{STAGED}{step}-{os.getpid()}", parent / f"checkpoint-{step}"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    try:
        fill(staged)
        sync_tree(staged)
        files = {
            str(one.relative_to(staged).as_posix()): {"bytes": one.stat().st_size, "sha256": _sha256(one)}
            for one in sorted(staged.rglob("*"))
            if one.is_file()
        }
        manifest = {"format": FORMAT, "step": step, "time": round(time.time(), 3), "facts": facts, "files": files}
        write_whole(staged / MANIFEST, json.dumps(manifest, indent=1) + "\n")
        put_folder(staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return read(target)


def rotate(run_dir: Path, *, keep: int | None, also: Collection[int] = ()) -> list[int]:
    """Delete the oldest of our checkpoints, by step, until `keep` are left; those in `also` stay. The steps deleted."""
    if keep is None:
        return []
    found = whole(run_dir)
    there = [one for one in found if one.step not in also]
    stay = len(found) - len(there)
    room = max(keep - stay, 0 if stay else 1)
    gone = there[: max(len(there) - room, 0)]
    for one in gone:
        remove_folder(one.path)
    return [one.step for one in gone]


def drop_after(run_dir: Path, step: int) -> list[int]:
    """Delete the checkpoints behind a step that a run goes on from: they belong to steps that are trained anew."""
    gone = [one for one in whole(run_dir) if one.step > step]
    for one in gone:
        remove_folder(one.path)
    return [one.step for one in gone]


def link(checkpoint: Checkpoint, run_dir: Path, *, without: Collection[str] = ()) -> Checkpoint:
    """The same checkpoint in another run's directory: one content on the disk, where the file system can. `verify` it
    first: its new manifest is of what is there. What `without` names is left behind."""

    def fill(folder: Path) -> None:
        for name in checkpoint.files:
            if name.partition(".")[0] in without:
                continue
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(checkpoint.path / name, place)
            except OSError:
                shutil.copy2(checkpoint.path / name, place)

    return write(run_dir, checkpoint.step, fill, facts=checkpoint.facts)


def tidy(run_dir: Path) -> None:
    """After a crash: what was half written or half deleted goes, what was half replaced is put back, of checkpoints and
    of what the run saved at its end. For whoever holds the run: a process that writes just now would lose its work."""
    for name in (ADAPTER, MODEL):
        settle(run_dir / name)
        shutil.rmtree(run_dir / f".{name}-new", ignore_errors=True)
    parent = run_dir / CHECKPOINTS
    if not parent.is_dir():
        return
    for one in list(parent.iterdir()):
        if one.name.startswith((STAGED, ".gone-")):
            shutil.rmtree(one, ignore_errors=True)
        elif one.name.startswith(".checkpoint-") and one.name.endswith("-old"):
            settle(parent / one.name[1 : -len("-old")])


def _folders(run_dir: Path) -> list[Path]:
    try:
        return [one for one in (run_dir / CHECKPOINTS).iterdir() if NAME.fullmatch(one.name) and one.is_dir()]
    except OSError:
        return []


def _content(folder: Path | str, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Whatever is no folder below a folder, by its name from there on. Links are not followed."""
    with os.scandir(folder) as found:
        for one in found:
            if one.is_dir(follow_symlinks=False):
                yield from _content(one.path, f"{prefix}{one.name}/")
            else:
                yield f"{prefix}{one.name}", one


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
