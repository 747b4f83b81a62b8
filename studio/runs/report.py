"""A run as one HTML file that asks nobody for anything: curves, settings, what it was trained on, samples.

Every text of a run, a row or a model is escaped, and the page's own policy lets no script and no request through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from studio.runs.data_report import data_report
from studio.runs.difference import started
from studio.runs.drawing import figure, picture
from studio.runs.events import EVENTS, Event
from studio.runs.metrics import evaluations, kept
from studio.runs.origin import read_origin
from studio.runs.series import Series
from studio.runs.store import RunRecord
from studio.runs.track import finite
from studio.settings import ASSETS

CURVE_POINTS = 600
MOST_CURVES = 40
MOST_MOMENTS, MOST_SAMPLES, MOST_EVALUATIONS = 12, 8, 100
SAMPLE_SIDES = ("reference", "base", "policy")
FIRST = ("loss", "mean_token_accuracy")
EVEN = frozenset({"learning_rate", "memory_bytes"})  # what needs no smoothing
ENDS = ("finished", "stopped", "failed", "paused")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Words:
    """The report's language: `say` gives a text by its key, `spoken` a sentence of a run from its template."""

    lang: str
    say: Callable[..., str]
    spoken: Callable[..., str]

    def __call__(self, key: str, **details: object) -> str:
        return escape(self.say(f"report.{key}", **details))

    def check(self, name: str) -> str:
        """What a check of the doctor says where it found nothing; the name of one that is not known here."""
        try:
            return self.say(f"checks.{name}.fine")
        except KeyError:
            return name

    def status(self, status: str) -> str:
        return self.say(f"live.status.{status}")

    def sentence(self, told: Mapping[str, Any]) -> str:
        """What an event or a finding says."""
        details = told.get("details") if isinstance(told.get("details"), dict) else {}
        plain = {
            name: value.get("text", "") if isinstance(value, dict) else value for name, value in (details or {}).items()
        }
        text = str(told.get("message") or told.get("text") or "")
        return escape(self.spoken(text, told.get("template"), plain))


def report(record: RunRecord, *, lang: str, say: Callable[..., str], spoken: Callable[..., str]) -> str:
    """The whole file. What a run does not have is said, not left out."""
    words = Words(lang, say, spoken)
    parts = (
        _head(record, words), _curves(record, words), _evaluations(record, words), _samples(record, words),
        _grounds(record, words), _data(record, words), _settings(record, words),
    )  # fmt: skip
    style = (ASSETS / "report.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html><html lang="{escape(lang)}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{escape(record.name)} · Tunefork</title><style>{style}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(record: RunRecord, words: Words) -> str:
    """Name, state, what was noted, the final figures and what happened."""
    told = [event for _, event in kept(record.path / EVENTS, kinds=("warning", *ENDS))]
    ends = [event for event in told if event["kind"] in ENDS]
    if ends and record.status == ends[-1]["kind"]:
        end = words.sentence(ends[-1])
    else:
        end = words("unfinished", status=words.status(record.status), step=record.steps)
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.created))
    about = f"{escape(record.method.upper())} · {escape(record.model)} · {escape(record.run_id)} · {made}"
    figures = {name: value for name, value in record.metrics.items() if finite(value) is not None}
    tiles = "".join(f"<div><b>{figure(value)}</b><span>{escape(name)}</span></div>" for name, value in figures.items())
    happened = "".join(f"<li>{words.sentence(event)}</li>" for event in told if event["kind"] in ("warning", "resumed"))
    return (
        f'<header><h1>{escape(record.name)}</h1><p class="dim">{about}</p>{_labels(record, words)}'
        f'<p class="end {escape(record.status)}">{end}</p></header>'
        + _section(words("figures"), f'<div class="tiles">{tiles}</div>' if tiles else "", words("no_figures"))
        + (_section(words("happened"), f"<ul>{happened}</ul>", "") if happened else "")
    )


