"""The look in the background: told as it goes, given up and taken up again, shared with the run, never done twice."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.data import scan as scanning
from studio.data.pipeline import Worked
from studio.data.prepare import report_of
from studio.errors import DataError
from studio.settings import Settings
from studio.training import inspector as inspecting
from studio.training import stage as staging
from studio.training.inspector import Inspector, Look
from studio.training.stage import rows_key, stage


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
    held(monkeypatch)
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


def held(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.02) -> None:
    """Each chunk takes a while, so that a look can be met on its way."""
    quick = scanning.look

    def slowly(*given: object) -> object:
        time.sleep(seconds)
        return quick(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning, "look", slowly)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions that are looked at, each chunk for a while."""
    seen: list[int] = []
    quick = scanning.look

    def look(worked: Worked, *given: object) -> object:
        time.sleep(0.01)
        seen.extend(int(one) for one in worked.positions)
        return quick(worked, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning, "look", look)
    return seen


def test_the_newest_wish_comes_first(
    inspector: Inspector, config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    held(monkeypatch)
    long, short = config(2000), config(100)
    until(lambda: inspector.ask(long).done > 0)
    assert over(inspector, short).scan is not None
    assert not inspector.ask(long).over
    assert over(inspector, long).scan is not None


def test_two_pages_that_wait_do_not_stop_one_another(
    inspector: Inspector, config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = counted(monkeypatch)
    one, two = config(600), config(700)
    until(lambda: inspector.ask(one).over and inspector.ask(two).over, seconds=30)
    assert inspector.ask(one).scan is not None and inspector.ask(two).scan is not None
    assert len(seen) < 1300 + 3 * 64, "the second takes the thread once; a question takes it from nobody"


def test_back_at_the_first_rows_a_page_does_not_wait_for_the_others(
    inspector: Inspector, config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    held(monkeypatch)
    monkeypatch.setattr(inspecting, "AWAY", 0.3)
    first, other = config(200), config(20_000)
    inspector.ask(first)
    until(lambda: inspector.ask(other).done > 0)
    assert over(inspector, first).scan is not None
    assert not inspector.ask(other).over
    inspector.stop(other)


def test_a_finished_look_stops_no_other(
    inspector: Inspector, config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = over(inspector, config(20))
    held(monkeypatch)
    look = inspector.ask(config(600))
    while not look.over:
        assert inspector.ask(config(20)) is done and not look.cancelled.is_set()
        time.sleep(0.01)
    assert look.scan is not None


def test_a_stop_is_heard_whenever_it_comes(inspector: Inspector, config: Callable[..., RunConfig]) -> None:
    asked = config(64)
    inspector.stop(asked)  # before the thread has begun with it, or while it does
    until(lambda: inspector._thread is None)
    assert inspector.ask(asked).stopped and not inspector.ask(asked).over
    inspector.go_on(asked)
    assert over(inspector, asked).scan is not None


def test_a_look_nobody_asks_for_is_given_up(
    inspector: Inspector, config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    held(monkeypatch)
    monkeypatch.setattr(inspecting, "PATIENCE", 0.3)
    look = inspector.ask(config(4000))
    until(lambda: inspector._thread is None, seconds=20)
    assert not look.over and 0 < look.done < 4000


def test_a_run_that_starts_meanwhile_shares_the_work(
    inspector: Inspector, config: Callable[..., RunConfig], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, seen = config(600), counted(monkeypatch)
    look = inspector.ask(asked)
    until(lambda: look.done > 0)
    staged = stage(asked, settings)
    assert len(staged.prepared.index) + len(staged.prepared.eval_index) == 600
    until(lambda: inspector.ask(asked).over)
    assert sorted(seen) == list(range(600)), "no row is looked at twice"


def test_what_was_dropped_from_the_disk_is_looked_at_again(
    inspector: Inspector, config: Callable[..., RunConfig], settings: Settings
) -> None:
    asked = config(40)
    first = over(inspector, asked)
    assert first.scan is not None
    shutil.rmtree(first.scan.store.folder)
    again = over(inspector, asked)
    assert again is not first and again.scan is not None and again.scan.store.folder.is_dir()
    shutil.rmtree(again.scan.store.folder)
    assert len(stage(asked, settings).prepared.train)


def test_bad_rows_and_filters_need_no_other_look_and_a_tools_file_does(
    inspector: Inspector, config: Callable[..., RunConfig], settings: Settings, tmp_path: Path
) -> None:
    key = rows_key(config(40), settings)
    source = config(40).data.source
    assert rows_key(build({"data": {"source": source, "bad_rows": "skip", "filters": ["duplicates"]}}), settings) == key
    tools = tmp_path / "tools.json"
    named = build({"data": {"source": source, "tools": str(tools)}})
    keys = set()
    for name in ("one", "two"):
        tools.write_text(json.dumps([{"type": "function", "function": {"name": name, "parameters": {}}}]))
        keys.add(rows_key(named, settings))
    assert len(keys) == 2 and key not in keys


def test_bad_rows_are_kept_or_refused_after_one_look(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"question": "q", "answer": "a"}\n' * 20 + "{broken\n", encoding="utf-8")
    skip = build({"data": {"source": str(path), "bad_rows": "skip", "eval_fraction": 0}})
    assert len(stage(skip, settings).prepared.index) == 20
    with pytest.raises(DataError, match="1 of 21 rows"):
        stage(build({"data": {"source": str(path), "eval_fraction": 0}}), settings)
