"""How a plan reads in the Ready card, in both languages."""

from __future__ import annotations

import json

import pytest

from studio.errors import BusyError, DataError, ModelError
from studio.training.plan import Figures, Finding, Plan
from studio.ui import ready

FIGURES = Figures(
    steps=220,
    rows=587,
    eval_rows=65,
    supervised_tokens=41_535,
    total_tokens=90_000,
    trainable_parameters=2_400_000,
    total_parameters=137_000_000,
    weight_bytes=270_000_000,
    trained_bytes=40_000_000,
    effective_batch_size=8,
    tokens_per_step=1_560,
    digest="7f3a",
)


def texts(card: str) -> list[str]:
    return [line["text"] for line in json.loads(card)["lines"]]


def test_figures_stand_beside_words() -> None:
    card = ready.of_plan("en", Plan(figures=FIGURES))
    assert json.loads(card)["state"] == "ready"
    assert texts(card) == [
        "220 steps · 41,535 supervised tokens an epoch",
        "587 rows to train on, 65 held out",
        "2.4 M of 137 M parameters trained (1.8 %)",
        "Weights 270 MB in memory, 40 MB for what is trained",
    ]
    assert ready.effect("en", 8, Plan(figures=FIGURES)).startswith("Effective batch 8 rows ≈ 1,560 tokens.")
    assert ready.effect("en", 8, None).startswith("Effective batch 8 rows.")


@pytest.mark.parametrize(("error", "tab"), [(DataError("no rows"), "data"), (ModelError("no model"), "model"),
                                            (BusyError("busy"), "")])  # fmt: skip
def test_what_is_missing_leads_to_its_tab(error: Exception, tab: str) -> None:
    for card in (ready.of_plan("en", Plan(errors=(error,))), ready.of_error("en", error)):
        shown = json.loads(card)
        assert shown["state"] == "missing"
        assert [(line["kind"], line["tab"]) for line in shown["lines"]] == [("error", tab)]
        assert bool(shown["lines"][0]["go"]) == bool(tab)


def test_findings_and_downloads_are_named_in_chinese_too() -> None:
    finding = Finding("warning", "{count} rows are cut at max_length {limit}.", {"count": 6, "limit": 64})
    card = ready.of_plan("zh", Plan(figures=FIGURES, findings=(finding,), download="SmolLM2 (93 MB)"))
    assert any("6" in text and "64" in text for text in texts(card))
    assert texts(card)[-1].endswith("SmolLM2 (93 MB)")
    assert texts(card)[0].startswith("220 步")


def test_markup_in_a_message_is_carried_as_text() -> None:
    card = ready.of_error("en", DataError("{file}: broken", file="<img src=x>"))
    assert "<" not in card
    assert texts(card) == ["<img src=x>: broken"]
