"""What a run's evaluations do besides the loss: the model answers validation rows. Numbers and names alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from studio.section import MOST, Names, Section, knob

SAMPLES = 4  # how many `generate_samples: true` asks for


def _count(value: object) -> object:
    return (SAMPLES if value else 0) if isinstance(value, bool) else value


class EvaluationConfig(Section):
    """`generate_samples` answers are shown, `generate_rows` (0 or null: all) are scored. Both are greedy."""

    generate_samples: Annotated[int, BeforeValidator(_count)] = knob(0, ge=0, le=64, advanced=True)
    max_new_tokens: int = knob(128, ge=1, le=8192, advanced=True, flag="eval_max_new_tokens")
    predict_with_generate: bool = knob(False, advanced=True)
    generate_rows: int | None = knob(64, ge=0, le=MOST, advanced=True)
    metrics: Names = knob(("rouge", "bleu", "exact_match"), min_length=1, advanced=True, flag="eval_metrics")
