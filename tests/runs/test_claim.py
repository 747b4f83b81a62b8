"""One server a workspace: the second is refused with the first one's address; what a dead one left does not matter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from studio.errors import WorkspaceError
from studio.runs.claim import WHERE, claim, server_of
from studio.runs.living import LivingRuns

ROOT = Path(__file__).resolve().parents[2]
SERVE = (
    "import sys; from pathlib import Path; from studio.runs.claim import claim\n"
    "with claim(Path(sys.argv[1])) as claimed:\n"
    "    claimed.at('http://127.0.0.1:7999/'); print('up', flush=True); sys.stdin.read()"
)


def server(workspace: Path) -> subprocess.Popen[str]:
    made = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(workspace)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert made.stdout is not None and made.stdout.readline().strip() == "up"
    return made


def test_the_second_server_is_told_where_the_first_is(tmp_path: Path) -> None:
    first = server(tmp_path)
    with pytest.raises(WorkspaceError) as refused, claim(tmp_path):
        pass
    assert "http://127.0.0.1:7999/" in str(refused.value) and f"process {first.pid}" in str(refused.value)
    assert "--workspace" in str(refused.value)
    assert server_of(tmp_path)["url"] == "http://127.0.0.1:7999/", "the refused one changes nothing"
    with claim(tmp_path.parent) as other:
        assert other.workspace == tmp_path.parent  # another workspace is free
    first.kill()
    first.wait()
    assert server_of(tmp_path)["url"], "what a dead server wrote is still there, and does not matter"
    with claim(tmp_path) as second:
        assert server_of(tmp_path)["url"] is None
        second.at("http://127.0.0.1:8001/")
        with pytest.raises(WorkspaceError, match="8001"), claim(tmp_path):
            pass
    assert not (tmp_path / WHERE).exists()


def test_one_that_is_just_starting_has_no_address(tmp_path: Path) -> None:
    with claim(tmp_path):
        for text in (None, "{", "[]", json.dumps({"pid": 4})):
            if text is not None:
                (tmp_path / WHERE).write_text(text)
            with pytest.raises(WorkspaceError, match="just being started"), claim(tmp_path):
                pass


def test_no_folder_of_runs_is_no_living_run(tmp_path: Path) -> None:
    assert LivingRuns(tmp_path / "runs").ids() == ()
