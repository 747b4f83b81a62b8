"""What a live plot is sent: a run's events from an offset on, as rows and notes. Knows nothing of Gradio or drawing.

Read-only on purpose: `poll` and `answers` are called by the page's script, and such calls can come from anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.runs.events import EVENTS, TERMINAL, events_of, read_events
from studio.ui.answered import answers_at, steps_with_answers
from studio.ui.curves import curves, figure_of
from studio.ui.words import Language, spoken

if TYPE_CHECKING:
    from studio.runs import RunRecord, RunStore

Row = list[float | None]

# A row of the wire is these figures of one `log` event, in this order; `MEAN` follows where rows were thinned out.
FIGURES = (
    "step",
    "epoch",
    "time",
    "num_tokens",
    "loss",
    "mean_token_accuracy",
    "grad_norm",
    "learning_rate",
    "tokens_per_second",
    "memory_bytes",
)
LOSS = FIGURES.index("loss")
SERIES = range(LOSS, len(FIGURES))
NOTE_FIELDS = (
    "time", "kind", "step", "message", "phase", "fraction", "eval_loss", "eval_mean_token_accuracy", "total_steps",
    "epochs", "rows", "device", "dtype", "seconds", "adapter", "template", "details", "eval_rougeL", "eval_bleu",
)  # fmt: skip
ROW_LIMIT = 1500  # rows sent when a page attaches; after that every new one
NOTE_LIMIT = 600
TAIL = 60  # the last rows are never thinned: the log lines under the plot show them


class LiveRuns:
    """Answers polls over the runs of a workspace. Keeps only small caches: nothing here is the truth about a run."""

    def __init__(
        self,
        store: RunStore,
        training: Callable[[], str | None],
        *,
        others: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`training` is the run that this process trains, `others` those that other processes do."""
        self._store = store
        self._training = training
        self._others = others
        self._newest: tuple[int, str | None] = (-1, None)
        self._folders: dict[str, Path] = {}

    def poll(self, cursor: object = None, *, lang: Language = "en") -> dict[str, Any]:
        """What is new for a page that knows `cursor` = {run, id, offset, status}; `{}` when nothing is.

        `run` is a run id, or "current": the run in training, else the newest. Sentences come in `lang`.
        """
        known = cursor if isinstance(cursor, dict) else {}
        wanted = known.get("run")
        run_id = wanted if isinstance(wanted, str) and wanted != "current" else self.current(known)
        if not run_id:
            return {} if known.get("id") is None else {"id": None}
        same = known.get("id") == run_id
        offset = _offset(known.get("offset")) if same else 0
        try:
            answer = self._since(run_id, offset, known.get("status") if same else None)
        except StudioError:
            return {"id": None, "missing": run_id[:80]}
        for note in answer.get("notes", ()):
            if "message" in note:
                template, details = note.pop("template", None), note.pop("details", None)
                note["message"] = spoken(lang, note["message"], template, details)
        return answer

    def answers(self, asked: object = None) -> dict[str, Any]:
        """What the model wrote at one step of a run, `asked` = {run, step}; `{}` where there is no such run."""
        known = asked if isinstance(asked, dict) else {}
        run_id, step = known.get("run"), known.get("step")
        if not isinstance(run_id, str) or isinstance(step, bool) or not isinstance(step, int):
            return {}
        try:
            path = self._store.open(run_id).path
        except StudioError:
            return {}
        return {"step": step, "answers": answers_at(events_of(path / EVENTS, "sample"), step)}

    def current(self, known: dict[str, Any] | None = None) -> str | None:
        """The run in training here; else the one a page already watches while it runs; else one that another process
        trains; else the newest."""
        training = self._training()
        if training:
            return training
        known = known or {}
        if known.get("status") == "running" and isinstance(known.get("id"), str):
            return str(known["id"])
        return next(iter(self._others()), None) or self._newest_run()

    def _newest_run(self) -> str | None:
        """The newest run's id, looked up again only when the folder of runs has changed."""
        try:
            changed = Path(self._store.runs_dir).stat().st_mtime_ns
        except OSError:
            return None
        if changed != self._newest[0]:
            runs = self._store.list()
            self._newest = (changed, runs[0].run_id if runs else None)
        return self._newest[1]

    def _since(self, run_id: str, offset: int, status: object) -> dict[str, Any]:
        record = None
        if not offset or run_id not in self._folders:
            record = self._store.open(run_id)
            self._folders[run_id] = record.path
        events, reached = read_events(self._folders[run_id] / EVENTS, offset)
        if not events and offset and status in TERMINAL:
            return {}
        if offset and run_id == self._training():
            state = _state(events)
        else:
            record = record or self._store.open(run_id)
            state = record.status
        answer: dict[str, Any] = {}
        if events or not offset:
            answer = _content(events, thin=not offset) | {"offset": reached}
        if not offset and record:
            answer |= _head(record)
        if answer or state != status:
            answer |= {"id": run_id, "status": state}
        return answer


