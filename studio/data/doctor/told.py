"""Sentences about rows, kept among the marks: one of each kind a chunk, as JSON. Says nothing itself."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from studio.errors import DataError

if TYPE_CHECKING:
    from studio.data.doctor.base import Chunk, Marks

MOST = 8  # kinds kept of a chunk
LONGEST = 300  # characters of a detail


def keep(chunk: Chunk, told: Iterable[tuple[int, DataError]]) -> Marks:
    """(row, sentence) of some rows -> their positions, each with the kind of its sentence, and one of each kind."""
    import numpy as np

    rows, kinds, first = [], [], dict[int, str]()
    for row, sentence in told:
        kind = zlib.crc32(sentence.template.encode())
        rows.append(row)
        kinds.append(kind)
        if kind not in first and len(first) < MOST:
            first[kind] = _written(sentence)
    return {
        "position": chunk.positions[np.asarray(rows, dtype=np.int64)],
        "kind": np.asarray(kinds, dtype=np.uint32),
        "said_kind": np.asarray(list(first), dtype=np.uint32),
        "said_json": np.asarray(list(first.values()), dtype=np.str_),
    }


def sentences(marks: Marks) -> dict[int, DataError]:
    """Kind -> the first sentence of that kind."""
    found: dict[int, DataError] = {}
    for kind, text in zip(marks.get("said_kind", ()), marks.get("said_json", ()), strict=True):
        if int(kind) not in found:
            found[int(kind)] = _read(str(text))
    return found


def _written(sentence: DataError) -> str:
    details = {
        name: value if isinstance(value, int | float) else str(value)[:LONGEST]
        for name, value in sentence.details.items()
    }
    return json.dumps([sentence.template, details])


def _read(text: str) -> DataError:
    template, details = json.loads(text)
    return DataError.again(template, details)
