"""What the doctor said of a run's rows when it began, kept in the run's folder. Looks at no row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.runs.disk import write_whole

DATA_REPORT = "data.json"


def keep_data_report(run_dir: Path, told: dict[str, Any]) -> None:
    """`told` is the report as `check --json` has it."""
    write_whole(run_dir / DATA_REPORT, json.dumps(told, ensure_ascii=False, default=str))


def data_report(run_dir: Path) -> dict[str, Any] | None:
    """None where the run has kept none, or what is there is no report."""
    try:
        told = json.loads((run_dir / DATA_REPORT).read_bytes())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None
