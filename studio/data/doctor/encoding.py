"""Text that was damaged when it was decoded: U+FFFD, mojibake, control characters. Repairs nothing."""

from __future__ import annotations

import re

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.data.doctor.text import TextBlock
from studio.errors import DataError

REPLACED, GARBLED, CONTROL = 0, 1, 2
_REPLACEMENT = "\ufffd".encode()
# UTF-8 read as Windows-1252 or Latin-1: what its continuation bytes (0x80 to 0xBF) have become.
_WINDOWS = [char for code in range(0x80, 0xA0) if (char := bytes([code]).decode("cp1252", "ignore"))]
_REST = rb"(?:\xc2[\x80-\xbf]|" + b"|".join(char.encode() for char in _WINDOWS) + b")"
_GARBLED = re.compile(
    rb"\xc3[\x82\x83]" + _REST  # Latin letters: é as Ã©
    + rb"|\xc3\xa2(?:\xe2\x82\xac|\xc2\x80)" + _REST  # punctuation: ’ as â€™
    + rb"|(?:\xc3[\x90\x91]" + _REST + rb"){2}"  # Cyrillic: два as Ð´Ð²Ð°
    + rb"|(?:\xc3[\xa4-\xa9]" + _REST + _REST + rb"){2}"  # Chinese: 你好 as ä½ å¥½
    + rb"|\xc3\xaf\xc2(?:\xbf\xc2\xbd|\xbb\xc2\xbf)"  # U+FFFD as ï¿½, the BOM as ï»¿
)  # fmt: skip
_CHINESE = "锟斤拷".encode()  # U+FFFD twice, read as GBK
_STARTS = (0x82, 0x83, 0xA2, 0x90, 0x91, 0xAF, *range(0xA4, 0xAA))
_FOLLOWS = (0xC2, 0xC5, 0xC6, 0xCB, 0xE2)


class Encoding(Check):
    """What the model would learn to write. The damage was done before this file was written."""

    name = "encoding"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        import numpy as np

        text = chunk.text
        found: list[tuple[int, int]] = []
        low = text.codes < 0x09
        low |= (text.codes - np.uint8(0x0E)) < np.uint8(0x0D)  # up to escape, which terminals' colours begin with
        found += [(int(at), CONTROL) for at in np.flatnonzero(low)]
        if not text.data.isascii():
            third = np.flatnonzero(text.codes == _REPLACEMENT[0])  # a search for bytes is slow where all are high
            third = third[(text.codes[third + 1] == _REPLACEMENT[1]) & (text.codes[third + 2] == _REPLACEMENT[2])]
            found += [(int(at), REPLACED) for at in third]
            found += [(at, GARBLED) for at in (*text.find(_CHINESE), *_garbled(text))]
        if not found:
            return {}
        rows = text.rows_at([at for at, _ in found])
        both = np.unique(np.stack([rows, [kind for _, kind in found]], axis=1), axis=0)
        return {"position": chunk.positions[both[:, 0]], "kind": both[:, 1].astype(np.int8)}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = marked(marks)
        if not len(positions):
            return []
        made = []
        levers = self.leave_out(view.within(positions), view)
        for kind in (REPLACED, GARBLED, CONTROL):
            rows = view.within(positions[marks["kind"] == kind])
            if len(rows):
                made.append(self.found(_sentence(kind, count=len(rows), rows=view.total), rows, levers))
        return made


def _sentence(kind: int, **details: int) -> DataError:
    if kind == REPLACED:
        return DataError(
            "Lost characters (U+FFFD) in {count} of {rows} rows: make the file anew from its source.", **details
        )
    if kind == GARBLED:
        return DataError(
            "Garbled characters (such as Ã© for é) in {count} of {rows} rows: UTF-8 was read as another encoding. Make "
            "the file anew from its source.",
            **details,
        )
    return DataError("Control characters that are no text (such as U+0000) in {count} of {rows} rows.", **details)


def _garbled(text: TextBlock) -> list[int]:
    """Where mojibake begins; the pattern is tried only where its first three bytes can stand."""
    import numpy as np

    codes = text.codes
    lead = np.flatnonzero(codes[:-2] == 0xC3)
    if not len(lead):
        return []
    second, third = np.zeros(256, dtype=bool), np.zeros(256, dtype=bool)
    second[list(_STARTS)] = third[list(_FOLLOWS)] = True
    lead = lead[second[codes[lead + 1]]]
    lead = lead[third[codes[lead + 2]]]
    return [int(at) for at in lead if _GARBLED.match(text.data, int(at))]
