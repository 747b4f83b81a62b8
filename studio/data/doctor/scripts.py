"""The writing of each row's answer: Latin, Chinese, Cyrillic ... Knows nothing of languages that share one."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, Positions, View
from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SEEN = 256  # characters of an answer that are looked at
NONE, LATIN, HAN, KANA, HANGUL, CYRILLIC, ARABIC, GREEK, HEBREW, INDIC, THAI, OTHER = range(12)
_WEIGHTS = {HAN: 3, KANA: 3, HANGUL: 3}  # a character of these says as much as three letters
_RANGES = (
    (LATIN, 0x40, 0x5B), (LATIN, 0x60, 0x7B), (LATIN, 0xC0, 0x250), (LATIN, 0x1E00, 0x1F00),
    (GREEK, 0x370, 0x400), (GREEK, 0x1F00, 0x2000), (CYRILLIC, 0x400, 0x530), (OTHER, 0x530, 0x590),
    (HEBREW, 0x590, 0x600), (ARABIC, 0x600, 0x700), (ARABIC, 0x750, 0x780), (ARABIC, 0x8A0, 0x900),
    (ARABIC, 0xFB50, 0xFE00), (ARABIC, 0xFE70, 0xFF00), (INDIC, 0x900, 0xE00), (THAI, 0xE00, 0xE80),
    (OTHER, 0xE80, 0x1100), (HANGUL, 0x1100, 0x1200), (OTHER, 0x1200, 0x1E00), (KANA, 0x3040, 0x3100),
    (HANGUL, 0x3130, 0x3190), (HAN, 0x3400, 0x4DC0), (HAN, 0x4E00, 0xA000), (HANGUL, 0xAC00, 0xD7B0),
    (HAN, 0xF900, 0xFB00),
)  # fmt: skip


class Scripts(Check):
    """A few rows in another script are often rows that slipped in; a mix may be what is wanted."""

    name = "scripts"
    severity = "note"

    def applies(self, context: Context) -> bool:
        return context.dataset_type != "tokenized"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """One script a row, that of the beginning of its last text."""
        import numpy as np

        found = np.zeros(len(chunk.positions), dtype=np.int8)
        reading = chunk.reading
        last: dict[int, int] = dict(zip(reading.text_rows, range(len(reading.texts)), strict=True))
        foreign: list[int] = []
        samples: list[str] = []
        for row, place in last.items():
            sample = reading.texts[place][:SEEN]
            if sample.isascii():
                found[row] = LATIN if sample.upper() != sample.lower() else NONE
            else:
                foreign.append(row)
                samples.append(sample)
        if samples:
            found[foreign] = scripts_of(samples)
        return {"row_script": found}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        import numpy as np

        positions = self.flagged(marks, view)
        if not len(positions):
            return []
        scripts = marks["row_script"][view.used]
        counts = np.bincount(scripts[scripts != NONE], minlength=OTHER + 1)
        main, second = np.argsort(-counts, kind="stable")[:2]
        sentence = DataError(
            "Answers in more than one script: {share} % are in {main}, and of the {count} others most in {second}.",
            share=round(100 * float(counts[main] / counts.sum()), 1),
            main=_name(int(main)),
            count=len(positions),
            second=_name(int(second)),
        )
        return [self.found(sentence, positions, self.leave_out(positions, view))]

    def flagged(self, marks: Marks, view: View) -> Positions:
        """Rows in another script than most."""
        import numpy as np

        if "row_script" not in marks:
            return np.empty(0, dtype=np.int64)
        scripts = marks["row_script"]
        known = view.used & (scripts != NONE)
        counts = np.bincount(scripts[known], minlength=OTHER + 1)
        return np.flatnonzero(known & (scripts != counts.argmax()))


def scripts_of(samples: list[str]) -> npt.NDArray[np.int8]:
    """The script that says most in each text."""
    import numpy as np

    codes = np.frombuffer("".join(samples).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _table()[np.minimum(codes >> 4, 0xFFF)]
    kinds[(codes >= 0x20000) & (codes < 0x323B0)] = HAN
    owner = np.repeat(np.arange(len(samples)), np.fromiter(map(len, samples), dtype=np.int64, count=len(samples)))
    width = OTHER + 1
    counts = np.bincount(owner * width + kinds, minlength=len(samples) * width).reshape(-1, width)
    for kind, weight in _WEIGHTS.items():
        counts[:, kind] *= weight
    counts[:, NONE] = 0
    japanese = counts[:, KANA] * 8 >= counts[:, HAN]  # Japanese is written with Chinese characters too
    counts[:, KANA] += np.where(japanese & (counts[:, KANA] > 0), counts[:, HAN], 0)
    found: npt.NDArray[np.int8] = np.where(counts.any(axis=1), counts.argmax(axis=1), NONE).astype(np.int8)
    return found


@lru_cache(maxsize=1)
def _table() -> npt.NDArray[np.int8]:
    """Sixteen code points a place; the last place is for all that lie beyond."""
    import numpy as np

    table = np.zeros(0x1000, dtype=np.int8)
    for kind, start, end in _RANGES:
        table[start >> 4 : (end + 15) >> 4] = kind
    table[0xFFF] = NONE
    return table


def _name(script: int) -> DataError:
    """What a sentence calls it."""
    names = {
        LATIN: DataError("Latin letters"), HAN: DataError("Chinese characters"), KANA: DataError("Japanese"),
        HANGUL: DataError("Korean"), CYRILLIC: DataError("Cyrillic letters"), ARABIC: DataError("Arabic letters"),
        GREEK: DataError("Greek letters"), HEBREW: DataError("Hebrew letters"), INDIC: DataError("Indic scripts"),
        THAI: DataError("Thai"), OTHER: DataError("other scripts"),
    }  # fmt: skip
    return names[script]
