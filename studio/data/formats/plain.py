"""Rows of plain text, which need no chat template: documents, and prompts made with a prompt template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.data.formats.base import Columns, Format, Rendered, Rendering, Role, Row, cells_are, plain_text
from studio.data.formats.tools import NONE
from studio.errors import ConfigError, DataError
from studio.methods.base import DatasetType
from studio.methods.paths import cell_of


class Text(Format):
    """One document a row, every token of it trained."""

    name: ClassVar[str] = "text"
    roles: ClassVar[tuple[Role, ...]] = (Role("text", True, ("text", "content", "document")),)
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("language-modeling",)

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        return cells_are(str, columns, sample, "text")

    def render(self, row: Row, how: Rendering) -> Rendered:
        refuse_turns(how)
        return Rendered.of({"text": how.text(row, "text")}, how)


def refuse_turns(how: Rendering) -> None:
    """Plain text has no system message and no tools, and what was set must not be ignored in silence."""
    if how.system_prompt:
        raise ConfigError(
            "data.system_prompt is set, but these rows are plain text, which has no system message. "
            "Remove data.system_prompt, or use conversations."
        )
    if how.tools:
        raise ConfigError(
            "data.tools is set, but these rows are plain text, which has no tools. "
            "Remove data.tools, or use conversations."
        )


def templated(row: Row, how: Rendering, *, answer: str) -> Rendered:
    """A question and its answer as plain text, by the prompt template."""
    prompt, remarks = templated_prompt(row, how)
    if how.dataset_type == "prompt-only":
        return Rendered.of({"prompt": prompt, **how.reference(row, answer=answer)}, how, remarks)
    return as_text(prompt, how.text(row, answer), how, remarks)


def as_text(prompt: str, completion: str, how: Rendering, remarks: tuple[DataError, ...] = ()) -> Rendered:
    """Two texts for a loss on the second, or one for a loss on all of it."""
    if how.dataset_type == "language-modeling":
        return Rendered.of({"text": prompt + completion}, how, remarks)
    return Rendered.of({"prompt": prompt, "completion": completion}, how, remarks)


def templated_prompt(row: Row, how: Rendering) -> tuple[str, tuple[DataError, ...]]:
    """The row's prompt by the prompt template, and a remark on what the template leaves out."""
    refuse_turns(how)
    template = how.template
    assert template is not None  # the callers have asked

    def value(name: str) -> str:
        found = cell_of(row, name if name in row else how.columns.get(name, name))
        return "" if found is None else plain_text(found, name)

    left_out = [
        column
        for role, column in how.columns.items()
        if role in ("system", "history", "tools", "input")
        and not {role, column} & set(template.fields)
        and how.cell(row, role) not in NONE
    ]
    remarks = (
        (DataError("The prompt template leaves out what is in {columns}.", columns=", ".join(left_out)),)
        if left_out
        else ()
    )
    return template.prompt(value), remarks
