"""input_ids with labels: rows that somebody has tokenized already. Knows nothing of whose tokens they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from studio.data.formats.base import Columns, Format, NothingToTrain, Rendered, Rendering, Role, Row, cell_of
from studio.data.formats.tools import read_json
from studio.errors import ConfigError, DataError
from studio.methods.base import DatasetType

MASKED = -100  # a label that is not in the loss
LARGEST = 2**31 - 1


class Tokenized(Format):
    """Without labels every token is trained; what the attention mask leaves out is no token of the row."""

    name: ClassVar[str] = "tokenized"
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("tokenized",)
    roles: ClassVar[tuple[Role, ...]] = (
        Role("input_ids", True, ("input_ids",)),
        Role("labels", False, ("labels",)),
        Role("attention_mask", False, ("attention_mask",)),
    )

    def fits(self, columns: Columns, sample: Sequence[Row]) -> bool:
        cells = [_listed(cell_of(row, columns["input_ids"])) for row in sample]
        return any(isinstance(value, list) for value in cells)

    def render(self, row: Row, how: Rendering) -> Rendered:
        if how.system_prompt or how.tools:
            raise ConfigError(
                "data.system_prompt or data.tools is set, but these rows are tokens already, "
                "to which none can be added. Remove the setting."
            )
        ids = _numbers(row, how, "input_ids", least=0)
        if not ids:
            raise NothingToTrain(DataError("A row without tokens is left out of training."))
        labels = _numbers(row, how, "labels", least=MASKED, like=ids)
        mask = _numbers(row, how, "attention_mask", least=0, like=ids)
        labels = list(ids) if labels is None else labels
        remarks: tuple[DataError, ...] = ()
        if mask is not None and not all(mask):
            ids = [one for one, seen in zip(ids, mask, strict=True) if seen]
            labels = [one for one, seen in zip(labels, mask, strict=True) if seen]
            remarks = (DataError("Tokens that the attention mask leaves out (padding) are taken away."),)
        return Rendered({"input_ids": ids, "labels": labels}, remarks)


def _listed(value: Any) -> Any:
    """A cell; where it is JSON text (as in a CSV), what it says."""
    return read_json(value) if isinstance(value, str) else value


def _numbers(row: Row, how: Rendering, role: str, *, least: int, like: list[int] | None = None) -> list[int] | None:
    """A cell's whole numbers, as many as `like` has; None where a role that is not required has no value."""
    column = how.columns.get(role, role)
    value = _listed(how.cell(row, role))
    if value is None and like is not None:
        return None
    if not isinstance(value, list) or not set(map(type, value)) <= {int, bool}:
        raise DataError("The column {column!r} is not a list of whole numbers.", column=column)
    if value and not least <= min(value) <= max(value) <= LARGEST:
        raise DataError(
            "The column {column!r} holds {number}, which is no token id.",
            column=column,
            number=min(value) if min(value) < least else max(value),
        )
    if like is not None and len(value) != len(like):
        raise DataError(
            "The column {column!r} has {count} numbers for {tokens} tokens.",
            column=column,
            count=len(value),
            tokens=len(like),
        )
    return value
