"""Several sources drawn from by weight: which row of which comes when, as `datasets` interleaves them. Reads no row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int64]

STRATEGIES = ("first_exhausted", "all_exhausted")
MOST_MIXED = 50_000_000  # rows; `all_exhausted` repeats the small ones until the last is used up


def interleave(
    lengths: Sequence[int], *, weights: Sequence[float] | None, seed: int, strategy: str
) -> tuple[Numbers, Numbers]:
    """(source, row) of every mixed row. `weights` need not add up to 1; without them the sources take turns."""
    import numpy as np
    from datasets import Dataset, disable_progress_bars, interleave_datasets

    _check(lengths, weights, strategy)
    disable_progress_bars()
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    parts = [
        Dataset.from_dict({"row": np.arange(offsets[number], offsets[number + 1])}) for number in range(len(lengths))
    ]
    probabilities = [weight / sum(weights) for weight in weights] if weights is not None else None
    mixed: Any = interleave_datasets(parts, probabilities=probabilities, seed=seed, stopping_strategy=strategy)
    rows = np.asarray(mixed.with_format("numpy")["row"][:], dtype=np.int64)
    source = np.searchsorted(offsets, rows, side="right") - 1
    return source, rows - offsets[source]


def _check(lengths: Sequence[int], weights: Sequence[float] | None, strategy: str) -> None:
    if strategy not in STRATEGIES:
        raise DataError(
            "data.mix_strategy is {strategy!r}. It is first_exhausted (stop when one source is used up) or "
            "all_exhausted (repeat sources until each is used up).",
            strategy=strategy,
        )
    if weights is None or strategy == "first_exhausted":
        expected = 0.0
    else:
        expected = max(length * sum(weights) / weight for length, weight in zip(lengths, weights, strict=True))
    if expected > MOST_MIXED:
        raise DataError(
            "Mixed until every source is used up, about {rows} rows would come out; at most {most} can be. "
            "Set data.mix_strategy: first_exhausted, or weights closer to the sizes of the sources.",
            rows=f"{round(expected):,}",
            most=f"{MOST_MIXED:,}",
        )
