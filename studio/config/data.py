"""Which rows are trained on, and what their columns mean."""

from __future__ import annotations

from typing import Literal

from studio.section import MOST, Names, Section, knob

STARTER = "starter"


class MixPart(Section):
    """One of several sources that a run draws from; what is left out is as for the run's own source."""

    source: str = knob(STARTER, min_length=1)
    split: str = knob("train", min_length=1)
    weight: float = knob(1.0, gt=0)
    format: str = knob("auto")
    columns: dict[str, str] = knob({})


class DataConfig(Section):
    """`source` is `starter`, a file, a folder, or a Hub data set id. `columns` maps a role to a column or a path in
    one: `{prompt: question, completion: answers[0].text}`. `filters` names the doctor's checks whose rows are left
    out; `mix` are further sources."""

    source: str = knob(STARTER, min_length=1, aliases=("dataset_name",))
    split: str = knob("train", min_length=1, aliases=("dataset_train_split",))
    mix: tuple[MixPart, ...] = knob((), advanced=True, hidden=True)
    mix_weight: float = knob(1.0, gt=0, advanced=True)
    mix_strategy: Literal["first_exhausted", "all_exhausted"] = knob("first_exhausted", advanced=True)
    format: str = knob("auto")
    columns: dict[str, str] = knob({})
    delimiter: str = knob("auto", min_length=1, max_length=16, advanced=True)
    tools: str | None = knob(None, advanced=True)
    placeholders: dict[str, str] = knob({}, advanced=True)
    prompt_template: str | None = knob(None, advanced=True)
    prompt_template_empty: str | None = knob(None, advanced=True)
    system_prompt: str | None = knob(None)
    eval_fraction: float = knob(0.1, ge=0, lt=1)
    eval_source: str | None = knob(None, advanced=True)
    eval_split: str | None = knob(None, advanced=True, aliases=("dataset_test_split",))
    max_train_rows: int | None = knob(None, ge=1, le=MOST, advanced=True)
    max_eval_rows: int | None = knob(None, ge=1, le=MOST, advanced=True)
    shuffle: bool = knob(False, advanced=True)
    bad_rows: Literal["refuse", "skip"] = knob("refuse", advanced=True)
    filters: Names = knob((), advanced=True)
