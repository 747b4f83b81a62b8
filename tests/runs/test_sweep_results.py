"""Results of sweeps, read from their runs alone."""

from __future__ import annotations

import pytest

from studio.config.sweep import Sweep, make_sweep
from studio.errors import WorkspaceError
from studio.runs.events import EventLog
from studio.runs.store import RunStore
from studio.runs.sweep import ORIGIN, mark, results_of, runs_of, sweeps_of
from studio.settings import Settings


@pytest.fixture
def store(settings: Settings) -> RunStore:
    return RunStore(settings.runs_dir)


def sweep_of(*rates: float) -> Sweep:
    return make_sweep({}, grid={"training.learning_rate": list(rates), "adapter.r": [8]}, name="My rates!", where="x")


def ran(store: RunStore, sweep: Sweep, number: int, *, loss: float | None) -> str:
    """A run of one point; without a loss it failed."""
    point = sweep.points[number - 1]
    run_dir = store.create(point.config)
    mark(run_dir, sweep, point)
    with EventLog(run_dir) as log:
        if loss is None:
            log.write("failed", message="no")
        else:
            log.write("finished", 3, message="yes", metrics={"loss": 9 - loss, "eval_loss": loss})
    return run_dir.name


def test_results_are_those_of_its_runs_in_order(store: RunStore) -> None:
    sweep = sweep_of(1e-4, 2e-4, 3e-4)
    third, first = ran(store, sweep, 3, loss=0.5), ran(store, sweep, 1, loss=0.7)
    other = ran(store, sweep_of(5e-4), 1, loss=0.1)
    results = results_of(store, sweep.sweep_id)
    assert [one.run.run_id for one in results.runs] == [first, third] and results.total == 3
    assert results.keys == ("training.learning_rate", "adapter.r") and results.figure == "eval_loss"
    assert results.best == third
    told = results.as_json()["runs"][1]
    assert told["values"] == {"training.learning_rate": 3e-4, "adapter.r": 8} and told["metrics"]["eval_loss"] == 0.5
    assert [(one["runs"], one["total"]) for one in sweeps_of(store)] == [(1, 1), (2, 3)] and other
    assert sweep.sweep_id.startswith("my-rates-")


def test_a_point_that_failed_is_run_again_and_the_finished_run_counts(store: RunStore) -> None:
    sweep = sweep_of(1e-4, 2e-4)
    good = ran(store, sweep, 1, loss=0.7)
    ran(store, sweep, 1, loss=None)
    ran(store, sweep, 2, loss=None)
    assert runs_of(store, sweep.sweep_id)[1].run_id == good
    assert [one.run.status for one in results_of(store, sweep.sweep_id).runs] == ["finished", "failed"]
    assert sweeps_of(store)[0]["runs"] == 2


def test_a_loss_that_is_no_number_is_not_the_best(store: RunStore) -> None:
    sweep = sweep_of(1e-4, 2e-4)
    ran(store, sweep, 1, loss=float("nan"))
    good = ran(store, sweep, 2, loss=3.0)
    assert results_of(store, sweep.sweep_id).best == good


@pytest.mark.parametrize(
    "text", ["", "[]", '{"kind": "sweep"}', '{"kind": "branch", "run_id": "a"}', '{"kind": "sweep", "sweep": 1}']
)
def test_an_origin_that_is_something_else_is_no_sweep(store: RunStore, text: str) -> None:
    sweep = sweep_of(1e-4)
    run_id = ran(store, sweep, 1, loss=1.0)
    (store.runs_dir / run_id / ORIGIN).write_text(text, encoding="utf-8")
    assert sweeps_of(store) == [] and runs_of(store, sweep.sweep_id) == {}
    with pytest.raises(WorkspaceError, match="There is no sweep"):
        results_of(store, "../../etc")
