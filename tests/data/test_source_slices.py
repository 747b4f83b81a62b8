"""`train[:5%]` takes from a file the rows that `datasets` takes; mixed sources come in the order it gives them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio.data.sources import mix, open_source
from studio.data.sources.mix import interleave
from studio.data.sources.slices import parse_split
from studio.errors import DataError
from studio.settings import Settings

SPLITS = [
    "train", "train[:]", "train[:5%]", "train[:33%]", "train[66%:]", "train[10%:20%]", "train[-5%:]", "train[:-5%]",
    "train[:1%]", "train[99%:]", "train[10:20]", "train[-7:]", "train[:-7]", "train[5:1_00]", "train[:10%]+train[90%:]",
    "train[2:4] + train[0:1]", "train[:20%](closest)", "train[:50%](pct1_dropremainder)", "train[0:0]", "train[100:5]",
    "train[40%:40%]", "train[5000:]", "train[:100%]", "train[-5000:3]",
]  # fmt: skip


@pytest.mark.parametrize("rows", [1, 7, 99, 150, 1001])
def test_slices_take_what_datasets_takes(rows: int, tmp_path: Path, settings: Settings) -> None:
    from datasets import ReadInstruction

    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"n": n}) + "\n" for n in range(rows)))
    for split in SPLITS:
        try:
            parts = ReadInstruction.from_spec(split).to_absolute({"train": rows})
            expected = [n for part in parts for n in range(part.from_, part.to)]
        except ValueError:
            expected = []
        if expected:
            table = open_source(str(path), split=split, settings=settings)
            assert [row["n"] for row in table.rows] == expected, split
            assert [table.where(n) for n in range(len(expected))] == [str(n + 1) for n in expected]
        else:
            with pytest.raises(DataError):
                open_source(str(path), split=split, settings=settings)


def test_a_part_has_an_identity_of_its_own(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"n": n}) + "\n" for n in range(50)))
    found = {open_source(str(path), split=split, settings=settings).identity for split in SPLITS[:6]}
    assert len(found) == 5  # train[:] is all of it, under a name of its own
    assert not open_source(str(path), split="train[:5]", settings=settings).changed()


@pytest.mark.parametrize(
    "split",
    ["", "train[", "train[5]", "train[:5%", "train[a:b]", "train[:150%]", "train[5:50%]", "train[:9](closest)",
     "train[:9%](up)", "train+", "a b", "train[:5%]]", "train[_5:]"],
)  # fmt: skip
def test_what_is_no_split_is_a_sentence(split: str) -> None:
    with pytest.raises(DataError, match=r"data\.split is .*train\[:5%\]"):
        parse_split(split)


LENGTHS = [(5, 9), (3, 4, 5), (1, 1), (40, 7, 90), (1000, 10), (3000, 2000, 500)]


@pytest.mark.parametrize("strategy", mix.STRATEGIES)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("weights", [None, "even", "uneven"])
def test_mixed_as_datasets_interleaves(lengths: tuple[int, ...], weights: str | None, strategy: str) -> None:
    from datasets import Dataset, interleave_datasets

    share = {None: None, "even": [1.0] * len(lengths), "uneven": [3.0, 1.0, 0.5][: len(lengths)]}[weights]
    parts = [Dataset.from_list([{"at": [k, n]} for n in range(length)]) for k, length in enumerate(lengths)]
    probabilities = [one / sum(share) for one in share] if share else None
    expected = interleave_datasets(parts, probabilities=probabilities, seed=7, stopping_strategy=strategy)
    source, row = interleave(lengths, weights=share, seed=7, strategy=strategy)
    assert np.stack([source, row], axis=1).tolist() == [one["at"] for one in expected]


def test_mixing_a_million_rows_is_quick_and_never_endless() -> None:
    import time

    start = time.perf_counter()
    source, row = interleave([1_000_000, 500_000], weights=[2, 1], seed=1, strategy="all_exhausted")
    assert time.perf_counter() - start < 2
    assert len(set(zip(source.tolist(), row.tolist(), strict=True))) == 1_500_000
    with pytest.raises(DataError, match=r"first_exhausted"):
        interleave([1_000_000, 10], weights=[1e-9, 1], seed=1, strategy="all_exhausted")
    with pytest.raises(DataError, match=r"mix_strategy is 'other'"):
        interleave([1, 1], weights=None, seed=1, strategy="other")


@pytest.mark.parametrize("weights", [[1e308, 1e308], [1e308, 1.0], [1e-308, 1e-308], [5e307, 1.7e308]])
def test_weights_of_any_size_are_shares(weights: list[float]) -> None:
    share = [weight / max(weights) for weight in weights]
    found = interleave([50, 50], weights=weights, seed=3, strategy="first_exhausted")
    assert [one.tolist() for one in found] == [
        one.tolist() for one in interleave([50, 50], weights=share, seed=3, strategy="first_exhausted")
    ]


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [([1e308, 1e308, 1e-300], "does not vanish"), ([1e-320, 1.0], r"About 1,000,000,000,000,000\+ rows")],
)
def test_a_weight_that_vanishes_is_a_sentence(weights: list[float], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        interleave([9] * len(weights), weights=weights, seed=3, strategy="all_exhausted")
