"""text: documents without turns, every token of them trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import Columns, Format, Rendered, Rendering, Role, Row
from studio.data.formats.prompt_completion import refuse_system_prompt
from studio.methods.base import DatasetType


class Text(Format):
    """One document a row."""

    name: ClassVar[str] = "text"
    roles: ClassVar[tuple[Role, ...]] = (Role("text", True, ("text", "content", "document")),)
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("language-modeling",)

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        present = [row[columns["text"]] for row in sample if row.get(columns["text"]) is not None]
        return bool(present) and all(isinstance(value, str) for value in present)

    def render(self, row: Row, how: Rendering) -> Rendered:
        refuse_system_prompt(how)
        return Rendered({"text": how.text(row, "text")})
