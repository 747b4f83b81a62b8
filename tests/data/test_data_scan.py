"""Every row is looked at once: what was done is on disk, whole, and a look that was given up goes on from there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_tokenizer import make_tokenizer

from studio.config import RunConfig
from studio.data import scan as scanning
from studio.data.prepare import prepare, scan_of
from studio.data.scan import Cancelled, Scan
from studio.data.store import TokenStore
from studio.settings import Settings

Make = Callable[..., RunConfig]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"question": f"how much is {number}?", "answer": "much " * (number % 7 + 1)} for number in range(count)]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "SHARD_ROWS", 32)
    monkeypatch.setattr(scanning, "CHUNK_ROWS", 8)


def looked(config: RunConfig, settings: Settings, **more: Any) -> Scan:
    return scan_of(config, settings=settings, tokenizer=make_tokenizer(), **more)


def files(settings: Settings) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in settings.scans_dir.glob("*/0*")}


def test_tokens_come_back_as_they_were(run_config: Make, settings: Settings) -> None:
    config = run_config(rows(100))
    found = looked(config, settings)
    from studio.data.pipeline import Pipeline

    pipeline = Pipeline(found.corpus, method=config.method, tokenizer=make_tokenizer())
    for positions in ([0, 1, 2], [99, 31, 32, 33, 5], list(range(100))):
        made = pipeline.work(positions).encoded
        kept = list(found.store.rows(np.array(positions)))
        assert [one.lanes for one in kept] == [one.lanes for one in made if one is not None]
        ids, offsets = found.store.tokens(np.array(positions))
        flat = [list(ids[start:end]) for start, end in pairwise(offsets)]
        assert flat == [one.lanes[0].ids for one in kept]
    assert found.usable.all() and found.facts.length.shape == (100, 1)
    assert int(found.facts.length[7, 0]) == len(made[7].lanes[0].ids)  # type: ignore[union-attr]


def test_tokens_of_two_lanes_lie_side_by_side(run_config: Make, settings: Settings) -> None:
    pairs = [{"prompt": f"q{n}", "chosen": f"yes {n}" * (n % 3 + 1), "rejected": f"no {n}"} for n in range(70)]
    found = looked(run_config(pairs, method="dpo"), settings)
    positions = np.array([69, 0, 33, 31])
    ids, offsets = found.store.tokens(positions)
    for row, start, end in zip(found.store.rows(positions), offsets, offsets[1:], strict=False):
        assert list(ids[start:end]) == [*row.lanes[0].ids, *row.lanes[1].ids]


def test_nothing_is_looked_at_twice(run_config: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config(rows(100))
    first = looked(config, settings)
    before = files(settings)
    assert len(before) == 12
    monkeypatch.setattr(scanning, "look", lambda *_: pytest.fail("looked again"))
    again = looked(
        config.model_copy(update={"training": config.training.model_copy(update={"max_length": 16})}), settings
    )
    assert files(settings) == before
    assert (again.facts.length == first.facts.length).all()


def test_other_content_or_method_is_looked_at_anew(run_config: Make, settings: Settings) -> None:
    keys = {
        looked(run_config(rows(10)), settings).key,
        looked(run_config(rows(11)), settings).key,
        looked(run_config(rows(10), data={"system_prompt": "be brief"}), settings).key,
        looked(run_config(rows(10), method={"completion_only_loss": False}), settings).key,
        looked(run_config(rows(10), training={"max_length": 32}), settings).key,
    }
    assert len(keys) == 4


def test_a_look_given_up_goes_on_where_it_was(run_config: Make, settings: Settings) -> None:
    config, stop = run_config(rows(200)), threading.Event()
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        if done >= 70:
            stop.set()

    with pytest.raises(Cancelled):
        looked(config, settings, progress=progress, cancelled=stop)
    kept = files(settings)
    assert 6 <= len(kept) < 21 and seen[-1][0] < 200
    found = looked(config, settings)
    after = files(settings)
    assert len(after) == 21 and {name: after[name] for name in kept} == kept
    assert len(found.usable) == 200


@pytest.mark.parametrize("name", ["00001.arrow", "00001.npz", "00001.json"])
def test_a_damaged_shard_is_made_again(run_config: Make, settings: Settings, name: str) -> None:
    config = run_config(rows(100))
    found = looked(config, settings)
    good = [one.lanes for one in found.store.rows(np.arange(100))]
    path = found.store.folder / name
    path.write_bytes(path.read_bytes()[:40])
    again = looked(config, settings)
    assert [one.lanes for one in again.store.rows(np.arange(100))] == good


def test_a_crash_before_the_last_file_leaves_no_shard(
    run_config: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_config(rows(40))
    replace = Path.replace
    for fatal in range(6):
        calls = iter(range(100))

        def crash(path: Path, target: Path, *, calls: Any = calls, fatal: int = fatal) -> Path:
            if next(calls) == fatal:
                raise OSError("the power is gone")
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", crash)
        with pytest.raises(OSError, match="power"):
            looked(config, settings)
        monkeypatch.setattr(Path, "replace", replace)
        store = TokenStore(next(settings.scans_dir.iterdir()), lanes=1, shard_rows=32)
        for number in range(2):
            if store.has(number):
                assert store.read(number).count and len(
                    list(store.rows(np.arange(32 * number, min(40, 32 * number + 32))))
                )
        for path in settings.scans_dir.glob("*/*"):
            path.unlink()
    assert len(looked(config, settings).usable) == 40


def test_the_run_and_the_preview_have_one_digest(run_config: Make, settings: Settings) -> None:
    from studio.data.preview import preview

    config = run_config(rows(60), training={"max_length": 24})
    data = prepare(config, settings=settings, tokenizer=make_tokenizer())
    shown = preview(config, settings=settings, tokenizer=make_tokenizer(), rows=2)
    assert data.digest == shown.digest != ""
    assert data.train[1]["input_ids"] == shown.rows[1].lanes[0].ids[:24]
