"""The live components: what their value may hold, and that their scripts and texts are whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.runs import RunStore
from studio.settings import ASSETS
from studio.ui.live import LiveRuns
from studio.ui.plots import SCRIPTS, live_plot, watch
from studio.ui.replies import reply_panes
from studio.ui.runs_table import listed
from studio.ui.words import flat_words

OURS = {"live": ("curve.js", "answers.js", "plot.js"), "chat": ("replies.js", "verdict.js"), "runs": ("runs.js",)}


def test_a_plot_only_names_its_run_and_only_reads(tmp_path: Path) -> None:
    plot = live_plot(LiveRuns(RunStore(tmp_path), lambda: None), elem_id="plot")
    assert json.loads(plot.value)["run"] == "current"
    assert [fn.__name__ for fn in plot.server_fns] == ["poll", "answers"]
    assert plot.poll({"run": "current"}).body == plot.answers({"run": "../x", "step": 1}).body == b"{}"
    assert list(tmp_path.iterdir()) == []
    assert json.loads(watch("x"))["run"] == "x"
    assert watch("x") != watch("x")


def test_templates_hold_no_value_and_scripts_no_markup(tmp_path: Path) -> None:
    for component in (live_plot(LiveRuns(RunStore(tmp_path), lambda: None), elem_id="plot"), reply_panes()):
        assert "${" not in component.html_template
        assert "{{" not in component.html_template
    for name in {*SCRIPTS, "replies.js", "runs.js", "ready.js"}:
        text = (ASSETS / name).read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), name


@pytest.mark.parametrize("section", OURS)
def test_every_text_a_script_asks_for_is_there(section: str) -> None:
    words = flat_words("en")
    for name in OURS[section]:
        text = (ASSETS / name).read_text(encoding="utf-8")
        for key in re.findall(r"""\bsay\("([a-z_.]+)\"""", text):
            assert f"{section}.{key}" in words, f"{name} asks for {section}.{key}"


def test_the_list_of_runs_carries_names_as_text(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    folder = store.create(RunConfig(name="<img src=x onerror=alert(1)>"))
    value = listed(store.list(), folder.name)
    assert "<" not in value
    shown = json.loads(value)
    assert shown["chosen"] == folder.name
    assert shown["runs"][0]["name"] == "<img src=x onerror=alert(1)>"
    assert shown["runs"][0]["method"] == "sft"
