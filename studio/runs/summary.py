"""A run's log in short: a curve of bounded size for each figure, with each stretch's lowest and highest value, and the
first and last of what is told beside. Draws nothing.

A log of a million steps is 350 MB, seconds of reading. So whoever writes one keeps `.summary.json` beside it, and a
reader reads on from there. That file is a cache: the log alone is the truth, and a summary that is missing, torn or of
another log is made anew. Chosen over an index of byte offsets (which finds lines, but not the spikes between them).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from studio.runs.disk import write_whole
from studio.runs.events import EVENTS, VOIDED, Event, parsed
from studio.runs.track import Item, Track, finite

SUMMARY, VERSION = ".summary.json", 1
# A row is these figures of one `log` event, in this order.
FIGURES = ("step", "epoch", "time", "num_tokens", "loss", "mean_token_accuracy", "grad_norm", "learning_rate",
           "tokens_per_second", "memory_bytes")  # fmt: skip
LOSS = FIGURES.index("loss")
SERIES = FIGURES[LOSS:]
NOTED = ("eval_loss", "eval_mean_token_accuracy")  # drawn from whole notes, not from points
NOTE_FIELDS = (
    "time", "kind", "step", "message", "phase", "fraction", "eval_loss", "eval_mean_token_accuracy", "total_steps",
    "epochs", "rows", "device", "dtype", "seconds", "adapter", "template", "details", "eval_rougeL", "eval_bleu",
)  # fmt: skip
PLACES = frozenset({*FIGURES, "kind", "eta_seconds", "elapsed_seconds"})
MOST_NAMES = 96  # figures beside those of a row
TAIL = 60  # the last rows are kept as they are: the log lines under the plot show them
FIRST_NOTES, LAST_NOTES = 200, 400
MOST_STEPS = 500  # at which the model wrote something, the latest
CHUNK = 262_144
ROOM = {"loss": 1600, **dict.fromkeys(SERIES[1:], 248), **dict.fromkeys(NOTED, 200)}  # stretches; any other has 400
MARKED = 256  # bytes by which a log is known again


class Summary:
    """What a log holds up to `offset`. `read` goes on from there; nothing in it grows with the log."""

    def __init__(self) -> None:
        self.offset = 0
        self.mark = ""
        self.tracks: dict[str, Track] = {}
        self.first: list[Item] = []  # notes are [where its line begins, note]
        self.last: list[Item] = []
        self.tail: list[Item] = []
        self.answered: dict[int, list[int]] = {}  # step -> where its samples begin and end
        self.resumes: list[list[int]] = []  # [where its line begins, step]
        self.eta: float | None = None
        self._seen = 0  # up to where notes, tail and answers were read

    def read(self, path: Path, *, limit: int | None = None) -> bool:
        """Take in what is new, `limit` bytes at most; whether that was all."""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            until = size if limit is None else min(size, self.offset + limit)
            while self.offset < until:  # goes back where the run went on from an earlier step
                file.seek(self.offset)
                chunk = _lines(file, min(CHUNK, until - self.offset))
                if not chunk:  # an unfinished last line
                    break
                self._chunk(chunk)
            self.mark = _mark(file, self.offset)
        return until >= size

    def _chunk(self, chunk: bytes) -> None:
        at = self.offset
        for line in chunk.splitlines(keepends=True):
            end = at + len(line)
            self.offset = end
            event = parsed(line)
            if event is not None:
                self.take(event, at, end)
                if self.offset != end:
                    return
            at = end

    def take(self, event: Event, at: int, end: int) -> None:
        """One event, whose line lies from `at` to `end`. Events that a resumed run has made void leave no trace."""
        kind, step = event["kind"], _step(event)
        if kind == "resumed" and all(at != place for place, _ in self.resumes):
            self._resume(at, step)
            if self.offset < end:
                return  # it comes again
        if kind in VOIDED and any(at < place and step > limit for place, limit in self.resumes):
            return
        if kind == "log":
            self._log(event, step, at)
        elif kind == "evaluated":
            self._evaluated(event, step, at)
        if at < self._seen:
            return
        if kind == "sample":
            span = self.answered.setdefault(step, [at, end])
            span[1] = end
            while len(self.answered) > MOST_STEPS:
                del self.answered[min(self.answered)]
        elif kind != "log":
            (self.first if len(self.first) < FIRST_NOTES else self.last).append([at, _note(event)])
            del self.last[:-LAST_NOTES]

    def _log(self, event: Event, step: int, at: int) -> None:
        row = [finite(event.get(name)) for name in FIGURES]
        for name, value in zip(SERIES, row[LOSS:], strict=True):
            if value is not None:
                self._track(name).add(at, step, value, row)
        if event.keys() - PLACES:
            self._others(event, step, at)
        if at >= self._seen:
            self.tail.append([at, row])
            del self.tail[:-TAIL]
            self.eta = finite(event.get("eta_seconds"))

    def _evaluated(self, event: Event, step: int, at: int) -> None:
        note = None
        for name in NOTED:
            value = finite(event.get(name))
            if value is not None:
                note = note or _note(event)
                self._track(name).add(at, step, value, note)
        self._others(event, step, at)

    def _others(self, event: Event, step: int, at: int) -> None:
        for name, raw in event.items():
            if name in PLACES or name in NOTED or (value := finite(raw)) is None:
                continue
            if name in self.tracks or len(self.tracks) < MOST_NAMES:
                self._track(name).add(at, step, value, [step, value])

    def _track(self, name: str) -> Track:
        track = self.tracks.get(name)
        if track is None:
            track = self.tracks[name] = Track(ROOM.get(name, 400))
        return track

    def _resume(self, at: int, step: int) -> None:
        """The run went on from `step`: later values go, and what else their stretches held is read again."""
        self.resumes.append([at, step])
        for track in self.tracks.values():
            track.cut(step, at)
        self.first, self.last = ([one for one in notes if not _void(one[1], step)] for notes in (self.first, self.last))
        self.tail = [one for one in self.tail if (one[1][0] or 0) <= step]
        self.answered = {one: span for one, span in self.answered.items() if one <= step}
        self._seen = at
        self.offset = min([self.offset, *(track.seen for track in self.tracks.values())])

    # ---- what a page is given -----------------------------------------------------------------------------------
    def rows(self, limit: int, *, tail: int = TAIL) -> list[list[float | None]]:
        """At most `limit` rows: of each stretch those with the lowest and the highest loss, of wider ones those of
        every other figure, and the last `tail`. Thinned ones carry their stretch's mean loss as one figure more.
        """
        found: dict[int, list[float | None]] = {}
        others = SERIES[1:]
        spark = max(4, limit // 12)  # rows for each small curve's lowest and highest
        for name in others:
            for _, low, high, _ in self._stretches(name, spark // 2):
                found[low[0]], found[high[0]] = low[1], high[1]
        means: list[tuple[int, float]] = []  # up to which line each holds
        for last, low, high, mean in self._stretches("loss", (limit - tail - len(others) * spark) // 2):
            found[low[0]], found[high[0]] = low[1], high[1]
            means.append((last, mean))
        latest = self.tail[max(0, len(self.tail) - tail) :]
        rows: list[list[float | None]] = []
        number = 0
        for at in sorted(found.keys() - {at for at, _ in latest}):
            while number < len(means) and at > means[number][0]:
                number += 1
            rows.append([*found[at], means[number][1] if number < len(means) else None])
        return [*rows, *(row for _, row in latest)]

    def notes(self, limit: int) -> list[dict[str, Any]]:
        """At most about `limit` notes: how the run began, the latest, and the lowest and highest evaluations."""
        third = limit // 3
        latest = self.last[-third:] or self.first[-third:]
        found: dict[int, dict[str, Any]] = {at: note for at, note in (*self.first[:third], *latest)}  # noqa: C416
        for name in NOTED:
            for _, low, high, _ in self._stretches(name, limit // 12):
                found[low[0]], found[high[0]] = low[1], high[1]
        return [dict(found[at]) for at in sorted(found)]

    def points(self, name: str, limit: int) -> list[list[float]]:
        """At most `limit` points [step, value] of a figure that is not a row's."""
        found = {}
        for _, low, high, _ in self._stretches(name, limit // 2):
            found[low[0]], found[high[0]] = low[1], high[1]
        return [found[at] for at in sorted(found)]

    def names(self) -> list[str]:
        """The figures beside those of a row; those of evaluations begin with `eval_`."""
        return [name for name in self.tracks if name not in SERIES and name not in NOTED]

    def _stretches(self, name: str, most: int) -> list[tuple[int, Item, Item, float]]:
        track = self.tracks.get(name)
        return track.stretches(most) if track else []

    # ---- kept beside the log ---------------------------------------------------------------------------------
    def save(self, run_dir: Path) -> None:
        """Write it down. A folder that cannot be written is only read more slowly."""
        data = {name: value for name, value in vars(self).items() if name != "tracks"}
        data |= {"version": VERSION, "tracks": {name: track.plain() for name, track in self.tracks.items()}}
        with contextlib.suppress(OSError):
            write_whole(run_dir / SUMMARY, json.dumps(data, ensure_ascii=False))

    def belongs(self, path: Path) -> bool:
        """Whether the log still begins as it did when this was read."""
        try:
            with path.open("rb") as file:
                return bool(file.seek(0, 2) >= self.offset and _mark(file, self.offset) == self.mark)
        except OSError:
            return False


def load(run_dir: Path) -> Summary:
    """The summary that lies beside a run's log; an empty one where there is none that can be used."""
    try:
        data = json.loads((run_dir / SUMMARY).read_bytes())
        made = Summary()
        if data["version"] != VERSION:
            return made
        made.offset, made._seen, made.mark = int(data["offset"]), int(data["_seen"]), str(data["mark"])
        made.tracks = {str(name): Track.of(one) for name, one in data["tracks"].items()}
        made.first, made.last = ([[int(at), dict(note)] for at, note in data[name]] for name in ("first", "last"))
        made.tail = [[int(at), [finite(value) for value in row]] for at, row in data["tail"]]
        made.answered = {int(step): [int(at), int(end)] for step, (at, end) in data["answered"].items()}
        made.resumes = [[int(at), int(step)] for at, step in data["resumes"]]
        made.eta = finite(data["eta"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Summary()
    return made if made.belongs(run_dir / EVENTS) else Summary()


def keep(run_dir: Path) -> None:
    """Bring a run's summary up to date with its log."""
    summary = load(run_dir)
    with contextlib.suppress(OSError):  # the log is gone, or cannot be read: then there is nothing to keep
        summary.read(run_dir / EVENTS)
        summary.save(run_dir)


def summed(events: Sequence[Event]) -> Summary:
    """A summary of events at hand."""
    made = Summary()
    for at, event in enumerate(events):
        made.take(event, at, at + 1)
    return made


def sketch(path: Path, *, windows: int = 128, width: int = 8192) -> Summary:
    """A summary of a sample of the log, its beginning and end and evenly between: quick, but spikes are missed."""
    found: list[Event] = []
    with path.open("rb") as file:
        size = file.seek(0, 2)
        end = 0
        for number in range(windows):
            start = max(end, round((size - width) * number / (windows - 1)))
            file.seek(start)
            lines = file.read(width).splitlines(keepends=True)
            found += [event for event in map(parsed, lines if start == end else lines[1:]) if event is not None]
            end = file.tell() - (len(lines[-1]) if lines and not lines[-1].endswith(b"\n") else 0)
    made = summed(list(_onward(found)))
    made.offset, made.answered = size, {}  # where a sample of a log lies tells nothing
    return made


def _onward(events: list[Event]) -> Iterator[Event]:
    """Without steps that come again later: whether the run was resumed in between, a sample does not tell."""
    last, kept = math.inf, []
    for event in reversed(events):
        if event["kind"] not in VOIDED or _step(event) < last:
            kept.append(event)
            last = _step(event) if event["kind"] == "log" else last
    yield from reversed(kept)


def _lines(file: Any, width: int) -> bytes:
    """Whole lines from where the file stands, about `width` bytes of them; none where the only line is unfinished."""
    chunk: bytes = file.read(width)
    while not (end := chunk.rfind(b"\n") + 1):
        more = file.read(max(width, len(chunk)))
        if not more:
            return b""
        chunk += more
    return chunk[:end]


def _mark(file: Any, offset: int) -> str:
    """A digest of a log's first bytes and of those before an offset."""
    file.seek(0)
    begin = file.read(min(MARKED, offset))
    file.seek(max(0, offset - MARKED))
    return hashlib.sha256(begin + file.read(min(MARKED, offset))).hexdigest()


def _note(event: Event) -> dict[str, Any]:
    return {name: event[name] for name in NOTE_FIELDS if name in event}


def _void(note: dict[str, Any], step: int) -> bool:
    return note["kind"] in VOIDED and _step(note) > step


def _step(event: Event) -> int:
    step = event.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) else 0
