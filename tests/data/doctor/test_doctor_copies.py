"""Copies: equal rows, rows much alike, rows on both sides of the split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from patients import Patient, pair

from studio.data.doctor.minhash import BANDS, bands, common, fingerprints, runs_of
from studio.data.doctor.neighbours import ALIKE, groups

ROW = {"messages": []}  # these checks look at ids alone


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Of the sets of runs of four, without any hash."""
    first, second = ({tuple(ids[n : n + 4]) for n in range(len(ids) - 3)} for ids in (one, other))
    return len(first & second) / max(len(first | second), 1)


def flat(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return np.concatenate(rows).astype(np.int32), offsets


def changed(row: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """The row with stretches of it replaced, about `share` of it."""
    made = row.copy()
    for start in random.choice(len(row) - 4, max(1, round(len(row) * share / 4)), replace=False):
        made[start : start + 4] = random.integers(0, 30_000, 4)
    return made


def grouped(rows: list[np.ndarray], chunk_rows: int = 512) -> np.ndarray:
    """The groups of rows that were looked at chunk by chunk."""
    prints, banded = [], []
    for start in range(0, len(rows), chunk_rows):
        ids, offsets = flat(rows[start : start + chunk_rows])
        prints.append(fingerprints(ids, offsets))
        banded.append(bands(ids, offsets, prints[-1]))

    def read(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return flat([rows[int(position)] for position in positions])

    kinds = np.zeros(len(rows), dtype=np.int8)
    return groups(np.concatenate(banded), np.concatenate(prints), kinds, read)


def test_near_copies_are_found_and_nothing_else_is() -> None:
    """Recall and precision against the true Jaccard index, with a system prompt of 60 tokens before every row."""
    random = np.random.default_rng(0)
    prompt = random.integers(0, 30_000, 60)
    originals = [random.integers(0, 30_000, random.integers(60, 300)) for _ in range(1200)]
    copies = [changed(row, random.uniform(0.01, 0.12), random) for row in originals[:400]]
    own = [*originals, *copies]
    near = grouped([np.concatenate([prompt, row]) for row in own])
    alike = np.array([jaccard(originals[n], copies[n]) for n in range(400)])
    found = near[1200:] == np.arange(400)
    wanted = alike >= ALIKE + 0.05  # runs that reach into the prompt count too, so leave some room at the border
    assert wanted.sum() > 100 and (~wanted).sum() > 50
    assert found[wanted].mean() >= 0.97
    assert not found[alike < ALIKE - 0.05].any()
    assert (near[:1200] == np.arange(1200)).all()  # the shared prompt makes nobody alike


def test_only_what_rows_have_of_their_own_counts() -> None:
    """A long shared prompt and short rows: without care all rows would be alike."""
    random = np.random.default_rng(1)
    prompt = random.integers(0, 30_000, 400)
    own = [random.integers(0, 30_000, 25) for _ in range(300)]
    own[200] = own[100].copy()
    own[200][-1] = 5
    near = grouped([np.concatenate([prompt, row]) for row in own])
    assert near[200] == 100
    assert (np.delete(near, 200) == np.delete(np.arange(300), 200)).all()


def test_many_copies_make_nothing_common() -> None:
    """A row that is there a hundred times is no template."""
    random = np.random.default_rng(2)
    row = random.integers(0, 30_000, 100)
    rows = [row] * 100 + [random.integers(0, 30_000, 100) for _ in range(100)] + [changed(row, 0.03, random)]
    near = grouped(rows)
    assert near[200] == 0


def test_runs_lie_in_one_row_and_fingerprints_depend_on_order() -> None:
    rows = [np.arange(10), np.arange(3), np.array([]), np.arange(4), np.arange(10)[::-1]]
    ids, offsets = flat(rows)
    runs, starts = runs_of(ids, offsets)
    assert list(np.diff(starts)) == [7, 0, 0, 1, 7] and len(runs) == 15
    assert runs[starts[3]] == runs[0]
    prints = fingerprints(ids, offsets)
    assert len(np.unique(prints)) == 5
    again = fingerprints(*flat([rows[4], rows[0]]))
    assert list(again) == [prints[4], prints[0]]
    assert not common(runs, starts, prints).any()
    assert bands(ids, offsets, prints).shape == (5, BANDS) and not bands(ids, offsets, prints)[1].any()


ANSWER = "the quick brown fox jumps over the lazy dog and then it runs far away into the dark green wood at night "


def rows_with_copies() -> list[dict[str, Any]]:
    rows = [pair(f"Tell me story {n}", f"number {n * n} of {n} " * 15) for n in range(20)]
    rows[3] = rows[7] = rows[11] = pair("Tell me", ANSWER * 3)
    rows[15] = pair("Tell me", ANSWER * 3 + "oh")
    return rows


def test_all_but_the_first_of_equal_rows_are_flagged() -> None:
    patient = Patient(rows_with_copies(), chunk_rows=6)
    (finding,) = patient.findings("duplicates")
    assert list(finding.positions) == [7, 11]
    (finding,) = patient.findings("near_duplicates")
    assert list(finding.positions) == [15] and finding.severity == "note"
    assert not patient.findings("overlap")


@pytest.mark.parametrize("held_out", [[7], [15]])
def test_training_rows_that_are_held_out_too_are_flagged(held_out: list[int]) -> None:
    patient = Patient(rows_with_copies(), chunk_rows=6)
    (finding,) = patient.findings("overlap", eval=held_out)
    assert set(finding.positions) == {3, 7, 11, 15} - set(held_out)
    assert finding.details["exact"] == (2 if held_out == [7] else 0)
    # Copies are counted among the rows that are trained.
    (finding,) = patient.findings("duplicates", eval=[3])
    assert list(finding.positions) == [11]


def test_what_is_settled_is_kept_with_the_marks() -> None:
    from studio.data.doctor import settle

    patient = Patient(rows_with_copies())
    settled = settle(patient.marks, patient.rows)
    assert "row_near" in settled["duplicates"] and "row_near" not in patient.marks["duplicates"]
    assert settle(settled, patient.rows)["duplicates"]["row_near"] is settled["duplicates"]["row_near"]
