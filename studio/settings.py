"""Where and how this process runs: mode, workspace, host. The environment is read here, once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from studio.errors import ConfigError, WorkspaceError

Mode = Literal["local", "shared", "space"]

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Settings:
    """Built once at start and passed down.

    `local` is one trusted user on this machine; `shared` is a network address or a share link;
    `space` is a public Hugging Face Space, where local paths are refused.
    """

    mode: Mode
    workspace: Path
    cache: Path
    host: str = "127.0.0.1"
    port: int | None = None
    trust_remote_code: bool = False
    webhook: str | None = field(default=None, repr=False)  # a secret: who knows it can write there

    @property
    def runs_dir(self) -> Path:
        return self.workspace / "runs"

    @property
    def uploads_dir(self) -> Path:
        return self.workspace / "uploads"

    @property
    def scans_dir(self) -> Path:
        return self.workspace / "scans"

    @property
    def exports_dir(self) -> Path:
        return self.workspace / "exports"

    @property
    def allows_local_paths(self) -> bool:
        return self.mode != "space"

    def prepare_workspace(self) -> None:
        """Make the workspace's folders, or say that it cannot be written."""
        try:
            for folder in (self.runs_dir, self.uploads_dir):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.workspace / f".writable-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise WorkspaceError(
                "The workspace {path} cannot be written ({reason}). Choose another with --workspace.",
                path=self.workspace,
                reason=error.strerror or error,
            ) from error


def read_settings(
    *,
    workspace: str | Path | None = None,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    trust_remote_code: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from the command line's values, else the environment's, else the defaults."""
    space = bool(environ.get("SPACE_ID"))
    chosen = workspace or environ.get("TUNEFORK_WORKSPACE") or Path.home() / "tunefork"
    cache = environ.get("TUNEFORK_CACHE") or Path.home() / ".cache" / "tunefork"
    host = host or environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if space else "127.0.0.1")  # noqa: S104
    if port is None and environ.get("GRADIO_SERVER_PORT"):
        port = _port(environ["GRADIO_SERVER_PORT"])
    mode: Mode = "space" if space else "shared" if share or host not in LOOPBACK else "local"
    return Settings(
        mode=mode,
        workspace=Path(chosen).expanduser().resolve(),
        cache=Path(cache).expanduser().resolve(),
        host=host,
        port=port,
        trust_remote_code=trust_remote_code and not space,
        webhook=None if space else _webhook(environ.get("TUNEFORK_WEBHOOK", "").strip()),
    )


def _port(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError("GRADIO_SERVER_PORT is {value!r}; it must be a number.", value=text) from error


def _webhook(address: str) -> str | None:
    """Where the end of a run is told. The sentence does not repeat it."""
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if address and not whole:
        raise ConfigError("TUNEFORK_WEBHOOK must be an address that begins with https:// or http://.")
    return address or None
