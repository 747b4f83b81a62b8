"""Figures and digest of tokenized rows as the trainer will cut them. Knows nothing of how they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset

DIGEST_ROWS = 8
MASKED = -100  # the label of a token that is not trained


@dataclass(frozen=True)
class Counts:
    """What is left of a data set at a `max_length`. `dropped` are positions without any trained token."""

    supervised: int
    total: int
    truncated_rows: int
    dropped: tuple[int, ...]


def count(rows: Dataset, *, max_length: int | None) -> Counts:
    """Tokens after truncation, as the trainer truncates; the tokens of dropped rows do not count."""
    supervised = total = truncated = 0
    dropped: list[int] = []
    for position, (length, trained) in enumerate(_lengths(rows, max_length)):
        truncated += max_length is not None and length > max_length
        if not trained:
            dropped.append(position)
            continue
        supervised += trained
        total += length if max_length is None else min(length, max_length)
    return Counts(supervised=supervised, total=total, truncated_rows=truncated, dropped=tuple(dropped))


def digest(train: Dataset, *, max_length: int | None) -> str:
    """Ids and labels of the first rows, as the trainer will cut them, in 16 hex digits."""
    found = hashlib.sha256()
    for row in islice(train, DIGEST_ROWS):
        cut = [row["input_ids"][:max_length], row["labels"][:max_length]]
        found.update(json.dumps(cut, separators=(",", ":")).encode())
    return found.hexdigest()[:16]


def _lengths(rows: Dataset, max_length: int | None) -> Iterator[tuple[int, int]]:
    """(length, trained tokens within max_length) of each row, counted on Arrow's own memory."""
    import numpy as np

    column = rows.with_format("arrow")["labels"]
    chunks = column.chunks if hasattr(column, "chunks") else column[:].chunks
    for chunk in chunks:
        labels = chunk.flatten().to_numpy(zero_copy_only=False)
        ends = np.cumsum(chunk.value_lengths().to_numpy(zero_copy_only=False))
        starts = np.concatenate([[0], ends[:-1]])
        trained = np.concatenate([[0], np.cumsum(labels != MASKED)])
        kept = ends if max_length is None else np.minimum(ends, starts + max_length)
        for start, end, cut in zip(starts, ends, kept, strict=True):
            yield int(end - start), int(trained[cut] - trained[start])