def _offset(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _state(events: Sequence[dict[str, Any]]) -> str:
    """The status of a run that this process trains: running until its log says otherwise."""
    last = next((event["kind"] for event in reversed(events) if event["kind"] != "warning"), None)
    return last if last in TERMINAL else "running"


def _head(record: RunRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "method": record.method,
        "model": record.model,
        "created": record.created,
        "adapter": record.saved is not None,
    }


def _content(events: Sequence[dict[str, Any]], *, thin: bool) -> dict[str, Any]:
    """Rows, notes and the time left that the events hold."""
    logs = [event for event in events if event["kind"] == "log"]
    rows = [[figure_of(event.get(name)) for name in FIGURES] for event in logs]
    notes: list[dict[str, Any]] = [
        {name: event[name] for name in NOTE_FIELDS if name in event}
        for event in events
        if event["kind"] not in ("log", "sample")
    ]
    content: dict[str, Any] = {
        "rows": thin_rows(rows) if thin else rows,
        "notes": thin_notes(notes) if thin else notes,
    }
    content["curves"] = curves(events, thin=thin)
    content["answered"] = steps_with_answers(events)
    if logs:
        content["eta"] = figure_of(logs[-1].get("eta_seconds"))
    return {name: value for name, value in content.items() if value or name == "eta"}


def thin_rows(rows: list[Row], limit: int = ROW_LIMIT) -> list[Row]:
    """At most `limit` rows with every bucket's lowest and highest loss, the first row and the last `TAIL` rows.

    Each carries the mean loss of its bucket as one figure more, so that a smoothed curve stays true.
    """
    if len(rows) <= limit:
        return rows
    body = rows[: len(rows) - TAIL]
    others = len(SERIES) - 1
    spark = max(4, limit // 12)  # rows for each small curve's lowest and highest
    main = (limit - TAIL - 1 - others * spark) // 2
    size = math.ceil(len(body) / main)
    keep = {0}
    means: list[float | None] = []
    for start in range(0, len(body), size):
        bucket = range(start, min(start + size, len(body)))
        keep.update(_extremes(body, bucket, LOSS))
        losses = [loss for index in bucket if (loss := body[index][LOSS]) is not None]
        means.append(sum(losses) / len(losses) if losses else None)
    for column in SERIES:
        if column == LOSS:
            continue
        wide = math.ceil(len(body) * 2 / spark)
        for start in range(0, len(body), wide):
            keep.update(_extremes(body, range(start, min(start + wide, len(body))), column))
    thinned = [[*body[index], means[index // size]] for index in sorted(keep)]
    return thinned + rows[len(body) :]


def _extremes(rows: list[Row], bucket: range, column: int) -> set[int]:
    """Where a column is lowest and highest in a bucket."""
    found = [(value, index) for index in bucket if (value := rows[index][column]) is not None]
    return {min(found)[1], max(found)[1]} if found else set()


def thin_notes(notes: list[dict[str, Any]], limit: int = NOTE_LIMIT) -> list[dict[str, Any]]:
    """At most about `limit` notes: the first ones (how the run began), an even choice between, the latest."""
    if len(notes) <= limit:
        return notes
    third = limit // 3
    middle = notes[third:-third]
    step = math.ceil(len(middle) / third)
    return [*notes[:third], *middle[::step], *notes[-third:]]
