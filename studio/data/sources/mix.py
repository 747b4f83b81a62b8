"""Several sources drawn from by weight: which row of which comes when. Reads no row.

The order is that of `datasets.interleave_datasets` with the same seed, which takes far longer for it; a test
holds both side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int64]

STRATEGIES = ("first_exhausted", "all_exhausted")
COUNTED_TO = 10**15  # rows; beyond it a sentence says no more than that
MOST_MIXED = 50_000_000  # rows; `all_exhausted` repeats the small sources until the last is used up
DRAWN_AT_ONCE = 1000  # as `datasets` draws: another size would be another order


def interleave(
    lengths: Sequence[int], *, weights: Sequence[float] | None, seed: int, strategy: str
) -> tuple[Numbers, Numbers]:
    """(source, row) of every mixed row. `weights` need not add up to 1; without them the sources take turns."""
    import numpy as np

    if weights is not None and math.isinf(sum(weights)):
        weights = [weight / max(weights) for weight in weights]  # their sum is beyond what a number can be
    _check(lengths, weights, strategy)
    until = min if strategy == "first_exhausted" else max
    if weights is None:
        turns = until(lengths)
        source = np.tile(np.arange(len(lengths), dtype=np.int64), turns)
        row = np.repeat(np.arange(turns, dtype=np.int64), len(lengths)) % np.asarray(lengths)[source]
        return source, row
    source = _drawn(lengths, weights, seed=seed, strategy=strategy)
    row = np.empty_like(source)
    for number, length in enumerate(lengths):
        places = np.flatnonzero(source == number)
        row[places] = np.arange(len(places)) % length
    return source, row


def _drawn(lengths: Sequence[int], weights: Sequence[float], *, seed: int, strategy: str) -> Numbers:
    """Sources in the order they are drawn, up to the draw that uses up the first of them, or the last."""
    import numpy as np

    rng = np.random.default_rng(seed)
    share = [weight / sum(weights) for weight in weights]
    enough = any if strategy == "first_exhausted" else all
    blocks: list[Numbers] = []
    counts = np.zeros(len(lengths), dtype=np.int64)
    while not enough(count >= length for count, length in zip(counts.tolist(), lengths, strict=True)):
        block = rng.choice(len(lengths), size=DRAWN_AT_ONCE, p=share)
        blocks.append(block)
        counts += np.bincount(block, minlength=len(lengths))
    drawn = np.concatenate(blocks).astype(np.int64)
    ends = [
        int(np.flatnonzero(drawn == number)[length - 1])
        for number, length in enumerate(lengths)
        if counts[number] >= length
    ]
    return drawn[: (min(ends) if strategy == "first_exhausted" else max(ends)) + 1]


def _check(lengths: Sequence[int], weights: Sequence[float] | None, strategy: str) -> None:
    if strategy not in STRATEGIES:
        raise DataError(
            "data.mix_strategy is {strategy!r}. It is first_exhausted (stop when one source is used up) or "
            "all_exhausted (repeat sources until each is used up).",
            strategy=strategy,
        )
    if min(lengths) < 1 or not all(0 < one < math.inf for one in weights or ()):
        raise DataError(
            "Every source that is mixed needs at least one row and a weight above 0 that does not vanish beside the "
            "others."
        )
    shares = [1.0] * len(lengths) if weights is None else weights
    parts = [share / sum(shares) for share in shares]
    rows = [length / part if part else math.inf for length, part in zip(lengths, parts, strict=True)]
    expected = min(rows) if strategy == "first_exhausted" else max(rows)
    if expected > MOST_MIXED:
        raise DataError(
            "About {rows} rows would come out of the mixed sources; at most {most} can. "
            "Set data.mix_strategy: first_exhausted, or weights closer to the sizes of the sources.",
            rows=f"{round(expected):,}" if expected < COUNTED_TO else f"{COUNTED_TO:,}+",
            most=f"{MOST_MIXED:,}",
        )
