"""A run as one HTML file: it stands alone, nothing in a run becomes markup, and what is missing is said."""

from __future__ import annotations

from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.runs import EventLog, RunStore
from studio.runs.data_report import keep_data_report
from studio.runs.drawing import figure, ticks
from studio.runs.labels import annotate
from studio.runs.report import report
from studio.ui.words import Language, say, spoken

HOSTILE = '<img src=x onerror="hit()"></pre></style><script>hit()</script>&'


class Reader(HTMLParser):
    """Every tag, and every attribute that could ask for something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.asks: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.asks += [name for name, _ in attrs if name in ("src", "href", "srcset", "action") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def made(store: RunStore, run_id: str, lang: Language = "en") -> tuple[Reader, str]:
    page = report(store.open(run_id), lang=lang, say=partial(say, lang), spoken=partial(spoken, lang))
    reader = Reader()
    reader.feed(page)
    return reader, page


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def hostile_run(store: RunStore) -> str:
    folder = store.create(RunConfig(name=HOSTILE[:80], data={"system_prompt": HOSTILE}))
    with EventLog(folder) as log:
        log.write("started", 0, digest=HOSTILE, rows=18, device="cpu", versions={"torch": HOSTILE},
                  data=[{"name": HOSTILE, "rows": 18, "identity": "abc123"}])  # fmt: skip
        log.tell("warning", "No rows are held out, so there will be no evaluation loss.")
        for step in range(1, 5001):
            log.write("log", step, loss=77.25 if step == 1234 else 1.0, **{HOSTILE: 1.0})
        for number in range(40):
            log.write(
                "sample", 100 * number, prompt=HOSTILE, policy=f"answer {number}", base="", rewards={HOSTILE: 1.0}
            )
        log.write("evaluated", 5000, eval_loss=0.5, eval_bleu=12.5)
        log.write("finished", 5000, message=HOSTILE, metrics={"loss": 1.0})
    finding = {
        "check": "x",
        "severity": "warning",
        "text": HOSTILE,
        "template": HOSTILE,
        "details": {},
        "where": [HOSTILE],
    }
    keep_data_report(folder, {"rows": {"train": 18}, "findings": [finding], "fine": ["secrets", "of_a_plugin"]})
    return folder.name


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_stands_alone_and_nothing_in_it_is_executed(store: RunStore, lang: Language) -> None:
    reader, page = made(store, hostile_run(store), lang)
    assert not reader.tags & {"script", "img", "link", "iframe", "object", "base", "form"}
    assert reader.asks == [] and "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page and "prefers-color-scheme: dark" in page
    for text in (HOSTILE[:80], "abc123", "answer 0", "answer 39", "of_a_plugin", "system_prompt", "12.5"):
        assert text in reader.text
    assert page.count("<svg") == 3 and len(page) < 400_000
    assert say(lang, "report.doctor") in reader.text and say(lang, "report.no_doctor") not in reader.text
    assert ("没有留出" if lang == "zh" else "No rows are held out") in reader.text


def test_a_spike_is_drawn(store: RunStore) -> None:
    _, page = made(store, hostile_run(store))
    picture = page[page.index("<svg") : page.index("</svg>")]
    raw = picture[picture.index('class="raw" d="M') + 16 :].split('"')[0]
    heights = [float(pair.split()[1]) for pair in raw.split("L")]
    assert len(heights) <= 600 and min(heights) < 40 < 150 < max(heights)


def test_what_is_missing_is_said(store: RunStore) -> None:
    reader, _ = made(store, store.create(RunConfig(name="nothing yet")).name)
    for key in ("no_figures", "no_curves", "no_evaluations", "no_samples", "no_grounds", "no_doctor"):
        assert say("en", f"report.{key}") in reader.text


def test_a_run_whose_settings_cannot_be_used_has_a_report(store: RunStore) -> None:
    folder = store.create(RunConfig())
    (folder / "run.yaml").write_text("method: {type: elsewhere}\n", encoding="utf-8")
    reader, _ = made(store, folder.name)
    assert "elsewhere" in reader.text


def test_where_a_run_came_from_and_what_was_noted_is_told(store: RunStore) -> None:
    folder = store.create(RunConfig(name="branch"))
    (folder / "origin.json").write_text('{"run_id": "parent-1", "step": 40, "kind": "branch"}', encoding="utf-8")
    annotate(folder, "<b>try</b> a smaller rate")
    with EventLog(folder) as log:
        log.tell("resumed", "Goes on from the checkpoint of step {step}.", {"step": 40}, step=40)
        log.write("log", 41, loss=1.0)
        log.write("paused", 41, message="Paused.")
    reader, _ = made(store, folder.name)
    for text in ("step 40 of parent-1", "<b>try</b> a smaller rate", "Goes on from the checkpoint of step 40."):
        assert text in reader.text


def test_numbers_are_round_and_read_well() -> None:
    assert ticks(0, 2.1, 4) == [0, 0.5, 1, 1.5, 2]
    assert ticks(-3, 3, 6) == [-3, -2, -1, 0, 1, 2, 3]
    assert [figure(value) for value in (0, 0.00002, 0.12345, 1234, 797_000_000, 2e9)] == [
        "0", "2e-05", "0.1235", "1,234", "797 M", "2 G",
    ]  # fmt: skip
