"""Training rows that are also among the rows held out, word for word or nearly. Keeps no marks of its own."""

from __future__ import annotations

from studio.data.doctor.base import Check, Finding, Marks, Positions, View
from studio.data.doctor.duplicates import keys, near_groups
from studio.errors import DataError


class Overlap(Check):
    """The validation loss would be measured on what was learned by heart."""

    name = "overlap"

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        import numpy as np

        positions = view.within(self.flagged(marks, view))
        if not len(positions):
            return []
        mine = view.marks["duplicates"]
        exact = int(np.isin(keys(mine)[positions], keys(mine)[view.eval]).sum())
        sentence = DataError(
            "Held out for validation too, {count} of {rows} training rows: {exact} word for word, {near} nearly.",
            count=len(positions),
            rows=len(view.train),
            exact=exact,
            near=len(positions) - exact,
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]

    def flagged(self, marks: Marks, view: View) -> Positions:
        """The training rows; what is held out stays."""
        import numpy as np

        mine = view.marks.get("duplicates", {})
        if "row_print" not in mine or not len(view.eval):
            return np.empty(0, dtype=np.int64)
        train, held_out = (some[view.usable[some]] for some in (view.train, view.eval))
        both = np.isin(keys(mine)[train], keys(mine)[held_out])
        near = near_groups(view)
        if near is not None:
            both |= np.isin(near[train], near[held_out])
        found: Positions = np.sort(train[both])
        return found
