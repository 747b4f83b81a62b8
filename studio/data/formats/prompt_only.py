"""Prompts without answers, for methods that have the model answer; other columns are kept for rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import (
    HISTORY_ROLE,
    INPUT_ROLE,
    SYSTEM_ROLE,
    TOOLS_ROLE,
    Columns,
    Format,
    Rendered,
    Rendering,
    Role,
    Row,
    cells_are,
)
from studio.data.formats.conversation import extras_of, nonempty
from studio.data.formats.plain import refuse_turns, templated_prompt
from studio.data.formats.prompt_completion import PROMPTS, is_plain, kind_of, prompt_turns
from studio.data.formats.turns import is_turns, turns_or_text
from studio.methods.base import DatasetType


class PromptOnly(Format):
    """Text in a column named prompt stays plain text; under any other name it is a user's turn."""

    name: ClassVar[str] = "prompt-only"
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("prompt-only",)
    takes_template: ClassVar[bool] = True
    roles: ClassVar[tuple[Role, ...]] = (
        Role("prompt", True, PROMPTS),
        INPUT_ROLE,
        SYSTEM_ROLE,
        HISTORY_ROLE,
        TOOLS_ROLE,
    )

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        return cells_are(str | list, columns, sample, "prompt")

    def kind(self, columns: Columns, sample: Sequence[Row]) -> str:
        return kind_of(columns, sample)

    def render(self, row: Row, how: Rendering) -> Rendered:
        compared = how.reference(row)
        if how.template is not None:
            text, remarks = templated_prompt(row, how)
            return Rendered.of({"prompt": text, **compared}, how, remarks)
        asked = turns_or_text(how.cell(row, "prompt"))
        if is_plain(how.columns) and not is_turns(asked):
            refuse_turns(how)
            return Rendered.of({"prompt": how.text(row, "prompt"), **compared}, how)
        prompt = prompt_turns(asked, row, how)
        extras, remarks = extras_of(prompt, row, how)
        return Rendered.of({"prompt": nonempty(prompt), **compared, **extras}, how, remarks)
