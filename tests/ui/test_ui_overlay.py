"""What the cards of several runs are sent: one figure of each, bounded, and only where it has grown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from studio.config.files import build
from studio.runs import EventLog, RunStore
from studio.settings import ASSETS
from studio.ui.overlay import MOST_RUNS, Overlays, difference, picked, shown
from studio.ui.words import flat_words

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def made(store: RunStore, name: str = "a", *, steps: int = 3, **settings: object) -> str:
    folder = store.create(build({"name": name, **settings}))
    with EventLog(folder) as log:
        log.write("started", 0, total_steps=steps)
        for step in range(1, steps + 1):
            loss = 50.0 if step == 4_321 else 1 / step
            log.write("log", step, loss=loss, grad_norm=2.0, epoch=step / 10, num_tokens=7 * step)
        log.write("evaluated", steps, eval_loss=0.5)
    return folder.name


def test_curves_come_once_and_again_only_when_they_have_grown(store: RunStore) -> None:
    one, two = made(store), made(store, "b", steps=2)
    overlays = Overlays(store)
    first = overlays.answer({"runs": [one, two], "figure": "loss"})
    assert [run["name"] for run in first["runs"]] == ["a", "b"] and first["figures"] == ["loss", "grad_norm"]
    assert [point[:3] for point in first["runs"][0]["points"]] == [[1, 0.1, 7], [2, 0.2, 14], [3, 0.3, 21]]
    assert first["runs"][1]["evals"][0][4] == 0.5
    known = {run["id"]: run["read"] for run in first["runs"]}
    again = overlays.answer({"runs": [one, two], "figure": "loss", "known": known})
    assert all("points" not in run for run in again["runs"]) and len(json.dumps(again)) < 600
    with EventLog(store.open(two).path) as log:
        log.write("log", 3, loss=0.1)
    grown = overlays.answer({"runs": [one, two], "figure": "loss", "known": known})["runs"]
    assert "points" not in grown[0] and [point[0] for point in grown[1]["points"]] == [1, 2, 3]
    other = overlays.answer({"runs": [one], "figure": "grad_norm"})["runs"][0]
    assert {point[4] for point in other["points"]} == {2.0} and other["evals"] == []


def test_what_is_sent_of_a_long_run_is_bounded_and_keeps_its_spike(store: RunStore) -> None:
    answer = Overlays(store).answer({"runs": [made(store, steps=9_000)], "figure": "loss"})
    points = answer["runs"][0]["points"]
    assert len(points) <= 1500 and max(point[4] for point in points) == 50 and points[-1][0] == 9_000
    assert len(json.dumps(answer)) < 120_000


@pytest.mark.parametrize("asked", [
    None, 7, [], {"runs": 7}, {"runs": ["../../etc"]}, {"runs": [None, {}, "/etc"]}, {"runs": ["nothing"], "figure": 7},
    {"runs": "[", "known": 3}, {"runs": ["a\0b"], "figure": "x" * 10_000},
])  # fmt: skip
def test_a_strange_request_is_answered_and_never_raises(store: RunStore, asked: object) -> None:
    made(store)
    answer = Overlays(store).answer(asked)
    assert answer["runs"] == [] and len(answer["figure"]) <= 200
    json.dumps(answer)


def test_picked_runs_are_few_and_each_once() -> None:
    assert picked(json.dumps(["a", "b", "a", 3, None])) == ["a", "b"]
    many = [f"run-{number}" for number in range(100)]
    told = json.loads(shown(picked(many)))
    assert (len(told["runs"]), told["all"]) == (MOST_RUNS, 100)
    assert picked("") == picked("{}") == picked("nonsense") == []
    assert shown(["a"]) != shown(["a"])


@pytest.mark.parametrize(("lang", "label"), [("en", "Learning rate"), ("zh", "学习率")])
def test_the_difference_names_settings_as_the_page_does(store: RunStore, lang: str, label: str) -> None:
    one, two = made(store, HOSTILE), made(store, "b", training={"learning_rate": 1e-3}, data={"system_prompt": HOSTILE})
    value = difference(lang, store, [one, two])  # type: ignore[arg-type]
    assert "<" not in value
    told = json.loads(value)
    lines = {line["key"]: line for line in told["groups"][0]["lines"]}
    assert set(lines) == {"training.learning_rate", "data.system_prompt"}
    assert lines["training.learning_rate"]["label"] == label
    assert lines["training.learning_rate"]["values"] == ["0.0002", "0.001"]
    assert lines["data.system_prompt"]["values"] == ["null", HOSTILE]
    assert told["runs"][0]["name"] == HOSTILE
    assert json.loads(difference("en", store, [one, "gone"])) == {}
    assert json.loads(difference("en", store, [two, made(store, "c", training={"learning_rate": 1e-3},
                                                        data={"system_prompt": HOSTILE})]))["same"]  # fmt: skip


@pytest.mark.parametrize("name", ["overlay.js", "difference.js", "life.js"])
def test_the_scripts_set_text_only_and_ask_for_texts_that_are_there(name: str) -> None:
    text, words = (ASSETS / name).read_text(encoding="utf-8"), flat_words("en")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    for section, key in re.findall(r"""\b(say|live)\("([a-z_.]+)\"""", text):
        assert f"{'compare' if section == 'say' else 'live'}.{key}" in words, key
