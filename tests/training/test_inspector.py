"""The look in the background: told as it goes, given up and taken up again, shared with the run, never done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.data import scan as scanning
from studio.data.prepare import report_of
from studio.errors import DataError
from studio.settings import Settings
from studio.training import stage as staging
from studio.training.inspector import Inspector, Look
from studio.training.stage import stage


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., RunConfig]:
    def make(count: int = 300, **sections: object) -> RunConfig:
        path = tmp_path / f"rows-{count}.jsonl"
        rows = ({"question": f"how much is {n}?", "answer": "much " * (n % 9 + 1)} for n in range(count))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return build({"data": {"source": str(path)}, **sections})

    return make


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "SHARD_ROWS", 64)
    monkeypatch.setattr(scanning, "CHUNK_ROWS", 16)


@pytest.fixture
def inspector(settings: Settings) -> Inspector:
    settings.prepare_workspace()
    return Inspector(settings, ready=lambda: None)


def until(done: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def over(inspector: Inspector, config: RunConfig) -> Look:
    until(lambda: inspector.ask(config).over)
    return inspector.ask(config)


def test_a_look_tells_how_far_it_is_and_what_it_found(inspector: Inspector, config: Callable[..., RunConfig]) -> None:
    look = over(inspector, config())
    assert look.error is None and look.scan is not None
    assert (look.done, look.total) == (300, 300) and look.seconds > 0
    assert report_of(look.config, look.scan).tokens > 0


def test_another_max_length_needs_no_other_look(inspector: Inspector, config: Callable[..., RunConfig]) -> None:
    look = over(inspector, config())
    shorter = config(training={"max_length": 16})
    assert inspector.ask(shorter) is look and look.scan is not None
    assert report_of(shorter, look.scan).cut + report_of(shorter, look.scan).dropped > 0
    assert inspector.ask(config(training={"seed": 7})) is not look


def test_a_look_that_was_stopped_goes_on_when_asked(
    inspector: Inspector, config: Callable[..., RunConfig], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = scanning.look

    def slowly(*given: object) -> object:
        time.sleep(0.02)
        return slow(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning, "look", slowly)
    asked = config(2000)
    until(lambda: inspector.ask(asked).done >= 128)
    inspector.stop(asked)
    until(lambda: inspector._thread is None)
    stopped = inspector.ask(asked)
    assert stopped.stopped and not stopped.over
    kept = {path.name for path in settings.scans_dir.glob("*/*.json")}
    assert 2 <= len(kept) < 32
    inspector.go_on(asked)
    assert over(inspector, asked).scan is not None


def test_what_is_wrong_is_told(inspector: Inspector, config: Callable[..., RunConfig], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        inspector.ask(build({"data": {"source": str(tmp_path / "missing.jsonl")}}))
    plain = tmp_path / "plain.jsonl"
    plain.write_text('{"text": "one"}\n' * 40, encoding="utf-8")
    look = over(inspector, build({"data": {"source": str(plain)}, "method": {"assistant_only_loss": True}}))
    assert look.scan is None and "assistant_only_loss needs conversations" in str(look.error)


def test_a_run_takes_over_what_was_looked_at(
    inspector: Inspector, config: Callable[..., RunConfig], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = config(400)
    look = over(inspector, asked)
    monkeypatch.setattr(staging, "_looked", None)
    monkeypatch.setattr(scanning, "look", lambda *_: pytest.fail("looked again"))
    staged = stage(asked, settings)
    assert look.scan is not None and staged.prepared.scan.key == look.scan.key
    assert len(staged.prepared.index) + len(staged.prepared.eval_index) == 400
