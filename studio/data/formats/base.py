"""What a format is: the columns it needs, how it is recognized, and how a row of it is rendered. Opens nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from studio.errors import DataError
from studio.methods.base import DatasetType

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


@dataclass(frozen=True)
class Rendering:
    """How the rows of a table are rendered: which column plays which role, and what the method wants of them."""

    columns: Columns
    dataset_type: DatasetType = "prompt-completion"
    system_prompt: str | None = None

    def cell(self, row: Row, role: str) -> Any:
        """The row's value for a role; None where the role has no column or the row no value."""
        return row.get(self.columns[role]) if role in self.columns else None

    def text(self, row: Row, role: str, *, required: bool = True) -> str:
        """The row's text for a role. Null and missing are "" only for a role that is not required."""
        value = self.cell(row, role)
        if value is None:
            if not required:
                return ""
            raise DataError("The column {column!r} has no value.", column=self.columns.get(role, role))
        checked = plain_text(value, self.columns[role])
        if required and not checked.strip():
            raise DataError("The column {column!r} is empty.", column=self.columns[role])
        return checked


@dataclass(frozen=True)
class Rendered:
    """A row's columns as the trainer takes them, and what is worth knowing of how they came about."""

    columns: dict[str, Any]
    remarks: tuple[DataError, ...] = ()

    @property
    def is_conversational(self) -> bool:
        """Whether it holds turns, which need a chat template, or plain text."""
        return not isinstance(next(iter(self.columns.values())), str)


class Format(ABC):
    """One way in which data sets lay out their rows. A new one is a file here and a line in FORMATS."""

    name: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]]
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("prompt-completion", "language-modeling")

    def assign(self, available: Sequence[str], overrides: Columns) -> dict[str, str]:
        """Role -> column: what was chosen, else the first candidate there is. An override of "" leaves a role out."""
        by_name = {column.strip().lower(): column for column in reversed(available)}
        found: dict[str, str] = {}
        for role in self.roles:
            if role.name in overrides:
                column = overrides[role.name]
            else:
                column = next((by_name[name] for name in role.candidates if name in by_name), "")
            if column:
                found[role.name] = column
        return found

    def missing(self, columns: Columns) -> list[str]:
        """The required roles without a column."""
        return [role.name for role in self.roles if role.required and role.name not in columns]

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        """Whether the cells of these columns look like this format's."""
        return True

    def detect(
        self, available: Sequence[str], sample: Sequence[Row], *, overrides: Columns | None = None
    ) -> str | None:
        """Why rows are taken for this format, such as `detected: instruction, output`; None where they are not."""
        overrides = overrides or {}
        if not overrides.keys() <= {role.name for role in self.roles}:
            return None
        columns = self.assign(available, overrides)
        if self.missing(columns) or not self.fits(columns, sample):
            return None
        return f"detected: {', '.join(columns.values())}"

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
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            "{where!r} holds half of a surrogate pair ({half}), which is no text. Write the whole character.",
            where=where,
            half=f"\\u{ord(value[error.start]):04x}",
        ) from error
    return value
