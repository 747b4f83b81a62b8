"""Rows much longer than the others, and answers of a token or two where the others have many. Judges lengths only."""

from __future__ import annotations

from studio.data.doctor.base import Check, Finding, Marks, Positions, View
from studio.errors import DataError

FEWEST_ROWS = 20  # fewer say nothing of what is usual
LONG = 10  # times the median
LONG_TOKENS = 1000  # and at least so many
SHORT = 2  # supervised tokens: hardly more than the end of the turn
SHORT_SHARE = 0.05  # short answers are no exception where more of the rows have them


class Lengths(Check):
    """Often something that went wrong in making the rows: a whole file in one cell, an answer cut to a word."""

    name = "lengths"
    severity = "note"

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        import numpy as np

        made = []
        length = view.facts.length.max(axis=1, initial=0)
        long, short = self._long(view), self._short(view)
        levers = self.leave_out(np.union1d(long, short), view)
        if len(long):
            sentence = DataError(
                "Far longer than the others, {count} of {rows} rows: more than {times} times the median of {median} "
                "tokens, the longest with {longest}.",
                count=len(long),
                rows=view.total,
                times=LONG,
                median=int(np.median(length[view.used & view.usable])),
                longest=int(length[long].max()),
            )
            made.append(self.found(sentence, long[np.argsort(-length[long], kind="stable")], levers))
        if len(short):
            sentence = DataError(
                "Answers of {tokens} tokens or fewer in {count} of {rows} rows, unlike in the others.",
                count=len(short),
                rows=view.total,
                tokens=SHORT,
            )
            made.append(self.found(sentence, short, levers))
        return made

    def flagged(self, marks: Marks, view: View) -> Positions:
        import numpy as np

        return np.union1d(self._long(view), self._short(view))

    def _long(self, view: View) -> Positions:
        import numpy as np

        length = view.facts.length.max(axis=1, initial=0)
        rows = view.used & view.usable
        if rows.sum() < FEWEST_ROWS:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(rows & (length > max(LONG_TOKENS, LONG * float(np.median(length[rows])))))

    def _short(self, view: View) -> Positions:
        import numpy as np

        supervised = view.facts.supervised
        rows = view.used & supervised.any(axis=1)
        if rows.sum() < FEWEST_ROWS:
            return np.empty(0, dtype=np.int64)
        least = np.where(supervised > 0, supervised, SHORT + 1).min(axis=1)
        found = np.flatnonzero(rows & (least <= SHORT))
        return found if len(found) <= SHORT_SHARE * rows.sum() else found[:0]
