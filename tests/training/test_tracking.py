"""Trackers and the webhook: what they are given is what the log says, and nothing of theirs ends a run."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.errors import ConfigError, StudioError
from studio.model.slot import ModelSlot
from studio.runs.events import events_of
from studio.runs.store import RunRecord, RunStore
from studio.settings import ROOT, Settings, read_settings
from studio.training import tracking, webhook
from studio.training.arguments import check_arguments
from studio.training.tracking import figures_of
from studio.training.train import train

SHORT = {"max_steps": 3, "save_strategy": "no", "eval_strategy": "steps", "eval_steps": 3}


def config_of(*trackers: str, **training: Any) -> RunConfig:
    return build({"name": "seen", "training": {**SHORT, **training}, "tracking": {"report_to": list(trackers)}})


def trained(config: RunConfig, settings: Settings) -> RunRecord:
    store = RunStore(settings.runs_dir)
    run_dir = store.create(config)
    try:
        train(config, run_dir, ModelSlot(settings), settings=settings)
    finally:
        for thread in [one for one in threading.enumerate() if one.name.startswith("webhook-")]:
            thread.join(20)
    return store.open(run_dir.name)


def losses(record: RunRecord) -> list[tuple[int, float]]:
    return [(event["step"], event["loss"]) for event in events_of(record.path / "events.jsonl", "log")]


def test_tensorboard_shows_the_figures_of_the_log(settings: Settings) -> None:
    record = trained(config_of("tensorboard"), settings)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(record.path / "tensorboard"))
    read.Reload()
    shown = [(one.step, one.value) for one in read.Scalars("train/loss")]
    assert shown == [(step, pytest.approx(loss)) for step, loss in losses(record)] and len(shown) == 3
    assert [one.step for one in read.Scalars("eval/loss")] == [3]
    assert not {name for name in read.Tags()["scalars"] if name.endswith(("/time", "_seconds"))}


def test_tensorboard_takes_back_what_lies_after_the_step_a_run_goes_on_from(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from studio.training.trackers import TRACKERS
    from studio.training.trackers.base import Tracked

    run = Tracked("a", tmp_path, tmp_path, "a", "tunefork", {}, "name: a\n")
    for resumed, steps, value in ((None, range(1, 5), 1.0), (2, range(3, 6), 2.0)):
        made = TRACKERS["tensorboard"](run, resumed=resumed)
        for step in steps:
            made.put({"train/loss": value}, step)
        made.close(failed=False)
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    shown = [(one.step, one.value) for one in read.Scalars("train/loss")]
    assert shown == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (5, 2.0)]


def test_trackio_and_wandb_stay_on_this_machine(settings: Settings, tmp_path: Path) -> None:
    """On the command line, in a process of their own; the environment asks for a server, and is not heard."""
    home = tmp_path / "home"
    home.mkdir()
    away = {
        "TRACKIO_SERVER_URL": "http://127.0.0.1:9/?write_token=x",
        "WANDB_MODE": "online",
        "WANDB_API_KEY": "k" * 40,
    }
    command = [sys.executable, "launch.py", "train", "--workspace", str(settings.workspace), "--json"]
    command += ["--max_steps", "2", "--save_strategy", "no", "--report_to", "trackio", "wandb", "--project", "mine"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **away, "HOME": str(home)}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    record = RunStore(settings.runs_dir).open(json.loads(done.stdout)["run_id"])
    assert not events_of(record.path / "events.jsonl", "warning"), "no tracker was left out"
    with sqlite3.connect(settings.workspace / "trackio" / "mine.db") as base:
        rows = [(step, json.loads(told)) for step, told in base.execute("select step, metrics from metrics")]
    shown = [(step, told["train/loss"]) for step, told in sorted(rows, key=lambda row: row[0]) if "train/loss" in told]
    assert shown == losses(record)
    written = [path.name for path in (record.path / "wandb").rglob("*.wandb")]
    assert len(written) == 1 and list((record.path / "wandb").rglob("offline-run-*"))
    assert not list(home.rglob("*wandb*")), "nothing is kept outside the workspace"
    assert "k" * 40 not in b"".join(p.read_bytes() for p in record.path.rglob("*") if p.is_file()).decode("latin-1")


def test_a_tracker_that_raises_is_told_once_and_training_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(tracking.Tracker):
        package = "json"

        def put(self, figures: dict[str, float], step: int) -> None:
            if step == 2:
                raise RuntimeError("the server is gone\nand more")

        def close(self, *, failed: bool) -> None:
            raise AssertionError("it was left out")

    monkeypatch.setitem(tracking.TRACKERS, "trackio", Broken)
    record = trained(config_of("trackio"), settings)
    told = events_of(record.path / "events.jsonl", "warning")
    assert record.status == "finished" and record.steps == 3
    assert [one["message"] for one in told] == [
        "The tracker trackio is left out from here on (RuntimeError: the server is gone). Training goes on."
    ]


def test_a_missing_package_is_told_before_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="pip install wandb"):
        check_arguments(config_of("wandb"))


def test_figures_have_the_names_that_trackers_use() -> None:
    event = {"kind": "evaluated", "time": 1.0, "step": 2, "eval_loss": 0.5, "epoch": 1, "note": "x", "ok": True}
    assert figures_of(event) == {"eval/loss": 0.5, "train/epoch": 1.0}
    assert figures_of({"kind": "log", "loss": "nan", "grad_norm": 1.0}) == {"train/grad_norm": 1.0}


class Told(ThreadingHTTPServer):
    """A server that keeps what it was sent; `answer` is what it says, a text where to go instead."""

    answer: int | str = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook-s3cret"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(302 if isinstance(server.answer, str) else server.answer)
        if isinstance(server.answer, str):
            self.send_header("Location", server.answer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *given: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Told]:
    with Told() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_end_of_a_run_is_told(settings: Settings, hook: Told) -> None:
    record = trained(config_of(), replace(settings, webhook=hook.address))
    assert len(hook.bodies) == 1
    told = hook.bodies[0]
    assert (told["run_id"], told["name"], told["status"], told["steps"]) == (record.run_id, "seen", "finished", 3)
    assert told["metrics"]["loss"] == losses(record)[-1][1]
    assert told["text"] == "seen: Finished after 3 steps. What was learned is saved."
    everything = b"".join(path.read_bytes() for path in record.path.rglob("*") if path.is_file())
    assert b"s3cret" not in everything and "s3cret" not in repr(replace(settings, webhook=hook.address))


def test_a_run_that_fails_is_told_too(settings: Settings, hook: Told) -> None:
    config = config_of(optim="sgd", learning_rate=1.0, max_grad_norm=0.0)
    config = config.model_copy(update={"data": config.data.model_copy(update={"source": "/nowhere.jsonl"})})
    with pytest.raises(StudioError):
        trained(config, replace(settings, webhook=hook.address))
    assert hook.bodies[0]["status"] == "failed" and "/nowhere.jsonl" in hook.bodies[0]["message"]


@pytest.mark.parametrize("answer", [500, "elsewhere", "gone"])
def test_a_webhook_that_fails_is_a_warning(settings: Settings, hook: Told, answer: int | str) -> None:
    with Told() as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        hook.answer = other.address if answer == "elsewhere" else 500
        address = "http://127.0.0.1:9/hook-s3cret" if answer == "gone" else hook.address
        record = trained(config_of(max_steps=1), replace(settings, webhook=address))
        other.shutdown()
    warned = events_of(record.path / "events.jsonl", "warning")
    assert record.status == "finished", "a warning after the end does not undo it"
    assert len(warned) == 1 and "s3cret" not in json.dumps(warned)
    assert not other.bodies and len(hook.bodies) == (answer != "gone")


def test_a_webhook_that_says_nothing_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(webhook, "SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        problem = webhook.post(f"http://127.0.0.1:{silent.getsockname()[1]}/", {"a": 1})
    assert problem == "no answer in time"


@pytest.mark.parametrize(
    "address", ["ftp://a/b", "file:///etc/passwd", "hooks.slack.com/x", "https://:80/x", "http://[x"]
)
def test_only_addresses_of_the_web_are_told(address: str) -> None:
    with pytest.raises(ConfigError) as told:
        read_settings(environ={"TUNEFORK_WEBHOOK": address})
    assert address not in str(told.value)


def test_a_space_tells_nobody() -> None:
    told = {"TUNEFORK_WEBHOOK": "https://example.org/x"}
    assert read_settings(environ={**told, "SPACE_ID": "a/b"}).webhook is None
    assert read_settings(environ=told).webhook == "https://example.org/x"
