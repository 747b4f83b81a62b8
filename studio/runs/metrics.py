"""The figures of a run as a table, a row for each step that was logged or evaluated, read as a stream: a run of a
million steps takes no more memory than one of ten. What a resumed run has made void is left out. Draws nothing.
"""

from __future__ import annotations

import csv
import json
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from studio.runs.events import EVENTS, NO_LOG, Event, parsed
from studio.runs.store import RunRecord

Row = dict[str, Any]
Resumed = tuple[int, int]  # where its line begins, and the step
PLACES = ("step", "epoch", "num_tokens", "seconds", "time")  # where a row lies; every other column is a figure
TABLED = ("log", "evaluated")
EVALUATION = "eval_"
PACE = frozenset({"eval_num_tokens", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second"})
NO_NUMBERS = frozenset({"nan", "inf", "-inf"})  # as the log writes them
KIND = b'"kind": "'


@dataclass
class Clock:
    """Seconds of training at an event. The hours that a run was not running are not among them, and a machine's clock
    that is set anew moves nothing while the logs say how long they took."""

    seconds: float = 0.0
    _time: float | None = None
    _elapsed: float | None = None

    def at(self, event: Event) -> float:
        time, elapsed = float(event.get("time") or 0), event.get("elapsed_seconds")
        if event["kind"] in ("started", "resumed"):
            self._time, self._elapsed = time, 0.0 if event["kind"] == "started" else None
            return self.seconds
        passed = 0.0 if self._time is None else max(0.0, time - self._time)
        if event["kind"] != "log":
            return round(self.seconds + passed, 3)
        if isinstance(elapsed, int | float):
            if self._elapsed is not None and elapsed >= self._elapsed:
                passed = elapsed - self._elapsed
            self._elapsed = elapsed
        self.seconds, self._time = round(self.seconds + passed, 3), time
        return self.seconds


def kept(
    path: Path, offset: int = 0, *, kinds: tuple[str, ...] = TABLED, resumes: Sequence[Resumed] | None = None
) -> Iterator[tuple[int, Event]]:
    """(where its line ends, event) for what still holds, from a byte offset on; an unfinished last line is left.

    `resumes` are all of the log, where they are known already.
    """
    marks = tuple(f'{KIND.decode()}{kind}"'.encode() for kind in (*kinds, "started", "resumed"))
    resumes = resumes_of(path)[0] if resumes is None else resumes
    limits = [min(step for _, step in resumes[at:]) for at in range(len(resumes))]
    at, here = 0, offset
    try:
        file = path.open("rb")
    except NO_LOG:
        return
    with file:
        file.seek(offset)
        for line in file:
            here += len(line)
            start = line.find(KIND, 0, 100)
            if not line.startswith(marks, start) or not line.endswith(b"\n"):
                continue
            event = parsed(line)
            while at < len(resumes) and here > resumes[at][0]:
                at += 1
            if event is not None and (at == len(resumes) or _step(event) <= limits[at]):
                yield here, event


def resumes_of(path: Path, offset: int = 0) -> tuple[list[Resumed], int]:
    """Each time that the run went on from a checkpoint, from a byte offset on; and where the last whole line ends."""
    found: list[Resumed] = []
    try:
        file = path.open("rb")
    except NO_LOG:
        return found, offset
    with file:
        if file.seek(0, 2) <= offset:
            return found, offset
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
            whole = log.rfind(b"\n") + 1
            at = log.find(KIND + b'resumed"', offset, whole)
            while at >= 0:
                start, end = log.rfind(b"\n", 0, at) + 1, log.find(b"\n", at)
                event = parsed(log[start:end])
                if event is not None and event["kind"] == "resumed":
                    found.append((start, _step(event)))
                at = log.find(KIND + b'resumed"', end, whole)
    return found, max(offset, whole)


def rows(run_dir: Path) -> Iterator[Row]:
    """The table, row by row. What was logged and what was evaluated at one step is one row."""
    clock, row = Clock(), dict[str, Any]()
    for _, event in kept(run_dir / EVENTS):
        seconds = clock.at(event)
        if event["kind"] not in TABLED:
            continue
        if row and row["step"] != _step(event):
            yield row
            row = {}
        places = {"step": _step(event), "seconds": seconds, "time": event.get("time")}
        row = {**places, **row, **{name: value for name, value in event.items() if is_number(value)}}
    if row:
        yield row


def evaluations(run_dir: Path) -> list[Row]:
    """`step` and the figures of each evaluation but those of its pace, without `eval_`; logs are not read for it."""
    found = []
    for _, event in kept(run_dir / EVENTS, kinds=("evaluated",)):
        if event["kind"] == "evaluated":
            figures = {
                name.removeprefix(EVALUATION): value
                for name, value in event.items()
                if name.startswith(EVALUATION) and name not in PACE and is_number(value)
            }
            found.append({"step": _step(event), **figures})
    return found


def columns_of(run_dir: Path) -> list[str]:
    """The columns of the table: where a row lies, then the figures, training's before those of evaluations."""
    found: dict[str, None] = {}
    for _, event in kept(run_dir / EVENTS):
        if event["kind"] in TABLED and event.keys() - found.keys() - {"kind"}:
            numbers = (name for name, value in event.items() if is_number(value))
            found.update(dict.fromkeys(("step", "seconds", *numbers)))
    figures = sorted((name for name in found if name not in PLACES), key=lambda name: name.startswith(EVALUATION))
    return [*(name for name in PLACES if name in found), *figures]


def write_csv(run_dir: Path, out: TextIO) -> int:
    """The table as CSV (RFC 4180); returns how many rows. A cell is empty where a step has no such figure."""
    count = 0
    writer = csv.DictWriter(out, columns_of(run_dir) or ["step"], restval="", extrasaction="ignore")
    writer.writeheader()
    for row in rows(run_dir):
        writer.writerow(row)
        count += 1
    return count


def write_json(record: RunRecord, out: TextIO) -> int:
    """One object: what run it is, and `rows`; each row has only the figures that its step has."""
    head = {name: getattr(record, name) for name in ("run_id", "name", "status", "method", "model")}
    out.write(json.dumps({**head, "columns": columns_of(record.path)}, ensure_ascii=False)[:-1] + ', "rows": [')
    count, written = 0, json.JSONEncoder(ensure_ascii=False).encode
    for count, row in enumerate(rows(record.path), 1):
        out.write(("\n" if count == 1 else ",\n") + written(row))
    out.write("\n]}\n")
    return count


def is_number(value: object) -> bool:
    """A figure; one that is no longer a number is one too, written as the log writes it."""
    if isinstance(value, str):
        return value in NO_NUMBERS
    return isinstance(value, int | float) and not isinstance(value, bool)


def _step(event: Event) -> int:
    step = event.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) else 0
