"""What the doctor found, as its card draws it: findings, levers, and how far the look at every row is. Looks at none.

A lever's changes and what undoes them are worked out here, from the form as it stands; a click sends them back.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.errors import StudioError
from studio.settings import ASSETS
from studio.ui.facts import as_value
from studio.ui.words import Language, flat_words, say, translate

if TYPE_CHECKING:
    from studio.config import RunConfig
    from studio.data.corpus import Corpus
    from studio.data.doctor.base import Finding, Lever
    from studio.data.doctor.report import Report
    from studio.data.scan import Scan
    from studio.training.inspector import Look

EXAMPLES = 3  # rows that are named, each with a jump
SHOWN_IN_TURN = 200  # rows of a finding that "show" goes through
TITLE = re.compile(r"^(.{12,}?)(?:: |：|\. |。(?=.))", re.DOTALL)


class Reports:
    """The last few reports, so that a step through the longest rows does not conclude every check again."""

    def __init__(self) -> None:
        self._kept: dict[str, Report] = {}
        self._lock = threading.Lock()

    def of(self, config: RunConfig, scan: Scan) -> Report:
        from studio.data.prepare import report_of

        sections = (config.data, config.training, config.method)
        key = " ".join((scan.key, *(one.model_dump_json() for one in sections)))
        with self._lock:
            if key in self._kept:
                return self._kept[key]
        made = report_of(config, scan)
        with self._lock:
            while len(self._kept) >= 4:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = made
        return made


def doctor_card() -> gr.HTML:
    """Value: `payload(...)` or `empty(...)`; its `select` brings {changes} of a lever or {act} of a button."""
    return gr.HTML(
        json.dumps({"state": "empty"}),
        elem_id="data-doctor",
        html_template="<div class='tf-doctor' data-state='empty'><div class='tf-doctor-head' role='status'></div>"
        "<div class='tf-bar' role='progressbar' aria-valuemin='0'><i></i></div><p class='tf-error' role='alert'></p>"
        "<ul class='tf-findings'></ul><div class='tf-fine'></div></div>",
        js_on_load=(ASSETS / "doctor.js").read_text(encoding="utf-8"),
        apply_default_css=False,
    )


def empty(lang: Language) -> str:
    """The card while there is nothing to look at."""
    return as_value({"state": "empty", "text": say(lang, "data.doctor_empty"), "findings": [], "source": ""})


def payload(lang: Language, look: Look, config: RunConfig, report: Report | None) -> str:
    """The card for a look; `report` is there when it is done."""
    card: dict[str, Any] = {"source": f"{config.data.source} {config.data.split} {config.method.type}"}
    done, total = f"{look.done:,}", f"{look.total:,}"
    if look.error is not None:
        card |= {"state": "failed", "error": translate(lang, look.error)}
    elif look.scan is not None and report is not None:
        card |= {"state": "done", **_report(lang, report, config, look.scan.corpus)}
        seconds = f"{look.seconds:.1f}"
        card["text"] = say(lang, "data.doctor_done", rows=f"{len(look.scan.corpus):,}", seconds=seconds)
    else:
        state = "stopped" if look.stopped else "looking"
        key = state if look.total else "doctor_begins" if state == "looking" else "stopped_early"
        words = {"looking": "doctor_looking", "stopped": "doctor_stopped", "stopped_early": "doctor_stopped_early"}
        text = say(lang, f"data.{words.get(key, key)}", done=done, total=total)
        card |= {"state": state, "done": look.done, "total": look.total, "text": text}
    return as_value(card)


def _report(lang: Language, report: Report, config: RunConfig, corpus: Corpus) -> dict[str, Any]:
    fine = [_fine(lang, name) for name in report.fine]
    return {
        "findings": [_finding(lang, one, config, corpus) for one in report.findings],
        "fine": " · ".join(fine),
        "fine_help": say(lang, "data.fine_help"),
    }


def _finding(lang: Language, finding: Finding, config: RunConfig, corpus: Corpus) -> dict[str, Any]:
    details = {name: _figure(value) for name, value in finding.details.items()}
    title, rest = in_two(translate(lang, StudioError(finding.template, **details)))
    positions = [int(one) for one in finding.positions[:SHOWN_IN_TURN]]
    left_out = finding.check in config.data.filters
    parts = [rest, say(lang, "data.left_out") if left_out else ""]
    some = positions[:EXAMPLES] if finding.count < len(corpus) else []
    return {
        "check": finding.check,
        "severity": "note" if left_out else finding.severity,
        "word": say(lang, f"data.severities.{finding.severity}"),
        "title": title,
        "text": title,
        "rest": " · ".join(part for part in parts if part),
        "count": finding.count,
        "rows": [{"name": corpus.where(one), "at": one} for one in some],
        "more": finding.count - len(some) if some else 0,
        "positions": positions,
        "levers": [] if left_out else [_lever(lang, one, config) for one in finding.levers],
    }


def _figure(value: Any) -> Any:
    """A large number with its thousands apart."""
    return f"{value:,}" if type(value) is int and value >= 10_000 else value


def in_two(sentence: str) -> tuple[str, str]:
    """What a finding is, and the rest of what it says: cut at its first colon or full stop."""
    found = TITLE.match(sentence)
    title, rest = (found[1], sentence[found.end() :]) if found else (sentence, "")
    return title.rstrip(".。"), rest.strip()


def _lever(lang: Language, lever: Lever, config: RunConfig) -> dict[str, Any]:
    """What a click sets, and what sets it back; a key that ends in + is appended to."""
    before = config.model_dump(mode="json")
    changes, undo = {}, {}
    for key, value in lever.changes.items():
        name = key.removesuffix("+")
        now: Any = before
        for part in name.split("."):
            now = now.get(part) if isinstance(now, Mapping) else None
        changes[name] = [*(now or ()), value] if key.endswith("+") else value
        undo[name] = now
    return {"text": translate(lang, StudioError(lever.template, **lever.details)), "changes": changes, "undo": undo}


def _fine(lang: Language, name: str) -> str:
    """What is said of a check that found nothing."""
    key = f"checks.{name}.fine"
    return say(lang, key) if key in flat_words(lang) else name
