"""A user at the command line, for the tests of faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main


class Told:
    """What the command line said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err.strip()
        self.face: Any = json.loads(out) if out.strip() else None

    @property
    def sentence(self) -> str:
        return self.err.splitlines()[-1]


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """`say("check", path, "--max_length", 64)`; `--json` and a workspace of its own are added."""

    def run(verb: str, path: Path, *more: object) -> Told:
        workspace = tmp_path / "workspace"
        code = main([verb, "--source", str(path), "--workspace", str(workspace), *map(str, more), "--json"])
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return Told(code, out.out, out.err)

    return run
