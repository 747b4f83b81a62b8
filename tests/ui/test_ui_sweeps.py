"""Sweeps without a page: what the results are asked for, what is queued, and what the header says of an end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.config.sweep import Sweep, make_sweep
from studio.runs.events import EventLog
from studio.runs.sweep import mark
from studio.services import Services, build_services
from studio.settings import Settings
from studio.ui.header import ending_of
from studio.ui.sweeps import found, queue_sweep


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_services(Settings(mode="local", workspace=tmp_path / "w", cache=tmp_path / "c"))


def sweep_of(name: str = "rates") -> Sweep:
    return make_sweep({"name": name}, grid={"training.learning_rate": [1e-3, 1e-4]}, name=name, where="the sweep")


def test_results_are_of_the_asked_sweep_else_the_newest(services: Services) -> None:
    assert found(services)["sweeps"] == [] and found(services)["shown"] is None
    for sweep in (sweep_of("one"), sweep_of("two")):
        run_dir = services.store.create(sweep.points[0].config)
        mark(run_dir, sweep, sweep.points[0])
    told = found(services, {"sweep": sweep_of("one").sweep_id})
    assert {one["name"] for one in told["sweeps"]} == {"one", "two"} and told["shown"]["name"] == "one"
    assert found(services, {"sweep": sweep_of("one").sweep_id, "mark": told["mark"]}) == {"mark": told["mark"]}
    for asked in (None, "x", {"sweep": 3}, {"sweep": "../../etc"}, {"sweep": ["a"]}):
        assert found(services, asked)["shown"]["total"] == 2


def test_points_that_wait_are_not_queued_twice(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(services.worker), "_go_on", lambda self: None)  # nothing trains here
    sweep = sweep_of()
    assert queue_sweep(services, sweep) == 2
    assert [one.run_id for one in services.worker.queue.entries()] == [
        one["run_id"] for one in found(services)["shown"]["runs"]
    ]
    assert {one["status"] for one in found(services)["shown"]["runs"]} == {"queued"}
    assert queue_sweep(services, sweep) == 0, "a second click"


def test_the_end_of_a_run_is_told_in_words(services: Services) -> None:
    run_dir = services.store.create(sweep_of().points[0].config)
    assert ending_of(services, run_dir.name) == {}, "it has not ended"
    with EventLog(run_dir) as log:
        log.tell("finished", "Finished after {steps} steps. What was learned is saved.", {"steps": 3}, step=3)
        log.tell("warning", "something after the end")
    told = ending_of(services, run_dir.name)
    assert told["status"] == "finished" and told["name"] == "rates learning_rate=0.001"
    assert told["message"] == "rates learning_rate=0.001: Finished after 3 steps. What was learned is saved."
    asked: list[Any] = [None, "", "../x", {"run": 1}]
    assert all(ending_of(services, one) == {} for one in asked)
