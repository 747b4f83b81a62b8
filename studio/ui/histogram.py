"""Tokens per row as the card draws them: two histograms, what each max_length would cost, totals. Counts nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.settings import ASSETS
from studio.ui.facts import as_value, duration
from studio.ui.words import Language, say

if TYPE_CHECKING:
    from studio.config import RunConfig
    from studio.data.doctor.report import Report
    from studio.settings import Settings


def histogram_card() -> gr.HTML:
    """Value: `payload(...)`, `empty()` or `looking()`; its `select` brings {length} when the line was let go."""
    return gr.HTML(
        empty(),
        elem_id="data-histogram",
        html_template="<div class='tf-histogram' data-state='empty'></div>",
        js_on_load=(ASSETS / "histogram.js").read_text(encoding="utf-8"),
        apply_default_css=False,
    )


def empty() -> str:
    """Nothing to count."""
    return json.dumps({"state": "empty"})


def looking(config: RunConfig) -> str:
    """Every row is being looked at: what was counted of the same source before stays, dimmed."""
    return as_value({"state": "looking", "source": _source(config)})


def _source(config: RunConfig) -> str:
    data = config.data
    return " ".join([data.source, data.split, *(f"{one.source} {one.split}" for one in data.mix)])


def payload(lang: Language, report: Report, config: RunConfig, settings: Settings) -> str:
    """The card for a report."""
    import numpy as np

    from studio.data.doctor.figures import edges, histogram

    some = report.length > 0
    lengths, supervised = report.length[some], report.supervised_by_row[some]
    longest, cap = int(lengths.max(initial=0)), _cap(report)
    borders = edges(cap)
    most = borders[-1] - 1
    rows = len(report.train)
    return as_value(
        {
            "state": "ok",
            "source": _source(config),
            "edges": borders,
            "total": histogram(np.minimum(lengths, most), borders),
            # rows of which nothing is supervised, such as prompts, have no second picture
            "supervised": histogram(np.minimum(supervised, most), borders) if supervised.any() else [],
            "beyond": longest if longest > most else 0,
            "curve": report.curve.as_json(),
            "max_length": report.max_length,
            "lines": _lines(lang, report, config, settings),
            "aria": say(lang, "data.histogram_aria", rows=f"{rows:,}", longest=f"{longest:,}"),
        }
    )


def _cap(report: Report) -> int:
    """The length at which the picture ends: a few rows that are very much longer share its last bar."""
    import numpy as np

    lengths = report.length[report.length > 0]
    if not len(lengths):
        return 1
    longest, most = int(lengths.max()), int(np.quantile(lengths, 0.97, method="lower"))
    wanted = max(int(1.25 * most), int(1.25 * min(report.max_length or 0, longest)), 8)
    return longest if longest <= 2 * wanted else wanted


def _lines(lang: Language, report: Report, config: RunConfig, settings: Settings) -> list[str]:
    """Totals of what is trained: rows, tokens, supervised, cut, padding and what packing would make of it, steps and
    how long they may take."""
    kept = report.usable - report.dropped
    about = "≈ " if report.about else ""
    texts = [
        say(lang, "data.total_rows", count=f"{kept:,}"),
        say(lang, "data.total_tokens", count=f"{report.kept_tokens:,}"),
    ]
    if report.supervised:
        texts.append(say(lang, "data.total_supervised", count=f"{about}{report.kept_supervised:,}"))
    if report.cut:
        texts.append(say(lang, "data.total_cut", count=f"{report.cut:,}"))
    if report.dropped:
        texts.append(say(lang, "data.total_dropped", count=f"{report.dropped:,}"))
    texts.append(_padding(lang, report, config))
    steps = steps_of(report, config)
    if steps:
        texts.append(say(lang, "data.total_steps", count=f"{steps:,}"))
        texts += _time(lang, report, config, settings, steps=steps)
    return texts


def _time(lang: Language, report: Report, config: RunConfig, settings: Settings, *, steps: int) -> list[str]:
    from studio.model.memory import describe
    from studio.training.pace import estimate

    training = config.training
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    sequences = _sequences(report, config)
    facts, tokens = describe(config.model, settings), report.kept_tokens * min(batch, sequences) // max(sequences, 1)
    about = estimate(config, settings, facts=facts, steps=steps, tokens_per_step=tokens)
    if about is None:
        return []
    key = "data.total_time" if about.measured else "data.total_time_rough"
    return [say(lang, key, time=duration(lang, about.seconds))]


def _padding(lang: Language, report: Report, config: RunConfig) -> str:
    """`padding 31 % -> 4 % packed`, or what packing leaves where it is on."""
    share, batch = _percent(report.padding.share), report.padding.batch_size
    if report.packing is None:
        return say(lang, "data.padding", share=share, batch=batch)
    packed = _percent(1 - report.packing.efficiency)
    if getattr(config.method, "packing", False):
        return say(lang, "data.padding_packed", share=packed, before=share, batch=batch)
    return say(lang, "data.padding_or_packed", share=share, packed=packed, batch=batch)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.0095 or share == 0 else f"{100 * share:.1f}"


def steps_of(report: Report, config: RunConfig) -> int | None:
    """The run's steps: the method says how many sequences rows make, packing how many blocks."""
    from studio.training.arguments import steps_of as steps

    sequences = _sequences(report, config)
    return steps(config.training, sequences) if sequences else None


def _sequences(report: Report, config: RunConfig) -> int:
    method: Any = config.method
    if getattr(method, "packing", False):
        return report.packing.blocks if report.packing else 0
    training = config.training
    count: int = method.sequences(
        range(report.usable - report.dropped), max_length=training.max_length,
        batch_size=training.per_device_train_batch_size, accumulation=training.gradient_accumulation_steps,
    )  # fmt: skip
    return count
