"""input_ids with labels or masks: rows that somebody has tokenized already. Knows nothing of whose tokens they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, ClassVar

from studio.data.formats.base import Columns, Format, NothingToTrain, Rendered, Rendering, Role, Row
from studio.data.formats.tools import read_json
from studio.errors import ConfigError, DataError
from studio.methods.base import DatasetType
from studio.methods.labels import MASKED, answer_alone, not_aligned
from studio.methods.paths import cell_of

LARGEST = 2**31 - 1
MASKS = ("completion_mask", "assistant_masks")  # TRL's: 1 for a token in the loss


class Tokenized(Format):
    """A token is trained where its label and every mask say so, as TRL has it: without any of them every token is.
    What the attention mask leaves out is no token of the row."""

    name: ClassVar[str] = "tokenized"
    dataset_types: ClassVar[tuple[DatasetType, ...]] = ("tokenized",)
    roles: ClassVar[tuple[Role, ...]] = (
        Role("input_ids", True, ("input_ids",)),
        Role("labels", False, ("labels",)),
        Role("attention_mask", False, ("attention_mask",)),
        Role("completion_mask", False, ("completion_mask", "loss_mask")),
        Role("assistant_masks", False, ("assistant_masks", "assistant_mask", "assistant_tokens_mask")),
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
        labels = _labels(row, how, ids)
        seen = _mask(row, how, "attention_mask", like=ids)
        remarks: tuple[DataError, ...] = ()
        if seen is not None and not all(seen):
            ids, labels = list(compress(ids, seen)), list(compress(labels, seen))
            remarks = (DataError("Tokens that the attention mask leaves out (padding) are taken away."),)
            if not ids:
                raise NothingToTrain(DataError("A row without tokens is left out of training."))
        if answer_alone(ids, labels):
            raise not_aligned()
        return Rendered({"input_ids": ids, "labels": labels}, remarks)


def _labels(row: Row, how: Rendering, ids: list[int]) -> list[int]:
    """The row's labels, or its tokens where it has none, but for what a mask leaves out of the loss."""
    written = _numbers(row, how, "labels", least=MASKED, like=ids)
    labels = list(ids) if written is None else written
    for role in MASKS:
        if role not in how.columns:
            continue
        trained = _mask(row, how, role, like=ids)
        if trained is None and written is None:
            raise DataError("The column {column!r} has no value.", column=how.columns[role])
        if trained is not None:
            labels = [label if kept else MASKED for label, kept in zip(labels, trained, strict=True)]
    return labels


def _mask(row: Row, how: Rendering, role: str, *, like: list[int]) -> list[int] | None:
    """A cell of 0 and 1, one for each token; None where it has no value."""
    mask = _numbers(row, how, role, least=-LARGEST, like=like)
    if mask is not None and not set(mask) <= {0, 1}:
        raise DataError(
            "The column {column!r} holds {number}, and a mask has only 0 and 1. Write 1 for each token that counts.",
            column=how.columns[role],
            number=next(one for one in mask if one not in (0, 1)),
        )
    return mask


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
        if role == "labels" and answer_alone(like, value):
            raise not_aligned()
        raise DataError(
            "The column {column!r} has {count} numbers for {tokens} tokens.",
            column=column,
            count=len(value),
            tokens=len(like),
        )
    return value
