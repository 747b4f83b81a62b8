"""A figure as a curve of bounded size: no spike is lost, and what is new is read from where it was left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.runs import EventLog
from studio.runs.events import EVENTS
from studio.runs.series import Point, Series, Thinner, smoothed


def point(step: int, value: float) -> Point:
    return Point(step, step / 10, None, float(step), value, value)


@pytest.mark.parametrize("count", [1, 2, 99, 1500, 1501, 50_000])
def test_no_spike_is_lost_and_the_ends_stay(count: int) -> None:
    thinner = Thinner(1500)
    spikes = {count // 3: 99.0, count // 2: -99.0}
    for step in range(count):
        thinner.add(point(step, spikes.get(step, 1.0 + (step % 7) / 100)))
    found = thinner.points()
    assert len(found) <= 1500
    assert {spikes[step] for step in spikes} <= {one.value for one in found}
    assert (found[0].step, found[-1].step) == (0, count - 1)
    steps = [one.step for one in found]
    assert steps == sorted(set(steps))
    if count > 1500:
        assert sorted(one.mean for one in found)[len(found) // 2] == pytest.approx(1.03, abs=0.01)


def test_only_what_is_new_is_read_and_a_resumed_run_is_read_anew(tmp_path: Path) -> None:
    series = Series(tmp_path, ["loss"])
    assert series.refresh().points("loss") == ([], []) and series.read == 0
    with EventLog(tmp_path) as log:
        for step in (1, 2, 3):
            log.write("log", step, loss=float(step), epoch=step / 10, num_tokens=step * 10)
        log.write("evaluated", 3, eval_loss=5.0, eval_runtime=2.0)
        logged, evaluated = series.refresh().points("loss")
        assert [one.value for one in logged] == [1, 2, 3] and [one.value for one in evaluated] == [5]
        assert (evaluated[0].epoch, evaluated[0].tokens) == (0.3, 30), "an evaluation lies where its step does"
        assert series.names == ["loss"]
        before = series.read
        log.write("log", 4, loss=4.0, grad_norm=0.1)
        assert [one.step for one in series.refresh().points("loss")[0]] == [1, 2, 3, 4] and series.read > before
        assert series.names == ["loss", "grad_norm"]
        log.write("resumed", 2)
        log.write("log", 3, loss=30.0)
    assert [one.value for one in series.refresh().points("loss")[0]] == [1, 2, 30]


def test_without_names_every_figure_is_there(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        log.write("log", 1, loss=1.0, grad_norm=2.0, eta_seconds=9)
        log.write("log", 2, loss=float("nan"), grad_norm=3.0)
        log.write("evaluated", 2, eval_bleu=7.0)
    series = Series(tmp_path).refresh()
    assert series.names == ["loss", "grad_norm", "bleu"]
    assert [one.step for one in series.points("loss")[0]] == [1], "what is no number leaves a gap"
    assert series.points("bleu")[1][0].value == 7


def test_smoothing_does_not_hold_the_first_points_back() -> None:
    values = [value for _, value in smoothed([point(step, 2.0) for step in range(1, 50)], 0.97)]
    assert values == pytest.approx([2.0] * 49)


def test_a_log_that_was_cut_is_read_again(tmp_path: Path) -> None:
    line = json.dumps({"time": 1, "kind": "log", "step": 1, "loss": 1.0}) + "\n"
    (tmp_path / EVENTS).write_text(line * 3)
    series = Series(tmp_path, ["loss"]).refresh()
    (tmp_path / EVENTS).write_text(line)
    assert len(series.refresh().points("loss")[0]) == 1


def test_a_long_log_is_read_in_parts(tmp_path: Path) -> None:
    line = '{"time": 1.0, "kind": "log", "step": %d, "loss": 0.5}\n'
    (tmp_path / EVENTS).write_text("".join(line % step for step in range(1, 3001)))
    series, parts = Series(tmp_path, ["loss"]), 0
    series.refresh(seconds=0)
    while series.left:
        series.refresh(seconds=0)
        parts += 1
    assert parts == 2 and series.points("loss")[0][-1].step == 3000
