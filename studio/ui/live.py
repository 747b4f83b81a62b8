"""What a live plot is sent: a run's events from an offset on, as rows and notes, or the whole run in short. Knows
nothing of Gradio or drawing.

Read-only on purpose: `poll` and `answers` are called by the page's script, and such calls can come from anywhere.
A page gets the whole in short when it attaches, when it is far behind, and when the run went on from an earlier step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.runs.events import EVENTS, TERMINAL, parsed, read_events
from studio.runs.living import last_alive
from studio.runs.summaries import Summaries
from studio.runs.summary import Summary, summed
from studio.ui.answered import answers_at, steps_with_answers
from studio.ui.curves import MOST_POINTS, curves
from studio.ui.viewers import Viewers
from studio.ui.words import Language, spoken

if TYPE_CHECKING:
    from studio.runs import RunRecord, RunStore

ROW_LIMIT = 1500  # rows sent of a whole run
NEW_LIMIT = 150  # and of what is new to a page
NOTE_LIMIT = 600
FAR_BEHIND = 524_288  # bytes of log, after which a page gets the whole in short
FRESH = 1.0  # seconds for which a run's status is not looked up again, however many pages ask
ENDED = ("finished", "stopped", "failed")


class LiveRuns:
    """Answers polls over the runs of a workspace. Keeps only caches: nothing here is the truth about a run."""

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
        self._newest: tuple[object, str | None] = (None, None)
        self._alive: str | None = None  # the run that was last seen in training
        self._records: dict[str, tuple[float, RunRecord]] = {}
        self._folders: dict[str, Path] = {}  # of runs that were opened: an id from outside is never a path
        self.summaries = Summaries(lambda: training() is not None)
        self._viewers = Viewers()

    def poll(self, cursor: object = None, *, lang: Language = "en") -> dict[str, Any]:
        """What is new for a page that knows `cursor` = {run, id, offset, status, sketched, page}; `{}` when nothing is.

        `run` is a run id, or "current": the run in training, else the newest. Sentences come in `lang`. Where many
        pages ask, `pause` says how many seconds this one is to wait.
        """
        known = cursor if isinstance(cursor, dict) else {}
        answer = self._answer(known)
        for note in answer.get("notes", ()):
            if "message" in note:
                template, details = note.pop("template", None), note.pop("details", None)
                note["message"] = spoken(lang, note["message"], template, details)
        pause = self._viewers.pause(known.get("page"))
        return {**answer, "pause": pause} if pause else answer

    def _answer(self, known: dict[str, Any]) -> dict[str, Any]:
        wanted = known.get("run")
        run_id = wanted if isinstance(wanted, str) and wanted != "current" else self.current(known)
        if not run_id:
            return {} if known.get("id") is None else {"id": None}
        try:
            if known.get("id") != run_id:
                return self._whole(run_id)
            return self._since(run_id, known)
        except (StudioError, OSError):
            return {"id": None, "missing": run_id[:80]}

    def answers(self, asked: object = None) -> dict[str, Any]:
        """What the model wrote at one step of a run, `asked` = {run, step}; `{}` where there is no such run."""
        known = asked if isinstance(asked, dict) else {}
        run_id, step = known.get("run"), known.get("step")
        if not isinstance(run_id, str) or isinstance(step, bool) or not isinstance(step, int):
            return {}
        try:
            path = self._store.open(run_id).path
            with self.summaries.of(path) as (summary, _):
                begin, end = summary.answered.get(step, (0, 0))
            with (path / EVENTS).open("rb") as file:
                file.seek(begin)
                lines = file.read(end - begin).splitlines()
        except (StudioError, OSError):
            return {}
        return {"step": step, "answers": answers_at([event for event in map(parsed, lines) if event], step)}

    def current(self, known: dict[str, Any] | None = None) -> str | None:
        """The run in training here; else the one a page already watches while it runs; else one that another process
        trains; else the one that trained last."""
        training = self._training()
        if training:
            self._alive = training
            return training
        known = known or {}
        if known.get("status") == "running" and isinstance(known.get("id"), str):
            return str(known["id"])
        other = next(iter(self._others()), None)
        self._alive = other or self._alive
        return other or self._newest_run()

    def _newest_run(self) -> str | None:
        """The id of the run whose log grew last, looked up again only when the folder of runs has changed, or another
        run has trained."""
        try:
            changed = Path(self._store.runs_dir).stat().st_mtime_ns, self._alive
        except OSError:
            return None
        if changed != self._newest[0]:
            found = last_alive(self._store.list())
            self._newest = (changed, found.run_id if found else None)
        return self._newest[1]

    def _record(self, run_id: str) -> RunRecord:
        """A run as its directory told it within the last second."""
        now = time.monotonic()
        kept = self._records.get(run_id)
        if kept is None or now - kept[0] >= FRESH:
            self._records = {one: found for one, found in self._records.items() if now - found[0] < FRESH}
            kept = self._records[run_id] = (now, self._store.open(run_id))
        return kept[1]

    def _whole(self, run_id: str) -> dict[str, Any]:
        """A run in short: what a page draws in place of what it had."""
        record = self._store.open(run_id)
        self._folders[run_id] = record.path
        with self.summaries.of(record.path) as (summary, whole):
            content = _short(summary) | {"offset": summary.offset}
        if not whole:
            content["sketched"] = True
        return _head(record) | content | {"id": run_id, "status": record.status, "fresh": True}

    def _since(self, run_id: str, known: dict[str, Any]) -> dict[str, Any]:
        offset, status = _offset(known.get("offset")), known.get("status")
        path = self._folders.get(run_id) or self._record(run_id).path
        try:
            behind = (path / EVENTS).stat().st_size - offset
        except OSError:
            behind = 0
        read_whole = known.get("sketched") and self.summaries.whole(path)
        if status in ENDED and not behind and not read_whole:
            return {}
        if read_whole or (behind and not offset) or not 0 <= behind <= FAR_BEHIND:
            return self._whole(run_id)
        events, reached = read_events(path / EVENTS, offset) if behind else ([], offset)
        if any(event["kind"] == "resumed" for event in events):
            return self._whole(run_id)
        state = _state(events, status) if run_id == self._training() else self._record(run_id).status
        answer = _new(events) | {"offset": reached} if events else {}
        return answer | {"id": run_id, "status": state} if answer or state != status else {}


def _offset(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _state(events: Sequence[dict[str, Any]], status: object) -> str:
    """The status of a run that this process trains: running until its log says otherwise."""
    for event in reversed(events):
        if event["kind"] in TERMINAL:
            return str(event["kind"])
        if event["kind"] in ("log", "phase", "started", "resumed"):
            return "running"
    return str(status) if status in TERMINAL else "running"


def _head(record: RunRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "method": record.method,
        "model": record.model,
        "created": record.created,
        "adapter": record.saved is not None,
    }


def _short(summary: Summary) -> dict[str, Any]:
    """Rows, notes, curves, steps with answers and the time left of a whole run."""
    content: dict[str, Any] = {
        "rows": summary.rows(ROW_LIMIT),
        "notes": summary.notes(NOTE_LIMIT),
        "curves": curves(summary, limit=MOST_POINTS),
        "answered": sorted(summary.answered),
    }
    content = {name: value for name, value in content.items() if value}
    return content | {"eta": summary.eta} if "rows" in content else content


def _new(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The same of what is new; rows that came faster than a page can show them are thinned."""
    summary = summed(events)
    content: dict[str, Any] = {
        "rows": summary.rows(NEW_LIMIT, tail=1),
        "notes": summary.notes(NEW_LIMIT),
        "curves": curves(summary, limit=NEW_LIMIT),
        "answered": steps_with_answers(events),
    }
    content = {name: value for name, value in content.items() if value}
    return content | {"eta": summary.eta} if "rows" in content else content
