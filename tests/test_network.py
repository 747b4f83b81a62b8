"""No outgoing connection unless the user asks for something from outside: every socket of the main job is watched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

WATCHED = """
import json, sys, time, urllib.request
seen = []
def audit(event, arguments):
    if event == "socket.getaddrinfo":
        seen.append(str(arguments[0]))
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        seen.append(str(arguments[1][0]))
sys.addaudithook(audit)

from studio.cli import QUIET
import os
os.environ.update(QUIET)
from studio.config.files import build
from studio.services import build_services
from studio.settings import read_settings
from studio.ui.app import build_app, launch

services = build_services(read_settings(workspace=sys.argv[1]))
blocks = build_app(services)
url = launch(blocks, services.settings)
assert urllib.request.urlopen(url).status == 200
services.warm().join()
run_id = services.worker.start(build({"training": {"max_steps": 2}}))
assert services.worker.join(200)
assert services.store.open(run_id).status == "finished", services.store.open(run_id).error
from studio.chat.compare import compare
from studio.config import GenerationConfig
hello = [{"role": "user", "content": "Hello"}]
short = GenerationConfig(max_new_tokens=4)
for _ in compare(services.slot, hello, hello, adapter_id=run_id, generation=short):
    pass
blocks.close()
print(json.dumps(sorted(set(seen))))
"""


@pytest.mark.slow
def test_the_main_job_opens_no_connection_to_the_outside(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "CI")}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = set(json.loads(done.stdout.splitlines()[-1]))
    assert "127.0.0.1" in seen, "the watch works: the page itself was asked for"
    assert seen <= {"127.0.0.1", "localhost", "::1", "0.0.0.0", "None", "b'127.0.0.1'"}, seen
