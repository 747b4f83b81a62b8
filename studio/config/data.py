"""Which rows are trained on, and what their columns mean."""

from __future__ import annotations

from studio.section import Section, knob

STARTER = "starter"


class DataConfig(Section):
    """`source` is `starter`, a file, or a Hub data set id. `columns` maps a role to a column: `{prompt: question}`."""

    source: str = knob(STARTER, min_length=1, aliases=("dataset_name",))
    split: str = knob("train", min_length=1, aliases=("dataset_train_split",))
    format: str = knob("auto")
    columns: dict[str, str] = knob({})
    system_prompt: str | None = knob(None)
    eval_fraction: float = knob(0.1, ge=0, lt=1)
    eval_source: str | None = knob(None, advanced=True)
    max_train_rows: int | None = knob(None, ge=1, advanced=True)
