"""What a format is: the columns it needs, how it is recognized, and how a row of it is rendered. Opens nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import UnionType
from typing import Any, ClassVar

from studio.data.formats.placeholders import fill
from studio.data.formats.prompt_template import PromptTemplate, read_template
from studio.data.formats.tools import parse_tools
from studio.errors import DataError
from studio.methods.base import DatasetType
from studio.methods.paths import cell_of

Row = Mapping[str, Any]
Columns = Mapping[str, str]  # role -> column


class NothingToTrain(DataError):
    """A sound row without an answer: it is left out, counted and shown, as the trainer would leave it out."""

    def __init__(self, reason: DataError) -> None:
        super().__init__(reason.template, **reason.details)


@dataclass(frozen=True)
class Role:
    """A part that a column plays; `candidates` are the column names it is recognized by, likeliest first."""

    name: str
    required: bool
    candidates: tuple[str, ...]


SYSTEM_ROLE = Role("system", False, ("system", "system_prompt", "system_instruction", "systeminstruction"))
HISTORY_ROLE = Role("history", False, ("history",))
TOOLS_ROLE = Role("tools", False, ("tools", "functions"))
INPUT_ROLE = Role("input", False, ("input", "context", "输入"))


@dataclass(frozen=True)
class Rendering:
    """How the rows of a table are rendered: which column plays which role, and what the method wants of them.

    A column may be a path into one (`answers[0].text`); a column of that very name goes before. `tools` are for
    the rows that have none of their own. A `prompt_template` makes plain text of rows that are made of columns.
    """

    columns: Columns
    dataset_type: DatasetType = "prompt-completion"
    system_prompt: str | None = None
    placeholders: Mapping[str, str] = field(default_factory=dict)
    tools: list[dict[str, Any]] | None = None
    prompt_template: str | None = None
    prompt_template_empty: str | None = None

    @cached_property
    def template(self) -> PromptTemplate | None:
        """The prompt template, read once."""
        return read_template(self.prompt_template, self.prompt_template_empty)

    @cached_property
    def shared_tools(self) -> list[dict[str, Any]] | None:
        """The tools of rows without their own, checked once."""
        return parse_tools(self.tools) if self.tools else None

    def cell(self, row: Row, role: str) -> Any:
        """The row's value for a role; None where the role has no column or the row no value."""
        column = self.columns.get(role)
        return None if column is None else cell_of(row, column)

    def text(self, row: Row, role: str, *, required: bool = True) -> str:
        """The row's text for a role. Null and missing are "" only for a role that is not required."""
        column = self.columns.get(role)
        value = None if column is None else cell_of(row, column)
        if value is None:
            if not required:
                return ""
            raise DataError("The column {column!r} has no value.", column=column or role)
        checked = plain_text(value, column or role)
        if required and (not checked or checked.isspace()):
            raise DataError("The column {column!r} is empty.", column=column)
        return checked

    def reference(self, row: Row, *, answer: str = "") -> dict[str, Any]:
        """What a reward may compare with: the columns as they are, but for those of roles other than the answer's,
        and the name of the column that is the answer, where one is."""
        used = {column for role, column in self.columns.items() if role != answer} | {"chat_template_kwargs"}
        kept = {column: value for column, value in row.items() if column not in used}
        column = self.columns.get(answer)
        if column is None:
            return {"reference": kept}
        kept.setdefault(column, cell_of(row, column))
        return {"reference": kept, "answer_column": column}


def cells_are(kinds: type | UnionType, columns: Columns, sample: Sequence[Row], *roles: str) -> bool:
    """Whether these roles have values in the sample, and most of them are of these kinds: the others are bad rows."""
    cells = [cell_of(row, columns[role]) for row in sample for role in roles]
    present = [value for value in cells if value is not None]
    return 2 * sum(isinstance(value, kinds) for value in present) > len(present)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A row's columns as the method takes them, and what is worth knowing of how they came about."""

    columns: dict[str, Any]
    remarks: tuple[DataError, ...] = ()

    @classmethod
    def of(cls, columns: dict[str, Any], how: Rendering, remarks: tuple[DataError, ...] = ()) -> Rendered:
        """With the placeholders filled."""
        unfilled = fill(columns, how.placeholders)
        return cls(columns, remarks if unfilled is None else (*remarks, unfilled))


class Format(ABC):
    """One way in which data sets lay out their rows. A new one is a file here and a line in FORMATS."""

    name: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]]
    dataset_types: ClassVar[tuple[DatasetType, ...]]
    takes_template: ClassVar[bool] = False  # whether its rows are made of columns, which a prompt template can name

    def assign(self, available: Sequence[str], overrides: Columns) -> dict[str, str]:
        """Role -> column: what was chosen, else the first candidate there is. An override of "" leaves a role out."""
        by_name = {column.strip().lower(): column for column in reversed(available)}
        taken: set[str] = set()
        found: dict[str, str] = {}
        for role in self.roles:
            if role.name in overrides:
                column = overrides[role.name]
            else:
                used = taken if role.required else taken.union(overrides.values())
                named = (by_name[one] for one in role.candidates if one in by_name)
                column = next((one for one in named if one not in used), "")
                taken.add(column)
            if column:
                found[role.name] = column
        return found

    def missing(self, columns: Columns) -> list[str]:
        """The required roles without a column."""
        return [role.name for role in self.roles if role.required and role.name not in columns]

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        """Whether the cells of these columns look like this format's."""
        return True

    def kind(self, columns: Columns, sample: Sequence[Row]) -> str:
        """`plain text` or `a conversation`, in a format that can be either."""
        return ""

    def detect(
        self,
        available: Sequence[str],
        sample: Sequence[Row],
        *,
        overrides: Columns | None = None,
        templated: bool = False,
    ) -> str | None:
        """Why rows are taken for this format, such as `detected: instruction, output`; None where they are not.

        `templated`: a prompt template makes plain text of them.
        """
        overrides = overrides or {}
        if not overrides.keys() <= {role.name for role in self.roles}:
            return None
        columns = self.assign(available, overrides)
        if self.missing(columns) or not self.fits(columns, sample):
            return None
        kind = "plain text" if templated and self.takes_template else self.kind(columns, sample)
        return f"detected: {', '.join(columns.values())}" + (f" ({kind})" if kind else "")

    @abstractmethod
    def render(self, row: Row, how: Rendering) -> Rendered:
        """One row in the data set type; a DataError, without the row's number, where it cannot be."""


def plain_text(value: Any, where: str) -> str:
    """A value that must be text, and text that can be written as UTF-8."""
    if not isinstance(value, str):
        raise DataError(
            "{where!r} is {value} ({kind}), not text. Write it as text.",
            where=where,
            value=repr(value)[:40],
            kind=type(value).__name__,
        )
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            "{where!r} holds half of a surrogate pair ({half}), which is no text. Write the whole character.",
            where=where,
            half=f"\\u{ord(value[error.start]):04x}",
        ) from error
    return value
