"""Case 2: killed in mid-step, a run is "interrupted" and never "running"; and a killed server's queue goes on.

Real processes, killed with SIGKILL.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.config.files import build
from studio.runs import RunStore
from studio.runs.living import LivingRuns
from studio.runs.queue import RunQueue, Waiting
from studio.ui.live import LiveRuns

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")]


def settled(condition: Callable[[], bool], seconds: float = 120) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def steps_of(store: RunStore, run_id: str) -> int:
    return store.open(run_id).steps


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`launch("train", ...)`: the program itself, on a workspace of the test's; what it says lies in NUMBER.log."""
    begun: list[subprocess.Popen[bytes]] = []

    def run(verb: str, *more: object) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"{len(begun)}.log").open("wb")
        command = [sys.executable, "launch.py", verb, "--workspace", str(tmp_path / "ws"), *map(str, more)]
        begun.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT))
        log.close()
        return begun[-1]

    yield run
    for one in begun:
        if one.poll() is None:
            one.kill()
            one.wait()


def killed(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def training(store: RunStore, process: subprocess.Popen[bytes], log: Path) -> str:
    """The id of the run once it is in its steps."""
    assert settled(lambda: process.poll() is not None or any(run.steps >= 3 for run in store.list())), log.read_text()
    assert process.poll() is None, log.read_text()
    return next(run.run_id for run in store.list() if run.steps >= 3)


def test_a_run_killed_in_mid_step_is_interrupted_everywhere(launch: Any, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "ws" / "runs")
    process = launch("train", "--max_steps", 5000, "--eval_strategy", "no")
    run_id = training(store, process, tmp_path / "0.log")
    pages = LiveRuns(store, lambda: None)
    seen = pages.poll({"run": run_id})
    assert seen["status"] == store.open(run_id).status == "running", "a run of another process is shown live"
    assert LivingRuns(store.runs_dir).ids() == (run_id,)
    killed(process)
    assert store.open(run_id).status == "interrupted"
    assert LivingRuns(store.runs_dir).ids() == ()
    told = pages.poll({"run": run_id, "id": run_id, "offset": seen["offset"], "status": "running"})
    assert told["status"] == "interrupted", "a page that was open hears it too"
    listed = subprocess.run(
        [sys.executable, "launch.py", "runs", "--workspace", str(tmp_path / "ws"), "--json"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    face = json.loads(listed.stdout)
    rows = face if isinstance(face, list) else face["runs"]
    assert [(row["run_id"], row["status"]) for row in rows] == [(run_id, "interrupted")]


def test_the_queue_of_a_killed_server_goes_on_after_its_restart(launch: Any, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "ws" / "runs")
    queue = RunQueue(store.runs_dir)
    long, second, third = (
        store.create(build({"name": name, "training": {"max_steps": steps, "eval_strategy": "no"}})).name
        for name, steps in (("long", 5000), ("second", 2), ("third", 2))
    )
    for one in (long, third, second):
        queue.add(Waiting(one))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = launch("ui", "--no-browser", "--port", port)
    assert training(store, server, tmp_path / "0.log") == long
    assert [store.open(one).status for one in (third, second)] == ["queued", "queued"]

    refused = launch("ui", "--no-browser")
    assert refused.wait(60) == 2
    assert f"http://127.0.0.1:{port}" in (tmp_path / "1.log").read_text()

    beside = launch("train", "--max_steps", 1, "--eval_strategy", "no", "--json")
    assert beside.wait(120) == 0, "the command line works beside a server"
    assert store.open(long).status == "running"

    killed(server)
    assert [store.open(one).status for one in (long, third, second)] == ["interrupted", "queued", "queued"]
    again = launch("ui", "--no-browser", "--port", port)
    assert settled(lambda: store.open(second).status == "finished"), (tmp_path / "3.log").read_text()
    assert again.poll() is None
    assert [store.open(one).status for one in (long, third, second)] == ["interrupted", "finished", "finished"]
    assert queue.entries() == ()
    began = [store.open(one).events()[0][0]["time"] for one in (third, second)]
    assert began == sorted(began), "in the order of the queue"
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0
