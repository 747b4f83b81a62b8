"""The Runs tab behind its buttons: what the table is sent, and that ids from the page are never paths."""

from __future__ import annotations

import json
import re
import time
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from studio.config import RunConfig
from studio.errors import BusyError, WorkspaceError
from studio.runs import EventLog
from studio.runs.bin import Bin
from studio.runs.labels import annotate, rename, tag
from studio.runs.store import hold
from studio.services import Services, build_services
from studio.settings import ASSETS, Settings
from studio.ui.runs_table import delete_runs, listed, sizes_of
from studio.ui.tabs.runs import copy_of
from studio.ui.words import flat_words

MARKUP = "<img src=x onerror=window.hit=1>"


@pytest.fixture
def services(settings: Settings) -> Services:
    return build_services(settings)


def trained(services: Services, name: str = "run") -> str:
    folder = services.store.create(RunConfig(name=name))
    with EventLog(folder) as log:
        log.write("log", 3, loss=1.5)
        log.write("finished", 3)
    return folder.name


def test_the_table_is_sent_text_and_nothing_empty(services: Services) -> None:
    run_id = trained(services)
    rename(services.store.open(run_id).path, MARKUP)
    annotate(services.store.open(run_id).path, f"{MARKUP}{'x' * 1000}")
    tag(services.store.open(run_id).path, add=["<b>"])
    value = listed(services.store.list(), run_id, in_bin=2, undo=[{"entry": "e", "name": MARKUP}])
    assert "<" not in value
    [row] = json.loads(value)["runs"]
    assert (row["name"], row["tags"], row["data"], row["train_loss"]) == (MARKUP, ["<b>"], "starter", 1.5)
    assert row["notes"].startswith(MARKUP) and len(row["notes"]) == 400
    assert "eval_loss" not in row and "total" not in row


def test_a_thousand_runs_are_sent_in_little(services: Services) -> None:
    record = services.store.open(trained(services))
    began = time.perf_counter()
    value = listed([record] * 1000, None)
    assert len(value) < 300_000 and time.perf_counter() - began < 0.5


def test_sizes_only_read_and_add_up(services: Services) -> None:
    kept, gone = trained(services, "kept"), trained(services, "gone")
    Bin(services.store).delete(gone)
    before = sorted(services.settings.workspace.rglob("*"))
    told = sizes_of(services)
    assert sorted(services.settings.workspace.rglob("*")) in (
        before,
        sorted([*before, services.store.runs_dir / ".index.json"]),
    )
    assert set(told["runs"]) == {kept} and told["total"] == told["runs"][kept] > 0
    assert told["bin"] > 0 and told["all"] >= told["total"] + told["bin"] and told["free"] > 0
    assert services.store.open(kept).bytes == told["runs"][kept], "known from now on"


def test_what_can_be_deleted_is_and_the_rest_is_told(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    first, lives = trained(services, "first"), services.store.create(RunConfig(name="lives")).name
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", warned.append)
    with hold(services.store.runs_dir / lives):
        gone = delete_runs(services, [lives, first, "../../etc"])
        assert [one["name"] for one in gone] == ["first"] and len(warned) == 2
        with pytest.raises(BusyError):
            delete_runs(services, [lives])
    with pytest.raises(WorkspaceError):
        delete_runs(services, ["../x"])
    assert Bin(services.store).restore(gone[0]["entry"]) == first


def test_a_duplicate_is_a_draft_of_its_own(services: Services) -> None:
    record = services.store.open(trained(services, "run"))
    rename(record.path, "called so")
    copy = copy_of(services.store.open(record.run_id))
    assert copy.name == "called so (copy)" and copy.training == record.config().training
    rename(record.path, "x" * 80)
    assert len(copy_of(services.store.open(record.run_id)).name or "") <= 80


def test_every_column_and_filter_has_its_texts() -> None:
    text = (ASSETS / "runs.js").read_text(encoding="utf-8")
    names = re.findall(r'"(\w+)"', " ".join(re.findall(r"const (?:COLUMNS|FILTERS) = \[(.*?)\]", text)))
    assert len(names) == 15
    for lang in ("en", "zh"):
        words = flat_words(lang)
        assert all(f"runs.{name}" in words for name in names)
        for status in ("queued", "running", "paused", "finished", "stopped", "failed", "interrupted"):
            assert f"live.status.{status}" in words


def handlers(services: Services) -> dict[str, Any]:
    """The tab's handlers by name."""
    from studio.ui.app import build_page

    blocks, _ = build_page(services)
    return {one.fn.__name__: one.fn for one in blocks.fns.values() if one.fn and "runs" in (one.fn.__module__ or "")}


def test_what_the_page_sends_is_checked(services: Services) -> None:
    run_id = trained(services)
    found = handlers(services)
    event = SimpleNamespace(_data={"picked": [run_id, "../x", 5, None, "gone"], "runs": "no list"})
    assert json.loads(found["pick"](event)) == [run_id]
    assert json.loads(found["pick"](SimpleNamespace(_data=None))) == []
    with pytest.raises(gr.Error):
        found["call_it"]("../../x", "name")
    with pytest.raises(gr.Error):
        found["duplicate"]("../../x")
