"""What the verbs share: exit codes, and the settings their flags choose."""

from __future__ import annotations

import argparse

from studio.settings import Settings, read_settings

INTERRUPTED = 130


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Mode, workspace and network as environment and flags say."""
    return read_settings(
        workspace=arguments.workspace,
        host=getattr(arguments, "host", None),
        port=getattr(arguments, "port", None),
        share=getattr(arguments, "share", False),
        trust_remote_code=getattr(arguments, "trust_remote_code", False),
    )
