"""How a plan reads on the page: what a run would do, or what is missing and which tab has it. Plans nothing itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.errors import DataError, ModelError, StudioError
from studio.ui.facts import duration
from studio.ui.plots import script
from studio.ui.words import Language, say, translate, translate_text

if TYPE_CHECKING:
    from studio.training.plan import Figures, Plan


def ready_card(elem_id: str = "ready") -> gr.HTML:
    """The card's component; its value is made by the functions below."""
    return gr.HTML(
        "",
        elem_id=elem_id,
        html_template="<div class='tf-ready' role='status'></div>",
        js_on_load=script("live.js", "ready.js"),
        apply_default_css=False,
    )


def waiting(lang: Language, key: str) -> str:
    """The card while it is being worked out: "checking" or "waking"."""
    return _card("checking", say(lang, "train.not_ready"), [_line("note", say(lang, f"train.{key}"))])


def of_error(lang: Language, error: StudioError) -> str:
    """The card when the form itself cannot be read."""
    return _card("missing", say(lang, "train.not_ready"), [_error(lang, error)])


def of_plan(lang: Language, plan: Plan) -> str:
    """The card for a plan."""
    if plan.errors:
        return _card("missing", say(lang, "train.not_ready"), [_error(lang, error) for error in plan.errors])
    lines = _figures(lang, plan.figures) if plan.figures else []
    for finding in plan.findings:
        text = translate(lang, StudioError(finding.template, **finding.details))
        lines.append(_line(finding.kind, text, lang=lang, tab="data" if finding.kind == "warning" else ""))
    if plan.download:
        lines.append(_line("note", say(lang, "train.download", what=translate_text(lang, plan.download))))
    return _card("ready", say(lang, "train.ready"), lines)


def effect(lang: Language, batch: int, plan: Plan | None) -> str:
    """What the batch settings come to: "Effective batch 8 rows ≈ 1,560 tokens."."""
    figures = plan.figures if plan else None
    if figures is None:
        text = say(lang, "train.batch", rows=f"{batch:,}")
    else:
        rows, tokens = f"{figures.effective_batch_size:,}", f"{figures.tokens_per_step:,}"
        text = say(lang, "train.batch_tokens", rows=rows, tokens=tokens)
    return text


def _figures(lang: Language, figures: Figures) -> list[dict[str, str]]:
    trainable, total = figures.trainable_parameters, figures.total_parameters
    if trainable < total:
        share = f"{100 * trainable / total:.2g}"
        parameters = say(lang, "train.parameters", trainable=_count(trainable), total=_count(total), share=share)
    else:
        parameters = say(lang, "train.all_parameters", total=_count(total))
    tokens = f"{figures.supervised_tokens:,}"
    texts = [
        say(lang, "train.steps", steps=f"{figures.steps:,}", tokens=tokens),
        say(lang, "train.rows", rows=f"{figures.rows:,}", eval_rows=f"{figures.eval_rows:,}"),
        parameters,
        say(lang, "train.weights", size=_bytes(figures.weight_bytes), trained=_bytes(figures.trained_bytes)),
    ]
    if figures.estimated_seconds is not None:
        key = "train.time" if figures.estimate_measured else "train.time_rough"
        texts.append(say(lang, key, time=duration(lang, figures.estimated_seconds)))
    return [_line("fact", text) for text in texts]


def _error(lang: Language, error: StudioError) -> dict[str, str]:
    tab = "data" if isinstance(error, DataError) else "model" if isinstance(error, ModelError) else ""
    return _line("error", translate(lang, error), lang=lang, tab=tab)


def _line(kind: str, text: str, *, lang: Language = "en", tab: str = "") -> dict[str, str]:
    return {"kind": kind, "text": text, "tab": tab, "go": say(lang, f"train.go_{tab}") if tab else ""}


def _card(state: str, title: str, lines: list[dict[str, str]]) -> str:
    card: dict[str, Any] = {"state": state, "title": title, "lines": lines}
    return json.dumps(card, ensure_ascii=False).replace("<", "\\u003c")


def _count(value: int) -> str:
    """134515008 -> "134.5 M"."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return str(value)


def _bytes(value: int) -> str:
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.3g} MB"
