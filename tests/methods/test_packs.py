"""Blocks reckoned from lengths, against TRL's packing of tokens."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from studio.methods.packing import packed

STRATEGIES: Any = ["bfd", "bfd_split", "wrapped"]


def of_trl(lengths: list[int], max_length: int, strategy: str) -> list[list[tuple[int, int]]]:
    """Each block's tokens as (row, place in it)."""
    from datasets import Dataset, disable_progress_bars
    from trl import pack_dataset

    disable_progress_bars()
    rows = {"row": [[row] * length for row, length in enumerate(lengths)], "at": [list(range(n)) for n in lengths]}
    made = pack_dataset(Dataset.from_dict(rows), max_length, strategy)
    return [list(zip(block["row"], block["at"], strict=True)) for block in made]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("rows", "longest"), [(1, 9), (40, 9), (300, 40), (2500, 30)])
def test_blocks_are_trls(rows: int, longest: int, strategy: Any) -> None:
    drawn = random.Random(rows)
    lengths = [drawn.choice([0, 1, drawn.randint(1, longest), 16]) for _ in range(rows)]
    lengths[-1] = longest
    for max_length in (1, 7, 16, 33):
        found = packed(lengths, max_length=max_length, strategy=strategy)
        shown = [[(row, at) for row, start, end in block for at in range(start, end)] for block in found]
        assert shown == of_trl(lengths, max_length, strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_counting_blocks_is_quick(strategy: Any) -> None:
    """Steps are reckoned anew whenever max_length changes."""
    drawn = random.Random(1)
    lengths = [drawn.randint(20, 900) for _ in range(20_000)]
    began = time.perf_counter()
    total = sum(end - start for block in packed(lengths, max_length=512, strategy=strategy) for _, start, end in block)
    assert time.perf_counter() - began < 1.0
    kept = [min(length, 512) for length in lengths] if strategy == "bfd" else lengths
    assert total == sum(kept)
