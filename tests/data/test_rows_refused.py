"""Rows that a template or a method refuses: named one by one, but for a fault that all rows share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from small_tokenizer import CHATML, make_tokenizer

from studio.config import RunConfig
from studio.data import scan as scanning
from studio.data.prepare import Prepared
from studio.data.prepare import prepare as prepare_with
from studio.data.preview import preview
from studio.data.rendering import Remarks
from studio.errors import DataError
from studio.settings import Settings

Make = Callable[..., RunConfig]
PICKY = "{% if 'bad' in messages[0]['content'] %}{{ raise_exception('no bad words') }}{% endif %}" + CHATML


def rows(*bad: int, count: int) -> list[dict[str, Any]]:
    return [{"question": f"{'bad' if n in bad else 'good'} {n}", "answer": f"a{n}"} for n in range(count)]


def prepare(config: RunConfig, settings: Settings) -> Prepared:
    return prepare_with(config, settings=settings, tokenizer=make_tokenizer(PICKY))


@pytest.mark.parametrize("bad", [range(20), range(64, 128), range(190, 200), (7,)])
def test_a_stretch_of_refused_rows_is_only_those_rows(
    bad: Any, run_config: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "CHUNK_ROWS", 64)
    kept = {"bad_rows": "skip", "eval_fraction": 0}
    data = prepare(run_config(rows(*bad, count=200), data=kept), settings)
    assert list(data.index) == [n for n in range(200) if n not in bad]
    with pytest.raises(DataError, match=f"{len(bad)} of 200 rows cannot be used.*no bad words"):
        prepare(run_config(rows(*bad, count=200), data={"eval_fraction": 0}), settings)


def no_reference(*without: int, count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"q{n}", "answer": None if n in without else f"a{n}"} for n in range(count)]


def test_a_stretch_that_a_method_refuses_is_only_those_rows(run_config: Make, settings: Settings) -> None:
    given = no_reference(*range(40), count=100)
    config = run_config(given, method="grpo", data={"bad_rows": "skip", "eval_fraction": 0})
    assert list(prepare(config, settings).index) == list(range(40, 100))
    shown = preview(config, settings=settings, tokenizer=make_tokenizer(), positions=[3, 4, 50])
    assert set(shown.problems) == {3, 4} and [row.position for row in shown.rows] == [50]


def test_a_fault_of_all_rows_is_said_once_and_soon(run_config: Make, settings: Settings) -> None:
    given = no_reference(*range(3000), count=3000)
    config = run_config(given, method="grpo", data={"bad_rows": "skip", "eval_fraction": 0})
    with pytest.raises(DataError, match=r"^method.reward_funcs: exact_match compares"):
        prepare(config, settings)
    with pytest.raises(DataError, match=r"^method.reward_funcs: exact_match compares"):
        preview(config, settings=settings, tokenizer=make_tokenizer())


def test_the_preview_and_the_run_pass_over_the_same_rows(run_config: Make, settings: Settings) -> None:
    for bad in (range(6), range(1, 500, 2), range(510), range(600)):
        config = run_config(rows(*bad, count=700), data={"bad_rows": "skip", "eval_fraction": 0.1, "shuffle": False})
        shown = preview(config, settings=settings, tokenizer=make_tokenizer(PICKY), positions=[690])
        assert shown.digest == prepare(config, settings).digest


def test_half_a_character_in_a_sentence_can_be_written() -> None:
    told = Remarks.empty()
    told.add(3, DataError("There is no role {role}.", role="\ud83d"))
    again = Remarks.from_json(json.loads(json.dumps(told.as_json())))
    assert again.found == told.found and again.positions() == {3}
    str(next(iter(again.found.values()))).encode("utf-8")
