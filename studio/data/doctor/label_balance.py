"""The balance of good and bad answers in unpaired preference rows. Reads no text."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Lever, Marks, Positions, View
from studio.errors import DataError

LOPSIDED = 4  # times as many of one label as of the other, from where on it is told


class LabelBalance(Check):
    """KTO weighs both labels; far more of one than of the other drowns it unless the weights make up for it.

    KTO's authors want desirable_weight * good : undesirable_weight * bad between 1:1 and 4:3.
    """

    name = "label_balance"

    def applies(self, context: Context) -> bool:
        return context.dataset_type == "unpaired-preference"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """Each row's label: 1, 0, or -1 where it cannot be used."""
        import numpy as np

        if not self.applies(context):
            return {}
        labels = [-1 if one is None else int(bool(one.extra.get("label"))) for one in chunk.encoded]
        return {"row_label": np.array(labels, dtype=np.int8)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        import numpy as np

        if "row_label" not in marks or not len(view.train):
            return []
        labels = marks["row_label"][view.train]
        good, bad = int((labels == 1).sum()), int((labels == 0).sum())
        made = self._contradictions(marks, view)
        few = view.train[labels == (1 if good < bad else 0)]
        if not (good or bad) or max(good, bad) < LOPSIDED * min(good, bad):
            return made
        if not (good and bad):
            sentence = DataError(
                "All {count} labels are the same: the method needs good and bad answers.", count=good + bad
            )
            return [*made, self.found(sentence, view.train, severity="blocking")]
        sentence = DataError(
            "Labels out of balance: {good} answers are labelled good and {bad} bad.", good=good, bad=bad
        )
        return [*made, self.found(sentence, np.sort(few), _weights(good, bad, view))]

    def flagged(self, marks: Marks, view: View) -> Positions:
        """The rows with an answer that is labelled both good and bad."""
        import numpy as np

        prints = view.marks.get("duplicates", {}).get("row_print")
        labels = marks.get("row_label")
        if prints is None or labels is None:
            return np.empty(0, dtype=np.int64)
        used = np.flatnonzero(view.used & (labels >= 0))
        _, group = np.unique(prints[used], return_inverse=True)
        good = np.bincount(group, weights=labels[used] == 1) > 0
        bad = np.bincount(group, weights=labels[used] == 0) > 0
        found: Positions = used[(good & bad)[group]]
        return found

    def _contradictions(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(self.flagged(marks, view))
        if not len(positions):
            return []
        sentence = DataError(
            "The same answer labelled both good and bad in {count} of {rows} rows.",
            count=len(positions),
            rows=view.total,
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]


def _weights(good: int, bad: int, view: View) -> tuple[Lever, ...]:
    """Make up for the imbalance by the method's own weights."""
    fewer = "desirable_weight" if good < bad else "undesirable_weight"
    if fewer not in view.method.knobs():
        return ()
    weight = round(max(good, bad) / min(good, bad), 2)
    label = DataError("Set method.{name} to {weight}: both labels then weigh the same", name=fewer, weight=weight)
    return (Lever.of(label, {f"method.{fewer}": weight}),)
