"""Rows that bring their own labels, and whose labels are not the tokens they stand at. Sees ids only."""

from __future__ import annotations

from typing import Any

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.errors import DataError

MASKED = -100


class MisalignedLabels(Check):
    """Labels stand where their token stands, not one before, and not on their own: the model shifts them itself."""

    name = "misaligned_labels"
    severity = "blocking"

    def applies(self, context: Context) -> bool:
        return context.dataset_type == "tokenized"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        if not self.applies(context):
            return {}
        rows = [row for row, columns in enumerate(chunk.rendered) if columns is not None and misaligned(columns)]
        return {"position": chunk.mark(rows)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(marked(marks))
        if not len(positions):
            return []
        sentence = DataError(
            "Labels that are neither -100 nor the token at their place in {count} of {rows} rows: labels are a copy of "
            "input_ids with -100 where nothing is trained, not the answer tokenized alone. Tokenize these rows again.",
            count=len(positions),
            rows=view.total,
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]


def misaligned(columns: dict[str, Any]) -> bool:
    """Whether some label is neither masked nor its token."""
    ids, labels = columns.get("input_ids"), columns.get("labels")
    if labels is None or ids is None:
        return False
    if len(labels) != len(ids):
        return True
    return any(label not in (MASKED, token) for label, token in zip(labels, ids, strict=True))
