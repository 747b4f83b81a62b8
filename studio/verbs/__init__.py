"""The verbs of the command line, a file each: its help (`HELP`), its flags (`add`) and what it does (`run`)."""

from __future__ import annotations

from types import ModuleType

from studio.verbs import chat, check, diff, export, metrics, preview, report, runs, score, sweep, train, ui

VERBS: dict[str, ModuleType] = {
    "ui": ui,
    "train": train,
    "sweep": sweep,
    "check": check,
    "preview": preview,
    "chat": chat,
    "score": score,
    "export": export,
    "runs": runs,
    "metrics": metrics,
    "diff": diff,
    "report": report,
}
