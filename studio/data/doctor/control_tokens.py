"""Text in rows that the tokenizer turns into control tokens. Knows nothing of what the template writes itself."""

from __future__ import annotations

import re
from functools import lru_cache

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.data.doctor.text import TextBlock
from studio.errors import DataError

LEAD = 2  # bytes of a control token that are searched for; the rest is compared there


class ControlTokens(Check):
    """A row that says <|im_end|> ends its turn there; in plain text rows it may be meant so."""

    name = "control_tokens"

    def applies(self, context: Context) -> bool:
        return context.dataset_type != "tokenized"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        import numpy as np

        if not context.special_texts:
            return {}
        leads, pattern = _search(context.special_texts)
        text = chunk.text
        found = [(at, match[0]) for at in _starts(text, leads) if (match := pattern.match(text.data, at))]
        if not found:
            return {}
        names = dict.fromkeys(token.decode() for _, token in found[:200])
        return {
            "position": chunk.mark(text.rows_at([at for at, _ in found])),
            "said_token": np.array([name[:40] for name in list(names)[:5]]),
        }

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(marked(marks))
        if not len(positions):
            return []
        tokens = ", ".join(list(dict.fromkeys(str(one) for one in marks["said_token"]))[:5])
        details = {"count": len(positions), "rows": view.total, "tokens": tokens}
        levers = self.leave_out(positions, view)
        if view.context.format == "text":
            sentence = DataError(
                "Control tokens in the text of {count} of {rows} rows ({tokens}): that is right only where the rows "
                "were written for this model's template.",
                **details,
            )
            return [self.found(sentence, positions, levers, severity="note")]
        sentence = DataError(
            "Control tokens in the text of {count} of {rows} rows ({tokens}): the tokenizer does not take them for "
            "text, so a turn may end in the middle. Leave these rows out, or write the tokens differently.",
            **details,
        )
        return [self.found(sentence, positions, levers)]


def _starts(text: TextBlock, leads: tuple[bytes, ...]) -> list[int]:
    """Where the first two bytes of a control token stand."""
    import numpy as np

    found: list[int] = []
    for first in dict.fromkeys(lead[:1] for lead in leads):
        at = np.flatnonzero(text.codes[:-1] == first[0])
        second = np.zeros(256, dtype=bool)
        second[[lead[1] for lead in leads if lead[:1] == first]] = True
        found += at[second[text.codes[at + 1]]].tolist()
    return found


@lru_cache(maxsize=8)
def _search(tokens: tuple[str, ...]) -> tuple[tuple[bytes, ...], re.Pattern[bytes]]:
    """How the tokens begin, and a pattern for all of them, the longest first."""
    encoded = sorted((token.encode() for token in tokens if len(token.encode()) >= LEAD), key=len, reverse=True)
    return tuple(dict.fromkeys(token[:LEAD] for token in encoded)), re.compile(b"|".join(map(re.escape, encoded)))
