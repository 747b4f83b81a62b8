"""text: documents without turns, every token of them trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from studio.data.formats.base import Columns, Format, Rendered, Role, text
from studio.data.formats.prompt_completion import no_system_prompt
from studio.errors import DataError
from studio.methods.base import DatasetType


class Text(Format):
    """One document a row."""

    name: ClassVar[str] = "text"
    roles: ClassVar[tuple[Role, ...]] = (Role("text", True, ("text", "content", "document")),)
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("language-modeling",)

    def fits(self, columns: Columns, sample: Sequence[Mapping[str, Any]]) -> bool:
        present = [row[columns["text"]] for row in sample if row.get(columns["text"]) is not None]
        return bool(present) and all(isinstance(value, str) for value in present)

    def render(
        self,
        row: Mapping[str, Any],
        *,
        columns: Columns,
        system_prompt: str | None,
        dataset_type: DatasetType,
        remarks: list[DataError] | None = None,
    ) -> Rendered:
        if system_prompt:
            raise no_system_prompt()
        return {"text": text(row, columns, "text")}
