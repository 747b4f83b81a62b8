"""Rows that could not be read, rendered or tokenized, with the reasons. Tries nothing again."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Lever, Marks, View, distinct, marked
from studio.data.doctor.told import keep, sentences
from studio.errors import DataError
from studio.methods.labels import not_aligned

REASONS = 5  # told one by one, those of most rows first


class Unusable(Check):
    """Blocking, until the person says that the run may go without them."""

    name = "unusable"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        elsewhere = not_aligned().template  # told by `misaligned_labels`
        problems = ((row, one) for row, one in enumerate(chunk.problems) if one is not None)
        return keep(chunk, ((row, one) for row, one in problems if one.template != elsewhere))

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        import numpy as np

        positions = marked(marks)
        if not len(positions):
            return []
        told, made = sentences(marks), []
        kinds, counts = np.unique(marks["kind"], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        skip = view.bad_rows == "skip"
        label = DataError("Go on without the rows that cannot be used ({rows})", rows=len(positions))
        levers = () if skip else (Lever.of(label, {"data.bad_rows": "skip"}),)
        for kind in kinds[order][:REASONS]:
            rows = distinct(positions[marks["kind"] == kind])
            problem = told.get(int(kind)) or DataError("The row itself shows why.")
            sentence = DataError(
                "{count} of {rows} rows cannot be used. {problem} The first is row {where}.",
                count=len(rows),
                rows=len(view.facts.length),
                where=view.where(int(rows[0])),
                problem=problem,
            )
            made.append(self.found(sentence, rows, levers, severity="warning" if skip else "blocking"))
        if len(kinds) > REASONS:
            rest = distinct(positions[np.isin(marks["kind"], kinds[order][REASONS:])])
            sentence = DataError("{count} more cannot be used, for other reasons.", count=len(rest))
            made.append(self.found(sentence, rest, levers, severity="warning" if skip else "blocking"))
        return made
