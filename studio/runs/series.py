"""One figure of a run as a curve of bounded size in which no spike is lost: of each stretch the lowest and the highest
value stay. Read once; what is added to the log later is read from there on. Draws nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from studio.runs.events import EVENTS, Event
from studio.runs.metrics import EVALUATION, PACE, PLACES, TABLED, Clock, Resumed, kept, resumes_of
from studio.runs.track import Track, finite

MOST_POINTS = 1500
# What an event has beside figures, and what says how fast it went.
NO_FIGURES = frozenset({"kind", *PLACES, "eta_seconds", "elapsed_seconds"}) | PACE


class Point(NamedTuple):
    """Where a value lies, by each axis there is, and the mean of the stretch that it stands for."""

    step: int
    epoch: float | None
    tokens: float | None
    seconds: float
    value: float
    mean: float


class Thinner:
    """Takes any number of points one by one, and gives `most` at most: of each stretch the lowest and the highest."""

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._track = Track((most - 2) // 2)
        self._first: Point | None = None
        self._last: Point | None = None
        self._count = 0

    def add(self, point: Point) -> None:
        self._first = self._first or point
        self._last = point
        self._track.add(self._count, point.step, point.value, point)
        self._count += 1

    def points(self) -> list[Point]:
        """In the order they came; the first and the last are always among them."""
        found: dict[int, Point] = {}
        for _, low, high, mean in self._track.stretches(self._track.room):
            for _, point in (low, high):
                found[point.step] = point._replace(mean=mean)
        for end in (self._first, self._last):
            if end is not None:
                found.setdefault(end.step, end)
        return [found[step] for step in sorted(found)]


@dataclass
class Figure:
    """One figure: as it was logged while training, and as evaluations found it (`eval_` and its name)."""

    logged: Thinner
    evaluated: Thinner


class Series:
    """Figures of a run by their names: the ones asked for, else all there are."""

    def __init__(self, run_dir: Path, figures: Sequence[str] | None = None, *, most: int = MOST_POINTS) -> None:
        self._path, self._asked, self._most = run_dir / EVENTS, figures, most
        self._resumes: list[Resumed] = []
        self._searched = 0  # up to where resumes were looked for
        self.size = self.left = 0  # bytes of the log, and of those that are still to be read
        self._begin()

    def _begin(self) -> None:
        self.read = 0  # bytes of the log that are in it
        self._clock = Clock()
        self._place: tuple[float | None, float | None] = (None, None)
        self._names: dict[str, None] = {}
        self.names: list[str] = []  # all figures of the run as they came; those of evaluations without `eval_`
        self._figures = {name: self._empty() for name in self._asked or ()}

    def _empty(self) -> Figure:
        return Figure(Thinner(self._most), Thinner(self._most))

    def points(self, figure: str) -> tuple[list[Point], list[Point]]:
        """As logged, and as evaluated."""
        found = self._figures.get(figure)
        return (found.logged.points(), found.evaluated.points()) if found else ([], [])

    def refresh(self, *, seconds: float | None = None) -> Series:
        """Read what is new, for so many seconds at most; `left` says what is still to be read. A run that went on from
        an earlier step is read again from its beginning."""
        new, self._searched = resumes_of(self._path, self._searched)
        self._resumes += new
        self.size = self._path.stat().st_size if self._path.exists() else 0
        if self.size < self.read:
            self._resumes, self._searched = resumes_of(self._path)
            self._begin()
        elif self.read and new:
            self._begin()
        until = None if seconds is None else time.monotonic() + seconds
        self.left = 0
        for count, (end, event) in enumerate(kept(self._path, self.read, resumes=self._resumes)):
            self.read = end
            elapsed = self._clock.at(event)
            if event["kind"] in TABLED:
                self._take(event, elapsed)
            if until is not None and count % 1000 == 999 and time.monotonic() > until:
                self.left = self.size - end
                break
        return self

    def _take(self, event: Event, seconds: float) -> None:
        if event.keys() - self._names.keys() - NO_FIGURES:
            numbers = (name for name, value in event.items() if finite(value) is not None)
            self._names.update(dict.fromkeys(name for name in numbers if name not in NO_FIGURES))
            self.names = list(dict.fromkeys(name.removeprefix(EVALUATION) for name in self._names))
        prefix = EVALUATION if event["kind"] == "evaluated" else ""
        epoch, tokens = finite(event.get("epoch")), finite(event.get("num_tokens"))
        self._place = (self._place[0] if epoch is None else epoch, self._place[1] if tokens is None else tokens)
        step = event.get("step")
        at = step if isinstance(step, int) else 0
        for name in self.names if self._asked is None else self._asked:
            value = finite(event.get(prefix + name))
            if value is not None:
                figure = self._figures.get(name) or self._figures.setdefault(name, self._empty())
                (figure.evaluated if prefix else figure.logged).add(Point(at, *self._place, seconds, value, value))


def smoothed(points: list[Point], factor: float) -> Iterator[tuple[Point, float]]:
    """Each point with the moving average there: weights fall by `factor` a step, and the first are not held back."""
    total, weights, before = 0.0, 0.0, 0
    for point in points:
        weight = factor ** max(1, point.step - before)
        total = weight * total + (1 - weight) * point.mean
        weights = weight * weights + (1 - weight)
        before = point.step
        yield point, total / weights if weights else point.mean
