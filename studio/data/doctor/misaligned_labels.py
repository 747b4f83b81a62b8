"""Rows that bring their own labels, and whose labels are not the tokens they stand at. Sees ids only."""

from __future__ import annotations

from typing import Any

from studio.data.doctor.base import Check, Chunk, Context, Finding, Lever, Marks, Positions, View, marked
from studio.errors import DataError
from studio.methods.labels import MASKED, not_aligned


class MisalignedLabels(Check):
    """Labels stand where their token stands, not one before, and not on their own: the model shifts them itself."""

    name = "misaligned_labels"
    severity = "blocking"

    def applies(self, context: Context) -> bool:
        return context.dataset_type == "tokenized"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        if not self.applies(context):
            return {}
        import numpy as np

        alone = not_aligned().template
        apart = {row for row, one in enumerate(chunk.problems) if one is not None and one.template == alone}
        others = {row for row, columns in enumerate(chunk.rendered) if columns is not None and misaligned(columns)}
        rows = sorted(apart | others)
        return {"position": chunk.mark(rows), "apart": np.asarray([row in apart for row in rows], dtype=np.bool_)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        made, flagged = [], marked(marks)
        alone = marks["apart"].astype(bool) if len(flagged) else flagged.astype(bool)
        apart = view.within(flagged[alone])
        if len(apart):
            made.append(self._answers_alone(apart, view))
        positions = view.within(flagged[~alone])
        if len(positions):
            sentence = DataError(
                "Labels that are neither -100 nor the token at their place in {count} of {rows} rows: labels are a "
                "copy of input_ids with -100 where nothing is trained. Tokenize these rows again.",
                count=len(positions),
                rows=view.total,
            )
            made.append(self.found(sentence, positions, self.leave_out(positions, view)))
        return made

    def _answers_alone(self, positions: Positions, view: View) -> Finding:
        """Such rows cannot be used, so they go with the others that cannot."""
        sentence = DataError(
            "In {count} of {rows} rows {problem} The first is row {where}.",
            count=len(positions),
            rows=view.total,
            problem=not_aligned(),
            where=view.where(int(positions[0])),
        )
        if view.bad_rows == "skip":
            return self.found(sentence, positions, severity="warning")
        label = DataError("Go on without the rows that cannot be used ({rows})", rows=len(positions))
        levers = (Lever.of(label, {"data.bad_rows": "skip"}),) if self.leave_out(positions, view) else ()
        return self.found(sentence, positions, levers)


def misaligned(columns: dict[str, Any]) -> bool:
    """Whether some label is neither masked nor its token."""
    ids, labels = columns.get("input_ids"), columns.get("labels")
    if labels is None or ids is None:
        return False
    if len(labels) != len(ids):
        return True
    return any(label not in (MASKED, token) for label, token in zip(labels, ids, strict=True))
