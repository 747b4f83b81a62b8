"""E-mail addresses and the numbers of phones, cards and people in the texts of rows. Never shown whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from studio.data.doctor.base import Check, Chunk, Context, Finding, Marks, View, marked
from studio.data.doctor.text import TextBlock
from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

EMAIL, PHONE, CARD, IDENTITY = 0, 1, 2, 3
_LOCAL = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}\Z")
_DOMAIN = re.compile(rb"@((?:[A-Za-z0-9-]{1,63}\.){1,6}([A-Za-z]{2,24}))(?![A-Za-z0-9@:(])")
_NO_DOMAIN = re.compile(
    rb"(?i)(?:.*\.)?example(?:\.\w+)?\Z|.*\.(?:example|test|invalid|png|jpe?g|gif|svg|webp|css|js|py)\Z"
)
_PHONE = re.compile(
    rb"(?<![\w.,+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
    rb"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}|1[3-9]\d{9})(?![\w-]|[.,]\d)"
)
_CARD = re.compile(
    rb"(?<![\w.,-])(?:[3-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}|62\d{17}|3[47]\d{2}([ -]?)\d{6}\2\d{5})(?![\w-]|[.,]\d)"
)
_IDENTITY = re.compile(
    rb"(?<![\w.,-])[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![\w-]|[.,]\d)"
)
_DIGITS = 9  # in 24 bytes, from which on numbers are looked for


class Personal(Check):
    """A model learns them by heart, too."""

    name = "personal"
    severity = "note"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        import numpy as np

        text = chunk.text
        found = [*_emails(text), *_numbers(text)]
        if not found:
            return {}
        rows = text.rows_at([at for at, _, _ in found])
        both = np.unique(np.stack([rows, [kind for _, kind, _ in found]], axis=1), axis=0)
        samples = {kind: value for _, kind, value in reversed(found)}
        return {
            "position": chunk.positions[both[:, 0]],
            "kind": both[:, 1].astype(np.int8),
            "said_kind": np.array(list(samples), dtype=np.int8),
            "said_sample": np.array([masked(kind, value) for kind, value in samples.items()]),
        }

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = marked(marks)
        if not len(positions):
            return []
        made = []
        levers = self.leave_out(view.within(positions), view)
        for kind in (IDENTITY, CARD, PHONE, EMAIL):
            rows = view.within(positions[marks["kind"] == kind])
            if len(rows):
                said = marks["said_sample"][marks["said_kind"] == kind][:3]
                details = {"count": len(rows), "rows": view.total, "samples": ", ".join(str(one) for one in said)}
                made.append(self.found(_sentence(kind, details), rows, levers))
        return made


def _sentence(kind: int, details: dict[str, object]) -> DataError:
    if kind == EMAIL:
        return DataError("E-mail addresses in {count} of {rows} rows ({samples}).", **details)
    if kind == PHONE:
        return DataError("What looks like phone numbers in {count} of {rows} rows ({samples}).", **details)
    if kind == CARD:
        return DataError("What looks like card numbers in {count} of {rows} rows ({samples}).", **details)
    return DataError("What looks like identity numbers in {count} of {rows} rows ({samples}).", **details)


def masked(kind: int, value: str) -> str:
    """What tells the kind, and no more."""
    if kind == EMAIL:
        local, _, domain = value.partition("@")
        return f"{local[:1]}…@{domain[:1]}…{domain[domain.rfind('.') :]}"
    return f"{value[:2]}…{value[-2:]}"


def _emails(text: TextBlock) -> Iterator[tuple[int, int, str]]:
    import numpy as np

    for at in np.flatnonzero(text.codes == ord("@")):
        domain = _DOMAIN.match(text.data, int(at))
        if domain is None or _NO_DOMAIN.match(domain[1]):
            continue
        local = _LOCAL.search(text.data[max(0, int(at) - 64) : int(at)])
        if local is not None and local[0] != b"git":
            yield int(at), EMAIL, (local[0] + domain[0]).decode()


def _numbers(text: TextBlock) -> Iterator[tuple[int, int, str]]:
    for start, end in text.windows(_many_digits(text.codes), before=24, after=48):
        taken: list[tuple[int, int]] = []
        for kind, pattern in ((IDENTITY, _IDENTITY), (CARD, _CARD), (PHONE, _PHONE)):
            for match in pattern.finditer(text.data, start, end):
                if any(first < match.end() and match.start() < last for first, last in taken):
                    continue
                if _holds(kind, [int(one) for one in match[0].decode() if one.isdigit()], match[0]):
                    taken.append(match.span())
                    yield match.start(), kind, match[0].decode()


def _many_digits(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Where 24 bytes, at a multiple of 8, hold enough digits to be a number worth a look."""
    import numpy as np

    digits = (codes - np.uint8(0x30)) < np.uint8(10)
    counts = np.bitwise_count(digits.view(np.uint64))
    return np.flatnonzero(counts[:-2] + counts[1:-1] + counts[2:] >= _DIGITS) * 8


def _holds(kind: int, digits: list[int], written: bytes) -> bool:
    """Whether check digits, or the number of digits, bear a guess out."""
    if kind == CARD:
        return len(set(digits)) > 2 and _luhn(digits)
    if kind == IDENTITY:
        weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
        rest = sum(weight * digit for weight, digit in zip(weights, digits, strict=False)) % 11
        return "10X98765432"[rest] == written[-1:].decode().upper()
    most = 13 if written[1:].isdigit() else 15  # written as one, more is a number and no phone's
    return 9 <= len(digits) <= most and len(set(digits)) > 2


def _luhn(digits: list[int]) -> bool:
    """The check digit of card numbers (ISO/IEC 7812-1)."""
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
