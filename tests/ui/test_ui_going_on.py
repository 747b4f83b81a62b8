"""What the page offers of a run that has ended, and of its checkpoints; nothing is trained here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.config.files import build
from studio.errors import ConfigError
from studio.runs import EventLog, RunStore
from studio.runs.checkpoint import write
from studio.runs.living import last_alive
from studio.runs.origin import ORIGIN, Origin, read_origin
from studio.services import Services, build_services
from studio.settings import Settings
from studio.ui.chosen import choice_of
from studio.ui.going_on import longer_by, told_of
from studio.ui.scrubber import _step, changes_of, checkpoints_of

FAILED = "The disk is full. Free some space and let the run go on, or start it again in another workspace."


@pytest.fixture
def services(settings: Settings) -> Services:
    return build_services(settings)


def a_run(store: RunStore, *, name: str, steps: tuple[int, ...] = (), end: str | None = None, **sections: Any) -> Path:
    folder = store.create(build({"name": name, **sections}))
    with EventLog(folder) as log:
        log.write("started", 0, total_steps=40)
        for step in steps:
            facts = {"total_steps": 40, "epoch": step / 10, "figures": {"loss": 2 / step, "eval_loss": 3 / step}}
            write(folder, step, lambda made: (made / "part").write_text("part"), facts=facts)
            log.write("checkpoint", step)
        if end == "failed":
            log.tell("failed", FAILED)
        elif end:
            log.write(end, step=steps[-1] if steps else 0, message="It is over.")
    return folder


def test_a_run_that_ended_is_told_with_the_next_step(services: Services) -> None:
    store = services.store
    failed = store.open(a_run(store, name="broken", steps=(4, 8), end="failed").name)
    said = told_of(failed, "en", step=8)
    assert said[0] == FAILED and "up to step 8 is kept" in said[1] and "branch" in said[1]
    assert "磁盘" in told_of(failed, "zh", step=8)[0]
    assert "press Train" in told_of(failed, "en", step=None)[1]
    cut = store.open(a_run(store, name="cut", steps=(4,)).name)
    assert "up to step 4 is kept" in told_of(replace(cut, status="interrupted"), "en", step=4)[0]


def test_longer_is_in_steps_where_steps_were_counted(services: Services) -> None:
    counted = services.store.open(a_run(services.store, name="a", steps=(40,), training={"max_steps": 40}).name)
    assert longer_by(counted, 20) == {"training.max_steps": 60}
    epochs = services.store.open(a_run(services.store, name="b", training={"num_train_epochs": 2}).name)
    for record, wrong in ((counted, (None, 0, 1.5, -3)), (epochs, (None, 0, -1))):
        for more in wrong:
            with pytest.raises(ConfigError, match="Say how many"):
                longer_by(record, more)
    assert longer_by(epochs, 1.5) == {"training.num_train_epochs": 3.5}


def test_the_scrubber_is_sent_each_checkpoint_with_its_figures(services: Services) -> None:
    parent = a_run(services.store, name="parent", steps=(4, 8), end="stopped")
    told = checkpoints_of(services, parent.name)
    figures = [(one["step"], one["loss"], one["eval_loss"]) for one in told["checkpoints"]]
    assert figures == [(4, 0.5, 0.75), (8, 0.25, 0.375)]
    assert told["total"] == 40 and told["origin"] is None and told["settings"]["max_steps"] == -1
    child = a_run(services.store, name="child")
    (child / ORIGIN).write_text(json.dumps({"kind": "branch", "run_id": parent.name, "step": 4}), encoding="utf-8")
    assert checkpoints_of(services, child.name)["origin"] == {
        "kind": "branch", "run": parent.name, "name": "parent", "step": 4,
    }  # fmt: skip
    (child / ORIGIN).write_text(json.dumps({"kind": "branch", "run_id": "../x", "step": 4}), encoding="utf-8")
    assert checkpoints_of(services, child.name)["origin"]["run"] is None
    for text in ("", "[]", '{"kind": "other"}', '{"kind": "branch", "step": true}'):
        (child / ORIGIN).write_text(text, encoding="utf-8")
        assert read_origin(child) in (None, Origin("branch"))


def test_a_branch_takes_only_what_is_another_and_would_train_something(services: Services) -> None:
    run = services.store.open(a_run(services.store, name="a", steps=(20, 40), training={"max_steps": 40}).name)
    same = {"learning_rate": "0.0002", "max_steps": "40", "name": "x"}
    assert changes_of(run, 20, same) == {}
    assert changes_of(run, 20, {**same, "learning_rate": "1e-5"}) == {"training.learning_rate": 1e-5}
    assert changes_of(run, 40, {**same, "max_steps": "60"}) == {"training.max_steps": 60}
    with pytest.raises(ConfigError, match="would train nothing"):
        changes_of(run, 40, same)
    for text in ("fast", "nan", "1e999"):
        with pytest.raises(ConfigError, match="has to be a number"):
            changes_of(run, 20, {**same, "learning_rate": text})
    with pytest.raises(ConfigError, match="has to be a number"):
        changes_of(run, 20, {**same, "max_steps": "50.5"})


def test_chat_offers_a_cut_run_by_its_last_checkpoint_and_the_chosen_one_by_all(services: Services) -> None:
    cut = a_run(services.store, name="cut", steps=(4, 8))
    saved = a_run(services.store, name="saved", steps=(20, 40), end="finished")
    (saved / "adapter").mkdir()
    (saved / "adapter" / "adapter_model.safetensors").write_bytes(b"")

    def values(chosen: str | None) -> tuple[list[str], str]:
        choice = choice_of(services, chosen)
        return sorted(value for _, value in choice["choices"]), choice["value"]

    assert values(None) == (sorted([f"{cut.name}@8", saved.name]), saved.name)
    assert values(f"{saved.name}@20") == (
        sorted([f"{cut.name}@8", saved.name, f"{saved.name}@20", f"{saved.name}@40"]), f"{saved.name}@20",
    )  # fmt: skip
    assert values(cut.name) == (sorted([f"{cut.name}@4", f"{cut.name}@8", saved.name]), f"{cut.name}@8")
    assert values("gone@3")[1] == saved.name


def test_the_run_that_trained_last_need_not_be_the_newest(services: Services) -> None:
    older, newer = (a_run(services.store, name=name) for name in ("older", "newer"))
    with EventLog(older) as log:
        log.write("resumed", 0)
    found = last_alive(services.store.list())
    assert found is not None and found.run_id == older.name != newer.name
    assert last_alive([]) is None


def test_what_the_page_sends_is_checked() -> None:
    assert _step(SimpleNamespace(step=4)) == 4  # type: ignore[arg-type]
    for step in (-1, True, "4", None, 1.5):
        with pytest.raises(ConfigError, match="There is no checkpoint of step"):
            _step(SimpleNamespace(step=step))  # type: ignore[arg-type]
