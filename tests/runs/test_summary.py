"""A log in short: no spike is lost, whatever comes when; a damaged or strange summary is as none."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.runs import RunStore
from studio.runs.events import EVENTS, EventLog, first_event, in_force, last_events, parsed
from studio.runs.summaries import Summaries
from studio.runs.summary import FIGURES, LOSS, SERIES, SUMMARY, TAIL, Summary, keep, load, sketch, summed
from studio.runs.track import Track

LIMIT = 1500


def spiky(seed: int, steps: int) -> list[dict[str, Any]]:
    """Logs with rare spikes in every figure."""
    rng = random.Random(seed)
    events: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        figures = {name: rng.random() * (rng.choice([1, 1e6, -1e6]) if rng.random() < 2e-4 else 1) for name in SERIES}
        kl = rng.random() + (999 if rng.random() < 2e-4 else 0)
        events.append({"kind": "log", "step": step, "time": 1e9 + step, "epoch": step / 100, **figures, "kl": kl})
        if step % 20 == 0:
            lost = rng.random() + (99 if rng.random() < 1e-2 else 0)
            events.append({"kind": "evaluated", "step": step, "eval_loss": lost, "eval_bleu": rng.random()})
    return events


def write(folder: Path, events: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / EVENTS
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


def read(folder: Path) -> Summary:
    made = Summary()
    assert made.read(folder / EVENTS)
    return made


def told(summary: Summary) -> tuple[Any, ...]:
    return (
        summary.rows(LIMIT),
        summary.notes(600),
        {name: summary.points(name, 400) for name in summary.names()},
        summary.answered,
        summary.eta,
    )


@pytest.mark.parametrize("seed", range(4))
def test_every_figures_spikes_are_among_what_is_sent(seed: int) -> None:
    events = spiky(seed, random.Random(seed).randint(1600, 12_000))
    logs = [event for event in events if event["kind"] == "log"]
    rows = (summary := summed(events)).rows(LIMIT)
    assert len(rows) <= LIMIT
    steps = [row[0] for row in rows]
    assert steps == sorted(set(steps))
    latest = [[one.get(name) for name in FIGURES] for one in logs[-TAIL:]]
    assert [row[: len(FIGURES)] for row in rows[-TAIL:]] == latest
    by_step = {row[0]: row for row in rows}
    for at, name in enumerate(SERIES, LOSS):
        values = [event[name] for event in logs]
        assert {min(values), max(values)} <= {row[at] for row in rows}, name
        for end, low, high, mean in summary.tracks[name].stretches(407 if name == "loss" else 62):
            assert by_step[low[1][0]][at] == low[1][at] and by_step[high[1][0]][at] == high[1][at]
            assert low[1][at] <= mean <= high[1][at] and end >= max(low[0], high[0])
    kl = [event["kl"] for event in logs]
    points = summary.points("kl", 400)
    assert len(points) <= 400 and {min(kl), max(kl)} <= {value for _, value in points}
    lost = [event["eval_loss"] for event in events if event["kind"] == "evaluated"]
    notes = summary.notes(600)
    assert len(notes) <= 700 and {min(lost), max(lost)} <= {note["eval_loss"] for note in notes}


def test_each_stretch_of_a_track_has_its_lowest_and_highest() -> None:
    rng = random.Random(5)
    values = [rng.gauss(0, 1) for _ in range(5000)]
    track = Track(64)
    for at, value in enumerate(values):
        track.add(at, at, value, [at, value])
    begin = 0
    for end, low, high, mean in track.stretches(30):
        stretch = values[begin : end + 1]
        assert low[1][1] == min(stretch) and high[1][1] == max(stretch)
        assert mean == pytest.approx(sum(stretch) / len(stretch))
        begin = end + 1
    assert begin == len(values)


def test_what_is_kept_does_not_grow_with_the_log(tmp_path: Path) -> None:
    sizes = []
    for steps in (20_000, 40_000):
        made = Summary()
        event = {"kind": "log", "step": 0, "loss": 1.25, "epoch": 0.5, "kl": 0.25, "time": 1e9}
        for step in range(steps):
            made.take({**event, "step": step}, step, step + 1)
        made.save(tmp_path)
        sizes.append((tmp_path / SUMMARY).stat().st_size)
    assert max(sizes) < 2.2 * min(sizes) < 4_000_000


@pytest.mark.parametrize("seed", range(6))
def test_void_events_leave_no_trace_wherever_the_run_went_on(seed: int, tmp_path: Path) -> None:
    """A log with resumes, read in pieces as it grows, tells what one without the void events does."""
    rng = random.Random(seed)
    events: list[dict[str, Any]] = [{"kind": "started", "step": 0, "total_steps": 9999}]
    step = 0
    for event in spiky(seed, 6000):
        step += 1
        events.append({**event, "step": step} if event["kind"] == "log" else event)
        if event["kind"] == "evaluated":
            events[-1] = {**event, "step": step}
        if step % 50 == 0:
            events.append({"kind": "sample", "step": step, "policy": "x"})
        if rng.random() < 1 / 1500:
            step = rng.randint(0, step)
            events.append({"kind": "resumed", "step": step})
    path = write(tmp_path / "grows", [])
    grown = Summary()
    lines = [json.dumps(event) + "\n" for event in events]
    at = 0
    while at < len(lines):
        until = at + rng.randint(1, 1500)
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(lines[at:until]))
        at = until
        grown.read(path)
    whole = read(tmp_path / "grows")
    write(tmp_path / "clean", in_force(events))
    clean = read(tmp_path / "clean")
    for one in (grown, whole):
        for name, track in clean.tracks.items():
            mine = one.tracks[name]._stretches
            values = [event[name] for event in in_force(events) if name in event]
            begin = 0
            for part in mine:
                held = values[begin : begin + part.count]
                assert (part.under, part.most) == (min(held), max(held)), name
                assert part.total == pytest.approx(sum(held), abs=1e-6, rel=1e-6)
                begin += part.count
            assert begin == len(values) == sum(part.count for part in track._stretches)
        assert sorted(one.answered) == sorted(clean.answered)
        assert [note["step"] for note in one.notes(600) if note["kind"] == "resumed"] == [
            event["step"] for event in events if event["kind"] == "resumed"
        ]
        assert max(row[0] for row in one.rows(LIMIT)) == max(row[0] for row in clean.rows(LIMIT))


def test_a_summary_on_disk_goes_on_where_it_ended(tmp_path: Path) -> None:
    events = spiky(3, 4000)
    path = write(tmp_path, events[:2500])
    keep(tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(event) + "\n" for event in events[2500:]) + '{"kind": "log", "st')
    going_on = load(tmp_path)
    assert going_on.offset > 0
    going_on.read(path)
    assert told(going_on) == told(read(tmp_path))


@pytest.mark.parametrize("spoil", ["cut", "empty", "list", "words", "version", "log"])
def test_a_summary_that_cannot_be_used_is_as_none(spoil: str, tmp_path: Path) -> None:
    path = write(tmp_path, spiky(1, 300))
    right = told(read(tmp_path))
    keep(tmp_path)
    kept = tmp_path / SUMMARY
    text = kept.read_text()
    words = text.replace('"tail": [', '"tail": [7, ')
    spoiled = {
        "cut": text[: len(text) // 2],
        "empty": "",
        "list": "[1]",
        "words": words,
    }
    if spoil == "version":
        kept.write_text(text.replace('"version": 1', '"version": 0'))
    elif spoil == "log":
        write(tmp_path, spiky(2, 400))
        right = told(read(tmp_path))
    else:
        kept.write_text(spoiled[spoil])
    assert load(tmp_path).offset == 0
    with Summaries().of(tmp_path) as (summary, whole):
        assert whole and told(summary) == right
    assert path.is_file()


def test_a_sample_shows_both_ends_and_goes_only_forward(tmp_path: Path) -> None:
    events = spiky(1, 9000)
    events[6000:6000] = [{"kind": "resumed", "step": 200}]
    events[6001:] = [{**one, "step": at + 201} for at, one in enumerate(events[6001:])]
    rows = sketch(write(tmp_path, events), windows=40).rows(LIMIT)
    steps = [row[0] for row in rows]
    assert (
        steps[0] == 1
        and steps[-1] == max(one["step"] for one in events[6001:] if one["kind"] == "log")
        and steps == sorted(set(steps))
    )


def test_the_writer_keeps_a_summary_beside_a_long_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.runs.events.SUMMED", 20_000)
    with EventLog(tmp_path) as log:
        for step in range(1, 2000):
            log.write("log", step, loss=1 / step)
        log._summing.join(10)
    summary = load(tmp_path)
    assert summary.offset > 20_000
    summary.read(tmp_path / EVENTS)
    assert told(summary) == told(read(tmp_path))


def test_an_unfinished_line_is_left_for_later(tmp_path: Path) -> None:
    path = write(tmp_path, [{"kind": "log", "step": 1, "loss": 1.0}])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:10])
    summary = read(tmp_path)
    assert summary.offset == len(whole)
    path.write_bytes(
        whole + whole.replace(b'"step": 1', b'"step": 2') + b"not json\n" + whole.replace(b": 1,", b": 3,")
    )
    summary.read(path)
    assert [row[0] for row in summary.rows(10)] == [1, 2, 3]


def test_events_in_force_leave_out_what_a_resumed_run_wrote_anew() -> None:
    def log(step: int, kind: str = "log") -> dict[str, Any]:
        return {"kind": kind, "step": step}

    events = [
        log(1),
        log(2),
        log(3, "checkpoint"),
        log(9, "warning"),
        log(1, "resumed"),
        log(2),
        log(3),
        log(2, "resumed"),
    ]
    kept = in_force(events)
    assert kept == [log(1), log(9, "warning"), log(1, "resumed"), log(2), log(2, "resumed")]
    assert in_force(kept) == kept and in_force([]) == []


def test_a_run_tells_its_total_however_much_it_warned_before(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    folder = store.create(RunConfig())
    with EventLog(folder) as log:
        for _ in range(1000):
            log.write("warning", message="x" * 200)
        log.write("started", 0, total_steps=77)
        for step in range(1, 1500):
            log.write("log", step, loss=1.0)
    record = store.open(folder.name)
    assert (record.steps, record.total_steps) == (1499, 77)
    with EventLog(folder) as log:
        log.write("resumed", 1499, total_steps=4000)
        for step in range(1500, 3000):
            log.write("log", step, loss=1.0, said='"kind": "resumed"')
    record = store.open(folder.name)
    assert (record.steps, record.total_steps) == (2999, 4000)
    assert first_event(folder / EVENTS, "finished") is None and first_event(tmp_path / EVENTS, "log") is None


def test_a_last_line_longer_than_the_window_is_found(tmp_path: Path) -> None:
    write(tmp_path, [{"kind": "log", "step": 1}, {"kind": "failed", "step": 1, "message": "x" * 200_000}])
    assert last_events(tmp_path / EVENTS)[-1]["kind"] == "failed"
    assert parsed(b"[1]") is None
