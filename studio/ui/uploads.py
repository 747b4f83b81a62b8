"""What the browser sent becomes a file of the workspace, under a name made here. Reads no rows."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from studio.errors import DataError
from studio.runs.store import slug
from studio.settings import Settings

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")


def store_upload(path: Path, settings: Settings) -> Path:
    """Copy an uploaded file into the workspace, under a name made here from its name and content."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError("{file} is not a JSONL, JSON, CSV or Parquet file.", file=path.name)
    with path.open("rb") as file:
        mark = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    settings.prepare_workspace()
    target = settings.uploads_dir / mark / f"{slug(path.stem)}{suffix}"  # a folder for each content: its name stays
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        staged = target.with_suffix(f"{suffix}.part")
        shutil.copyfile(path, staged)
        staged.replace(target)
    return target
