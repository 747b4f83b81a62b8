"""What the doctor's card and the histogram are given, from a real look at rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.data.scan import Scan
from studio.errors import DataError
from studio.settings import Settings
from studio.training.inspector import Look
from studio.training.stage import look
from studio.ui import doctor, histogram, packed

Looked = Callable[..., tuple[RunConfig, Scan]]


@pytest.fixture
def looked(settings: Settings, tmp_path: Path) -> Looked:
    """A look at rows of which one is much longer than the others and two are the same."""
    path = tmp_path / "rows.jsonl"
    rows = [{"instruction": f"Say {n % 19}", "output": f"It is {n % 19}. " * (60 if n == 4 else 1)} for n in range(20)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")

    def make(**changes: Any) -> tuple[RunConfig, Scan]:
        data = {"source": str(path), "eval_fraction": 0, **changes.pop("data", {})}
        config = RunConfig.model_validate({"training": {"max_length": 64}, **changes, "data": data})
        return config, look(config, settings).scan

    return make


def card(config: RunConfig, scan: Scan, lang: Any = "en") -> dict[str, Any]:
    report = doctor.Reports().of(config, scan)
    made: dict[str, Any] = json.loads(doctor.payload(lang, Look(config, scan=scan, seconds=0.5), config, report))
    return made


def test_a_finding_has_its_count_its_rows_and_levers_that_can_be_undone(looked: Looked) -> None:
    made = card(*looked())
    assert made["state"] == "done" and "20" in made["text"] and made["fine"]
    cut = next(one for one in made["findings"] if one["check"] == "cut")
    assert cut["positions"] == [4] and cut["rows"] == [{"name": "5", "at": 4}] and cut["more"] == 0
    assert cut["severity"] == "warning" and cut["word"]
    raised = next(one for one in cut["levers"] if "training.max_length" in one["changes"])
    assert raised["changes"]["training.max_length"] > 64 and raised["undo"] == {"training.max_length": 64}
    leave = next(one for one in cut["levers"] if "data.filters" in one["changes"])
    assert leave["changes"] == {"data.filters": ["cut"]} and leave["undo"] == {"data.filters": []}


def test_a_filter_is_added_to_those_there_are_and_its_finding_says_so(looked: Looked) -> None:
    made = card(*looked(data={"filters": ["duplicates"]}))
    cut = next(one for one in made["findings"] if one["check"] == "cut")
    assert any(one["changes"] == {"data.filters": ["duplicates", "cut"]} for one in cut["levers"])
    double = [one for one in made["findings"] if one["check"] == "duplicates"]
    assert all(one["levers"] == [] and "left out" in one["rest"] for one in double)


def test_every_state_of_a_look_has_its_words() -> None:
    config = RunConfig()
    states = {
        "looking": Look(config, done=5, total=20), "stopped": Look(config, done=5, total=20, stopped=True),
        "failed": Look(config, error=DataError("no rows")),
    }  # fmt: skip
    for lang in ("en", "zh"):
        for state, one in states.items():
            made = json.loads(doctor.payload(lang, one, config, None))  # type: ignore[arg-type]
            assert made["state"] == state and (made.get("text") or made["error"])
        for one in (Look(config), Look(config, stopped=True)):
            assert json.loads(doctor.payload(lang, one, config, None))["text"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sentence", "title", "rest"),
    [
        ("6 of 999 answers are cut: 219 tokens are lost.", "6 of 999 answers are cut", "219 tokens are lost."),
        ("Two rows are the same. Remove one.", "Two rows are the same", "Remove one."),
        ("999 行中有 6 行的回答被截断：共损失 219 个词元。", "999 行中有 6 行的回答被截断", "共损失 219 个词元。"),
        ("No stop", "No stop", ""),
    ],
)
def test_a_sentence_is_a_title_and_a_rest(sentence: str, title: str, rest: str) -> None:
    assert doctor.in_two(sentence) == (title, rest)


def test_the_histogram_counts_every_row_and_its_table_is_the_reports(looked: Looked, settings: Settings) -> None:
    config, scan = looked()
    report = doctor.Reports().of(config, scan)
    made = json.loads(histogram.payload("en", report, config, settings))
    assert sum(made["total"]) == sum(made["supervised"]) == 20 and len(made["edges"]) == len(made["total"]) + 1
    assert made["max_length"] == 64 and 64 in made["curve"]["at"]
    at = made["curve"]["at"].index(64)
    assert (made["curve"]["cut"][at], made["curve"]["dropped"][at]) == (report.cut, report.dropped) == (1, 0)
    assert made["beyond"] == int(report.length.max())  # one row is longer than the picture
    assert any("15" in line or "steps" in line for line in made["lines"])
    assert made["lines"][-1].startswith("≈ ") and made["lines"][-1].endswith(" s (roughly)")


@pytest.mark.parametrize(
    "method", [{}, {"packing": True}, {"type": "grpo", "num_generations": 2}, {"completion_only_loss": False}]
)
def test_the_steps_are_those_of_the_ready_card(looked: Looked, settings: Settings, method: dict[str, Any]) -> None:
    from studio.training.plan import plan

    config, scan = looked(method=method)
    report = doctor.Reports().of(config, scan)
    figures = plan(config, settings).figures
    assert figures is not None and histogram.steps_of(report, config) == figures.steps
    made = json.loads(histogram.payload("en", report, config, settings))
    assert bool(made["supervised"]) == (method.get("type") != "grpo")


def test_packed_blocks_hold_every_trained_token_once(looked: Looked, settings: Settings) -> None:
    config, scan = looked(method={"packing": True})
    shown = packed.shown_blocks(config, settings, at=0, count=1000)
    rows = shown.rows
    assert shown.at == 0 and shown.of == len(rows) and packed.packs(config)
    ids = [row["lanes"][0]["ids"] for row in rows]
    assert all(len(one) <= 64 for one in ids)
    report = doctor.Reports().of(config, scan)
    assert sum(map(len, ids)) == report.kept_tokens
    names = [name for row in rows for name in row["lanes"][0]["names"]]
    assert len(names) == len(set(names)) == 20
    borders = rows[0]["lanes"][0]["borders"]
    assert borders[0] == 0 and borders == sorted(set(borders))
    for position in (0, 7, 19):  # a row leads to the block that holds it
        there = packed.shown_blocks(config, settings, at=0, count=1, position=position)
        assert scan.corpus.where(position) in there.rows[0]["lanes"][0]["names"]
        assert there.found
    assert not packed.shown_blocks(config, settings, at=0, count=1, position=999).found
    assert packed.shown_blocks(config, settings, at=10_000, count=1).at == shown.of - 1
