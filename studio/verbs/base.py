"""What the verbs share: exit codes, and the settings their flags choose."""

from __future__ import annotations

import argparse

from studio.errors import WorkspaceError
from studio.settings import Settings, read_settings

INTERRUPTED = 130


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Mode, workspace and network as environment and flags say."""
    settings = read_settings(
        workspace=arguments.workspace,
        host=getattr(arguments, "host", None),
        port=getattr(arguments, "port", None),
        share=getattr(arguments, "share", False),
        trust_remote_code=getattr(arguments, "trust_remote_code", False),
    )
    if settings.workspace.exists() and not settings.workspace.is_dir():
        raise WorkspaceError(
            "The workspace {path} is no folder. Choose another with --workspace.", path=settings.workspace
        )
    return settings
