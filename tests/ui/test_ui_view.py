"""Which rows are asked for: places, numbers, picks and searches, whatever the page sends."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.config import RunConfig
from studio.data.corpus import Corpus, open_corpus
from studio.settings import Settings
from studio.ui import view as views

ROWS = 40


@pytest.fixture
def corpus(settings: Settings, tmp_path: Path) -> Corpus:
    path = tmp_path / "rows.jsonl"
    lines = [
        json.dumps({"instruction": f"Say {n}", "output": f"It is {n}", "tags": [{"x": f"deep {n}"}]})
        for n in range(ROWS)
    ]
    path.write_text("\n".join([*lines[:9], "{broken", *lines[9:]]), encoding="utf-8")
    return open_corpus(RunConfig.model_validate({"data": {"source": str(path), "bad_rows": "skip"}}), settings)


def find(corpus: Corpus, report: Any = None, **asked: Any) -> views.Found:
    return views.find(views.read(json.dumps(asked)), corpus, report=report, lang="en")


def test_whatever_the_page_sends_is_bounded() -> None:
    asked = views.read('{"at": 5, "rows": 8}')
    assert (asked.at, asked.rows) == (5, 8)
    wild = views.read('{"at": -5, "rows": 99999, "pick": "__class__", "nth": 1e300, "search": 7, "packed": "yes"}')
    assert (wild.at, wild.rows, wild.pick, wild.nth, wild.search, wild.packed) == (0, 8, "", 0, "7", False)
    for odd in (None, "", "[]", '{"at": "x", "row": true}', "nonsense", 7, '{"rows": null}'):
        assert views.read(odd).at == 0 and views.read(odd).rows == 1


def test_a_place_and_a_rows_number(corpus: Corpus) -> None:
    assert find(corpus, at=3, rows=3).positions == [3, 4, 5]
    assert find(corpus, at=9999).positions == [len(corpus) - 1]
    assert find(corpus, row=7).positions == [6]  # counted from 1, as sentences count them
    missing = find(corpus, row=9999)
    assert missing.positions == [0] and "9,999" in missing.said


def test_random_rows_are_any_rows_and_more_tokens_are_bounded(corpus: Corpus) -> None:
    drawn = [tuple(find(corpus, seed=seed, rows=3).positions) for seed in range(20)]
    assert all(len(set(rows)) == 3 and max(rows) < len(corpus) for rows in drawn)
    assert len(set(drawn)) > 10 and any(rows[2] - rows[0] > 2 for rows in drawn)
    assert find(corpus, seed=4, rows=3) == find(corpus, seed=4, rows=3)
    asked = [views.read(json.dumps({"tokens": many})).tokens for many in (0, 8192, 10**9, "x")]
    assert asked == [1024, 8192, 262_144, 1024]


def test_a_search_goes_on_behind_the_last_hit_and_around(corpus: Corpus) -> None:
    first = find(corpus, search="IT IS 3")
    assert first.positions == [3] and "row" in first.said
    second = find(corpus, search="it is 3", after=first.more["after"])
    assert corpus.raw(second.positions)[0]["output"] == "It is 30"  # type: ignore[index]
    last = find(corpus, search="it is 3", after=len(corpus) - 1)
    assert last.positions == [3]
    deep = find(corpus, search="deep 27")
    assert corpus.raw(deep.positions)[0]["output"] == "It is 27"  # type: ignore[index]
    nowhere = find(corpus, search="nowhere", at=5)
    assert nowhere.positions == [5] and nowhere.said == "in no row" and nowhere.more["after"] is None


def test_a_search_that_takes_long_is_given_up_and_taken_up(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "AT_ONCE", 8)
    ticks = itertools.count()
    monkeypatch.setattr(views, "time", SimpleNamespace(monotonic=lambda: next(ticks)))  # each look at it takes a second
    asked: dict[str, Any] = {"search": "it is 33", "after": -1}
    said: list[str] = []
    for _ in range(20):
        found = find(corpus, **asked)
        said.append(found.said)
        if not found.more.get("stay"):
            break
        asked |= {"after": found.more["after"], "left": found.more["left"]}
    assert len(said) > 2 and all("Enter" in one for one in said[:-1])
    assert corpus.raw(found.positions)[0]["output"] == "It is 33"  # type: ignore[index]


def test_picks_go_from_one_to_the_next_and_begin_again(corpus: Corpus) -> None:
    def order(count: int) -> Sequence[int]:
        return [7, 2, 5][:count]

    report: Any = SimpleNamespace(order_longest=order, order_truncated=lambda count: [])
    assert [find(corpus, report, pick="longest", nth=nth).positions for nth in range(4)] == [[7], [2], [5], [7]]
    none = find(corpus, report, pick="most_cut", at=4)
    assert none.positions == [4] and none.said == "no row is cut"
    assert find(corpus, None, pick="longest", at=4).positions == [4]  # not looked at yet
