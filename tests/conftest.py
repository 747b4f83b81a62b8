"""What every test shares: a workspace of its own, and the starter model trained once for a session."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from studio.cli import QUIET  # noqa: E402

for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)

from studio.settings import Settings  # noqa: E402


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Local mode, in a fresh workspace; the cache of fetched models is the user's own."""
    cache = Path(os.environ.get("TUNEFORK_CACHE") or Path.home() / ".cache" / "tunefork")
    made = Settings(mode="local", workspace=tmp_path / "workspace", cache=cache)
    made.prepare_workspace()
    return made