def _labels(record: RunRecord, words: Words) -> str:
    """Where the run came from, its tags, and what somebody wrote about it."""
    parts = [words("tags", tags=", ".join(record.tags))] if record.tags else []
    origin = read_origin(record.path)
    if origin is not None and origin.run_id is not None:
        key = "came_from" if origin.step is None else "came_from_step"
        parts.append(words(key, run=origin.run_id, step=_cell(origin.step)))
    notes = f'<p class="notes">{escape(record.notes)}</p>' if record.notes else ""
    return (f'<p class="dim">{" · ".join(parts)}</p>' if parts else "") + notes


def _curves(record: RunRecord, words: Words) -> str:
    series = Series(record.path, most=CURVE_POINTS).refresh()
    names = sorted(series.names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    drawn = []
    for name in names[:MOST_CURVES]:
        logged, evaluated = series.points(name)
        if logged or evaluated:
            last = (logged or evaluated)[-1]
            label = words("curve", name=name, step=f"{last.step:,}", value=figure(last.value))
            size = ' class="wide"' if name == "loss" else ""
            drawing = picture(logged, evaluated, label=label, smooth=name not in EVEN)
            drawn.append(f"<figure{size}><figcaption>{label}</figcaption>{drawing}</figure>")
    key = f'<p class="dim key"><i class="raw"></i>{words("raw")} <i class="smooth"></i>{words("smoothed")} '
    key += f'<i class="ring"></i>{words("rings")}</p>'
    if len(names) > MOST_CURVES:
        key += f'<p class="dim">{words("more_curves", shown=MOST_CURVES, all=len(names))}</p>'
    body = f'{key}<div class="curves">{"".join(drawn)}</div>' if drawn else ""
    return _section(words("curves"), body, words("no_curves"))


def _evaluations(record: RunRecord, words: Words) -> str:
    """A row for each evaluation, all its figures but those of its pace."""
    found = evaluations(record.path)
    names = dict.fromkeys(name for row in found for name in row if name != "step")
    shown = _some(found, MOST_EVALUATIONS)
    cells = [[f"{row['step']:,}", *(_cell(row.get(name)) for name in names)] for row in shown]
    table = _table([words("step"), *(escape(name) for name in names)], cells)
    note = f'<p class="dim">{words("some_of", shown=len(shown), all=len(found))}</p>' if len(shown) < len(found) else ""
    return _section(words("evaluations"), note + table if found else "", words("no_evaluations"))


def _samples(record: RunRecord, words: Words) -> str:
    """What the model wrote, moment by moment: the first, the last and some between."""
    moments: dict[int, list[Event]] = {}
    for _, event in kept(record.path / EVENTS, kinds=("sample",)):
        if event["kind"] == "sample":
            here = moments.setdefault(int(event.get("step") or 0), [])
            if len(here) < MOST_SAMPLES:
                here.append(event)
    shown = _some(sorted(moments), MOST_MOMENTS)
    parts = []
    for step in shown:
        answers = "".join(_sample(event, words) for event in moments[step])
        is_open = " open" if step == shown[-1] else ""
        parts.append(f"<details{is_open}><summary>{words('at_step', step=f'{step:,}')}</summary>{answers}</details>")
    return _section(words("samples"), "".join(parts), words("no_samples"))


def _sample(event: Event, words: Words) -> str:
    sides = "".join(
        f'<div class="{side}"><h4>{words(side)}</h4><p>{escape(event[side]) or words("nothing")}</p></div>'
        for side in SAMPLE_SIDES
        if isinstance(event.get(side), str) and (event[side] or side != "reference")
    )
    rewards = event.get("rewards") if isinstance(event.get("rewards"), dict) else {}
    worth = " · ".join(f"{escape(str(name))} {_cell(value)}" for name, value in (rewards or {}).items())
    return (
        f'<article><p class="prompt">{escape(str(event.get("prompt", "")))}</p><div class="sides">{sides}</div>'
        + (f'<p class="dim">{worth}</p>' if worth else "")
        + "</article>"
    )


def _grounds(record: RunRecord, words: Words) -> str:
    """What was trained on what: data with its identity, sizes, versions, hardware."""
    told = started(record)
    lines: list[tuple[str, str]] = []
    for one in told.get("data") or ():
        if isinstance(one, dict):
            named = words("source", name=str(one.get("name")), rows=_cell(one.get("rows")))
            lines.append((words("data"), f"{named}<br><code>{escape(str(one.get('identity')))}</code>"))
    for name in ("digest", "device", "dtype", "hardware", "versions"):
        if told.get(name):
            lines.append((words(name), _plain(told[name])))
    for name in (
        "rows", "eval_rows", "dropped_rows", "supervised_tokens", "total_tokens", "trainable_parameters",
        "total_parameters", "total_steps", "epochs",
    ):  # fmt: skip
        if finite(told.get(name)) is not None:
            lines.append((words(name), _cell(told[name])))
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in lines)
    return _section(words("grounds"), f"<dl>{body}</dl>" if lines else "", words("no_grounds"))


