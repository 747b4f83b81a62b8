"""Bytes -> one JSON value. Strict: no NaN, no doubled keys, a limit on depth, nothing after the value.

Knows nothing of files.
"""

from __future__ import annotations

import json
import re
from typing import Any

from studio.data.sources.readers.odd_characters import odd

DEEPEST = 200  # lists and objects within one another
_SPACE = b" \t\n\r"
_cut = re.compile(r"t|tr|tru|f|fa|fal|fals|n|nu|nul|-|\.|[eE][-+]?|u[0-9a-fA-F]{0,4}").fullmatch  # of a value
_surrogate = re.compile(rb"\\u[dD]").search  # a pattern is searched for twice as fast as bytes are


class RefusedError(ValueError):
    """What is wrong with a JSON text. `position` is in characters of it; `is_cut` where it could have gone on well."""

    def __init__(self, problem: str, position: int | None = None, *, is_cut: bool = False) -> None:
        super().__init__(problem)
        self.position, self.is_cut = position, is_cut


def _constant(name: str) -> None:
    raise RefusedError(f"{name} is not a JSON value")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise RefusedError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found


_decode = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_object).raw_decode


def parse_value(piece: bytes) -> Any:
    """The one value in these bytes. UnicodeDecodeError, or RefusedError that says what is wrong and where."""
    text = piece.strip(_SPACE).decode()
    try:
        value, end = _decode(text)
    except json.JSONDecodeError as error:
        raise _refused(error, text) from error
    except RefusedError:
        raise
    except (RecursionError, ValueError) as error:
        # What else the decoder refuses is a whole number of more digits than Python reads.
        problem = "nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"
        raise RefusedError(problem) from error
    if end != len(text):
        rest = text[end:].lstrip()
        problem = "a comma is missing between two rows" if rest[0] == "{" else "there is more after the first value"
        raise RefusedError(problem, len(text) - len(rest))
    if piece.count(b"[") + piece.count(b"{") > DEEPEST and _depth(value) > DEEPEST:
        raise RefusedError("nested too deeply")
    if _surrogate(piece):
        _check_pairs(value)
    return value


def _refused(error: json.JSONDecodeError, text: str) -> RefusedError:
    """Python's own words, but for a character that nobody sees."""
    rest = text[error.pos :]
    problem = error.msg
    if rest and (rest[0] < " " or rest[0] == "\ufeff"):
        problem = f"the character {odd(rest[0])} has no place there"
    is_cut = not rest or problem.startswith("Unterminated") or bool(_cut(rest))
    return RefusedError(f"{problem}, column {error.colno}", error.pos, is_cut=is_cut)


def _check_pairs(value: Any) -> None:
    """Half of a surrogate pair is no character: no tokenizer takes it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = str(error.object[error.start]).encode("unicode_escape").decode()
        raise RefusedError(f"{half} is half a character") from error


def _depth(value: Any) -> int:
    """How many lists and objects lie within one another."""
    level = [value]
    depth = 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth
