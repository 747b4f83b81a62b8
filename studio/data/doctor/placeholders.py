"""`{{name}}` that nobody filled in. Fills nothing."""

from __future__ import annotations

import re

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.errors import DataError

_OPEN = b"{{"
_PLACEHOLDER = re.compile(rb"\{\{\s*([A-Za-z_\x80-\xff][\w\x80-\xff]{0,60})\s*\}\}")


class Placeholders(Check):
    """The model would learn to say {{name}}."""

    name = "placeholders"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        import numpy as np

        found = list(chunk.text.matches(_OPEN, _PLACEHOLDER))
        if not found:
            return {}
        names = dict.fromkeys(match[1].decode(errors="replace") for match in found[:500])
        return {
            "position": chunk.mark(chunk.text.rows_at([match.start() for match in found])),
            "said_name": np.array(list(names)[:8]),
        }

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(marked(marks))
        if not len(positions):
            return []
        names = list(dict.fromkeys(str(one) for one in marks["said_name"]))[:8]
        sentence = DataError(
            "Placeholders without a value in {count} of {rows} rows: {names}. Give them values in data.placeholders.",
            count=len(positions),
            rows=view.total,
            names=", ".join(names),
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]
