"""Characters that nobody sees and that belong in no text: found in rows and named. Reads no file."""

from __future__ import annotations

import codecs

from studio.errors import DataError

_NAMES = {"\0": "U+0000 (NUL)", "\x1a": "U+001A (^Z)", "\ufeff": "U+FEFF (BOM)"}


def is_odd(block: bytes) -> bool:
    """Whether a part of a text file may hold what `refuse_odd` refuses; quick."""
    return b"\0" in block or b"\x1a" in block or codecs.BOM_UTF8 in block


def refuse_odd(piece: bytes, *, name: str, line: int, more: bytes = b"") -> None:
    """DataError for a row that begins on `line` where bytes are left over from another program: NUL, the end of file
    of old systems, a mark where files were joined, or one of `more`."""
    found = [place for one in (b"\0", b"\x1a", *([more] if more else [])) if (place := piece.find(one)) >= 0]
    if piece.startswith(codecs.BOM_UTF8):
        found.append(0)
    if found:
        place = min(found)
        raise DataError(
            "{file}, line {line}: the row holds the character {character}, which is no text. Remove it from the file, "
            "or remove the row.",
            file=name,
            line=line + piece.count(b"\n", 0, place),
            character=odd(piece[place : place + 4].decode("utf-8", "replace")[0]),
        )


def odd(character: str) -> str:
    """What a sentence calls a character that nobody sees."""
    return _NAMES.get(character, f"U+{ord(character):04X}")