def _data(record: RunRecord, words: Words) -> str:
    """What the doctor said of the rows."""
    told = data_report(record.path)
    if told is None:
        return _section(words("doctor"), "", words("no_doctor"))
    findings = [one for one in told.get("findings") or () if isinstance(one, dict)]
    items = "".join(
        f'<li class="{escape(str(one.get("severity")))}"><b>{words.sentence(one)}</b> '
        f'<span class="dim">{escape(", ".join(map(str, one.get("where") or ())))}</span></li>'
        for one in findings
    )
    counts = {**_mapping(told, "rows"), **{f"tokens_{name}": one for name, one in _mapping(told, "tokens").items()}}
    lengths = _mapping(told, "length")
    said = words(
        "doctor_counts", train=_cell(counts.get("train")), eval=_cell(counts.get("eval")),
        cut=_cell(counts.get("cut")), dropped=_cell(counts.get("dropped")), tokens=_cell(counts.get("tokens_total")),
        supervised=_cell(counts.get("tokens_supervised")), median=_cell(lengths.get("median")),
        longest=_cell(lengths.get("longest")),
    )  # fmt: skip
    fine = [words.check(str(one)) for one in told.get("fine") or ()]
    rest = f'<p class="dim">{words("doctor_fine", count=len(fine), names=" · ".join(fine))}</p>' if fine else ""
    return _section(
        words("doctor"),
        f"<p>{said}</p>" + (f"<ul>{items}</ul>" if items else f"<p>{words('doctor_clean')}</p>") + rest,
        "",
    )


def _settings(record: RunRecord, words: Words) -> str:
    try:
        text = record.yaml_text()
    except (OSError, UnicodeDecodeError):
        text = ""
    foreign = f'<p class="dim">{escape(str(record.foreign))}</p>' if record.foreign else ""
    return _section(words("settings"), f"{foreign}<pre>{escape(text)}</pre>" if text else "", words("no_settings"))


def _section(title: str, body: str, missing: str) -> str:
    return f"<section><h2>{title}</h2>{body or f'<p class=dim>{missing}</p>'}</section>"


def _table(heads: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{head}</th>" for head in heads)
    lines = "".join(f"<tr>{''.join(f'<td>{one}</td>' for one in line)}</tr>" for line in cells)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def _cell(value: object) -> str:
    """A number, or what is written in place of one; a dash where there is none."""
    number = finite(value)
    if number is not None:
        return f"{value:,}" if isinstance(value, int) else figure(number)
    return "–" if value is None else escape(str(value))


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return " · ".join(f"{escape(str(name))} {_plain(one)}" for name, one in value.items())
    return escape(str(value))


def _mapping(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = told.get(name)
    return found if isinstance(found, dict) else {}


def _some(every: Sequence[Any], most: int) -> list[Any]:
    """At most `most`, evenly chosen, with the first and the last."""
    if len(every) <= most:
        return list(every)
    return [every[round(number * (len(every) - 1) / (most - 1))] for number in range(most)]
