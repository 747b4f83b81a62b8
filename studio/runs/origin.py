"""Where a run comes from, if it is no beginning of its own: `origin.json` of its directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

ORIGIN = "origin.json"
LARGEST = 1_000_000  # bytes; such a file has a few hundred
KINDS = ("branch", "duplicate", "sweep")


@dataclass(frozen=True)
class Origin:
    """`kind` of descent; `run_id` is the parent's, `step` that of its checkpoint; `name` is a sweep's."""

    kind: str
    run_id: str | None = None
    step: int | None = None
    name: str | None = None


def read_origin(run_dir: Path) -> Origin | None:
    """None for a run of its own, and where somebody has changed the file."""
    path = run_dir / ORIGIN
    try:
        if path.stat().st_size > LARGEST:
            return None
        told = json.loads(path.read_text(encoding="utf-8"))
        kind, parent, step, name = (told.get(key) for key in ("kind", "run_id", "step", "name"))
    except (OSError, ValueError, AttributeError):
        return None
    if kind not in KINDS:
        return None
    return Origin(
        kind=kind,
        run_id=parent if isinstance(parent, str) else None,
        step=step if type(step) is int else None,
        name=name if isinstance(name, str) else None,
    )
