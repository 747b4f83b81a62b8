"""How a run, in whatever process, is asked to end before its time: a file with one word. Knows nothing of training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from studio.runs.disk import write_whole
from studio.runs.store import STOP

StopKind = Literal["keep", "pause", "abandon"]


def ask_to_stop(run_dir: Path, kind: StopKind = "keep") -> None:
    """`keep` what was learned, `pause` to go on later, or `abandon` it. The run sees it within a layer's time."""
    write_whole(run_dir / STOP, kind)


def asked_to_stop(run_dir: Path) -> StopKind | None:
    """The word in the file; a file without one we know means `keep`."""
    try:
        word = (run_dir / STOP).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return next((kind for kind in get_args(StopKind) if kind == word), "keep")


def forget_stop(run_dir: Path) -> None:
    """Before a run goes on: the wish that ended it is done."""
    (run_dir / STOP).unlink(missing_ok=True)
