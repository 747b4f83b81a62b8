"""One server a workspace: a lock that the system frees when the server dies, and beside it where the server is.

Verbs of the command line need no claim; two pages over one queue would both begin what waits in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from studio.errors import WorkspaceError
from studio.runs.disk import write_whole

LOCK, WHERE = ".server.lock", ".server.json"


@dataclass(frozen=True)
class Claim:
    """A workspace that this process serves."""

    workspace: Path

    def at(self, url: str) -> None:
        """Write down where the server is, for whoever comes second."""
        _write(self.workspace, url=url)


@contextlib.contextmanager
def claim(workspace: Path) -> Iterator[Claim]:
    """Keep the workspace to oneself, or a sentence that names the server which has it."""
    lock = FileLock(workspace / LOCK, timeout=0.2, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise refusal(workspace) from None
    try:
        _write(workspace, url=None)
        yield Claim(workspace)
    finally:
        with contextlib.suppress(OSError):
            (workspace / WHERE).unlink()
        lock.release()


def refusal(workspace: Path) -> WorkspaceError:
    """The sentence for a second server. What a dead server left written is never read: its lock is free."""
    found = server_of(workspace)
    if found.get("url"):
        return WorkspaceError(
            "Tunefork already serves the workspace {path} at {url} (process {pid} on {host}). Open that page, stop "
            "that server, or choose another workspace with --workspace.",
            path=workspace,
            url=found["url"],
            pid=found.get("pid", "?"),
            host=found.get("host", "?"),
        )
    return WorkspaceError(
        "Tunefork is just being started in the workspace {path} (process {pid} on {host}). Wait for its page, or "
        "choose another workspace with --workspace.",
        path=workspace,
        pid=found.get("pid", "?"),
        host=found.get("host", "?"),
    )


def server_of(workspace: Path) -> dict[str, Any]:
    """What the server wrote down of itself; empty where it has not yet."""
    try:
        found = json.loads((workspace / WHERE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(workspace: Path, *, url: str | None) -> None:
    where = {"pid": os.getpid(), "host": socket.gethostname(), "url": url, "time": round(time.time(), 3)}
    try:
        write_whole(workspace / WHERE, json.dumps(where) + "\n")
    except OSError as error:
        raise WorkspaceError(
            "The workspace {path} cannot be written ({reason}). Choose another with --workspace.",
            path=workspace,
            reason=error.strerror or error,
        ) from error
