"""Keys, tokens and passwords of machines in the texts of rows. What is found is never shown whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_KEYS = re.compile(
    rb"(?<![A-Za-z0-9_-])(?:"
    rb"sk-[A-Za-z0-9_-]{20,}|[rs]k_(?:live|test)_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,}"
    rb"|A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[A-Za-z0-9_-]{35}|xox[abprs]-[A-Za-z0-9-]{16,}|hf_[A-Za-z0-9]{30,}"
    rb"|glpat-[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{36}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{32,}"
    rb"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})"
)
_PRIVATE = re.compile(rb"-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY-----")
_SHORT = (b"AKIA", b"ASIA")  # keys of 20 characters, which the look at long words can miss
_WORD = 8  # bytes looked at as one


class Secrets(Check):
    """A model learns them by heart, and says them to whoever asks."""

    name = "secrets"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        import numpy as np

        text = chunk.text
        found = [(match.start(), match[0]) for match in text.matches(b"-----BEGIN", _PRIVATE)]
        found += [(match.start(), match[0]) for lead in _SHORT for match in text.matches(lead, _KEYS)]
        for start, end in text.windows(long_words(text.codes), before=2 * _WORD, after=40 * _WORD):
            found += [(match.start(), match[0]) for match in _KEYS.finditer(text.data, start, end)]
        found = [one for one in found if not _is_sample(one[1])]
        if not found:
            return {}
        return {
            "position": chunk.mark(text.rows_at([at for at, _ in found])),
            "said_sample": np.array([masked(secret) for _, secret in found[:3]]),
        }

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(marked(marks))
        if not len(positions):
            return []
        sentence = DataError(
            "What looks like a secret key or token in {count} of {rows} rows ({samples}): take it out, and revoke it "
            "where it is real.",
            count=len(positions),
            rows=view.total,
            samples=", ".join(list(dict.fromkeys(str(one) for one in marks["said_sample"]))[:3]),
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]


def masked(secret: bytes) -> str:
    """The few characters that tell what kind it is."""
    text = secret.decode("ascii", "replace")
    return "PRIVATE KEY" if text.startswith("-----") else f"{text[:4]}…"


def long_words(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Where 16 bytes in a row, at a multiple of 8, are printable ASCII without a space, with a digit among the 32 from
    there: so is every key of 23 or more."""
    import numpy as np

    solid = (codes - np.uint8(0x21)) < np.uint8(0x5E)
    words = solid.view(np.uint64) == np.uint64(0x0101010101010101)
    found = np.flatnonzero(words[:-1] & words[1:])
    if not len(found):
        return found
    digits = ((codes - np.uint8(0x30)) < np.uint8(10)).view(np.uint64) != 0
    near = digits[found] | digits[found + 1]
    for beyond in (2, 3):
        near |= digits[np.minimum(found + beyond, len(digits) - 1)]
    return found[near] * _WORD


def _is_sample(secret: bytes) -> bool:
    """Whether it is what documents write in a key's place: one letter over and over, or a word such as YOUR."""
    body = secret.split(b"-", 1)[-1].split(b"_", 1)[-1].lower()
    return len(set(body)) < 6 or any(word in body for word in (b"your", b"xxxx", b"example", b"placeholder"))
