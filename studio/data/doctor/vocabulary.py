"""Token ids beyond the model's embedding, and labels beyond the vocabulary. Sees ids only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, Positions, View
from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MASKED = -100


class Vocabulary(Check):
    """Such an id reads memory that is not the model's, or stops the run at the row: blocking."""

    name = "vocabulary"
    severity = "blocking"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """Each row's largest id or label; below zero (but for the mask's -100) counts as larger than any."""
        import numpy as np

        found = np.full(len(chunk.positions), -1, dtype=np.int64)
        offsets = chunk.row_offsets
        some = np.flatnonzero(np.diff(offsets))
        if len(some):
            unsigned = chunk.ids.view(np.uint32)
            found[some] = np.maximum.reduceat(unsigned, offsets[:-1][some]).astype(np.int64)
        if context.dataset_type == "tokenized":
            for row, columns in enumerate(chunk.rendered):
                if columns is not None and columns.get("labels"):
                    found[row] = max(found[row], _largest(columns["labels"]))
        return {"row_largest": np.minimum(found, 2**31 - 1).astype(np.int32)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(self.flagged(marks, view))
        if not len(positions):
            return []
        largest = int(marks["row_largest"][positions].max())
        details = {"count": len(positions), "rows": view.total, "size": _size(view)}
        if largest == 2**31 - 1:
            sentence = DataError(
                "Token ids or labels outside the vocabulary of {size} in {count} of {rows} rows: some are below zero, "
                "where only -100 (masked) may be. Tokenize these rows again.",
                **details,
            )
        else:
            sentence = DataError(
                "Token ids or labels up to {largest} in {count} of {rows} rows: the model has {size} embeddings. The "
                "rows were tokenized for another model; tokenize them again.",
                largest=largest,
                **details,
            )
        return [self.found(sentence, positions, self.leave_out(positions, view))]

    def flagged(self, marks: Marks, view: View) -> Positions:
        import numpy as np

        if "row_largest" not in marks or not _size(view):
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(marks["row_largest"] >= _size(view))


def _size(view: View) -> int:
    """How many ids there are: the embedding's rows where they are known, else what the tokenizer makes."""
    return view.context.embedding_size or view.context.vocabulary


def _largest(labels: list[int] | npt.NDArray[np.int64]) -> int:
    import numpy as np

    values = np.asarray(labels, dtype=np.int64)
    values = values[values != MASKED]
    if not len(values):
        return -1
    return 2**31 - 1 if int(values.min()) < 0 else int(values.max())
