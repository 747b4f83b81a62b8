"""Rows that are not equal but much alike: 80 % of what is their own is the same. Keeps no marks of its own."""

from __future__ import annotations

from studio.data.doctor.base import Check, Finding, Marks, Positions, View
from studio.data.doctor.duplicates import keys, near_groups
from studio.data.doctor.neighbours import ALIKE
from studio.errors import DataError


class NearDuplicates(Check):
    """Copies with a few words changed; what all rows share, such as a system prompt, does not count."""

    name = "near_duplicates"
    severity = "note"

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(self.flagged(marks, view))
        if not len(positions):
            return []
        sentence = DataError(
            "Near copies of an earlier row, {count} of {rows} training rows: {percent} % or more of their tokens, in "
            "runs of four, are the same.",
            count=len(positions),
            rows=len(view.train),
            percent=round(100 * ALIKE),
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]

    def flagged(self, marks: Marks, view: View) -> Positions:
        """All training rows but the first of each group; exact copies are the business of `duplicates`."""
        import numpy as np

        near = near_groups(view)
        if near is None:
            return np.empty(0, dtype=np.int64)
        train = np.sort(view.train[view.usable[view.train]])
        _, unequal = np.unique(keys(view.marks["duplicates"])[train], return_index=True)
        train = np.sort(train[unequal])
        _, first = np.unique(near[train], return_index=True)
        copies = np.ones(len(train), dtype=bool)
        copies[first] = False
        found: Positions = train[copies]
        return found
