"""The report's figures against brute force, and its stable face."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from patients import Patient, assistant, context_for, pair, user

from studio.data.doctor.figures import BATCH, blocks, edges, histogram, packed, padded
from studio.data.doctor.report import build_report


def test_the_expected_padding_is_the_mean_over_all_batches() -> None:
    lengths = np.array([3, 9, 4, 4, 12, 7, 1])
    for size in (1, 2, 3, 7, 8):
        full, rest = divmod(len(lengths), size)
        area = 0.0
        for some, batches in ((size, full), (rest, 1)):
            if some and batches:
                area += batches * some * float(np.mean([max(one) for one in combinations(lengths, some)]))
        assert padded(lengths, size) == pytest.approx(area)
    assert padded(lengths, 1) == lengths.sum()


def test_padding_is_what_random_batches_have() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 400, 1003)
    drawn = []
    for _ in range(200):
        order = random.permutation(lengths)
        batches = [order[start : start + 8] for start in range(0, len(order), 8)]
        drawn.append(sum(len(batch) * batch.max() for batch in batches))
    assert padded(lengths, 8) == pytest.approx(np.mean(drawn), rel=0.005)


@pytest.mark.parametrize("strategy", ["bfd", "bfd_split", "wrapped"])
@pytest.mark.parametrize("high", [30, 90, 300])
def test_blocks_are_those_of_the_trainers_own_packing(strategy: str, high: int) -> None:
    from datasets import Dataset
    from trl import pack_dataset

    lengths = np.random.default_rng(high).integers(1, high, 2 * BATCH + 300)
    rows = Dataset.from_dict({"input_ids": [list(range(one)) for one in lengths]})
    count, exact = packed(lengths, 64, strategy)
    assert exact and count == len(pack_dataset(rows, 64, strategy, {}))


def test_very_many_rows_are_packed_by_estimate() -> None:
    lengths = np.random.default_rng(5).integers(1, 200, 120 * BATCH)
    count, exact = packed(lengths, 256, "bfd")
    every = sum(blocks(lengths[start : start + BATCH], 256) for start in range(0, len(lengths), BATCH))
    assert not exact and count == pytest.approx(every, rel=0.01)


def test_the_histogram_counts_every_row_once() -> None:
    values = np.random.default_rng(1).integers(0, 5000, 3000)
    borders = edges(int(values.max()))
    assert len(borders) <= 43 and len(set(np.diff(borders))) == 1 and borders[-1] > values.max()
    assert histogram(values, borders) == list(np.histogram(values, borders)[0])
    assert sum(histogram(np.array([0, 1]), edges(1))) == 2


def rows(count: int = 60) -> list[dict[str, Any]]:
    random = np.random.default_rng(2)
    texts = ["word " * int(n) for n in random.integers(1, 120, (count, 2)).ravel()]
    return [pair(f"{n} {texts[2 * n]}", f"{n} {texts[2 * n + 1]}") for n in range(count)]


def test_totals_are_those_of_the_rows_the_trainer_gets() -> None:
    patient = Patient(rows())
    method, cut = patient.context.method, {"max_length": 100, "truncation_mode": "keep_start"}
    report = build_report(patient.marks, patient.view(eval=range(0, 60, 10), batch_size=4, max_length=100))
    train = [one for number, one in enumerate(patient.encoded) if number % 10]
    lives = method.survives(patient.facts, **cut)
    columns = method.trainer_rows([one for one in patient.encoded if one], **cut)
    kept = [number for number in range(60) if number % 10 and lives[number]]
    face = report.as_json()
    assert face["rows"] == {
        "train": 54, "eval": 6, "usable": 54, "dropped": 54 - len(kept),
        "cut": sum(patient.facts.last[n, 0] > 100 for n in kept),
    }  # fmt: skip
    assert face["rows"]["dropped"] and face["rows"]["cut"]
    assert face["tokens"]["total"] == sum(len(one.lanes[0].ids) for one in train)
    assert face["tokens"]["kept"] == sum(len(columns["input_ids"][n]) for n in kept)
    assert face["tokens"]["kept_supervised"] == sum(label != -100 for n in kept for label in columns["labels"][n])
    assert not face["tokens"]["about"] and not face["blocking"]
    assert sum(face["histogram"]["total"]) == sum(face["histogram"]["supervised"]) == 54
    place = face["curve"]["at"].index(100)
    assert face["curve"]["dropped"][place] == face["rows"]["dropped"]
    assert face["curve"]["cut"][place] == face["rows"]["cut"]
    assert face["curve"]["tokens"][place] == face["tokens"]["kept"]
    assert 0 < face["padding"]["share"] < 1 and face["packing"]["efficiency"] > 0.8
    assert {"dropped", "cut"} <= {one["check"] for one in face["findings"]}
    assert not set(face["fine"]) & {one["check"] for one in face["findings"]}
    assert {"end_of_turn", "roles", "double_ends", "control_tokens"} <= set(face["fine"])
    assert face == json.loads(json.dumps(face))


def test_orders() -> None:
    some = rows(30)
    some[4] = pair("hi <|im_end|>", "x")
    some[9] = pair("hi <|im_end|>", "mail a.person@company.com {{name}}")
    patient = Patient(some)
    report = build_report(patient.marks, patient.view(max_length=80))
    length = patient.facts.length[:, 0]
    assert [length[one] for one in report.order_longest(5)] == sorted(length, reverse=True)[:5]
    assert [length[one] for one in report.order_shortest(5)] == sorted(length)[:5]
    lost = [max(0, length[one] - 80) for one in report.order_truncated(30)]
    assert lost == sorted(lost, reverse=True) and min(lost) > 0
    assert report.order_worst(1) == [9] and 4 in report.order_worst(30)
    assert len(report.order_worst(30)) == len(set(report.order_worst(30))) < 30


def test_an_earlier_report_lends_its_curve() -> None:
    patient = Patient(rows(20))
    view = patient.view(max_length=90)
    first = build_report(patient.marks, view)
    again = build_report(patient.marks, replace(view, batch_size=8), before=first)
    assert again.curve is first.curve and again.padding.share > first.padding.share
    other = build_report(patient.marks, replace(view, truncation_mode="drop"), before=first)
    assert other.curve is not first.curve


def test_pairs_are_padded_together() -> None:
    made = [
        {"prompt": [user("a")], "chosen": [assistant("b " * n)], "rejected": [assistant("c " * (n + 4))]}
        for n in range(1, 9)
    ]
    patient = Patient(made, context_for("dpo"))
    face = build_report(patient.marks, patient.view(batch_size=1, max_length=512)).as_json()
    widest = patient.facts.length.max(axis=1)
    assert face["padding"]["share"] == pytest.approx(1 - patient.facts.length.sum() / (2 * widest.sum()), abs=1e-6)
    assert face["packing"] is None


def test_a_set_without_a_usable_row_still_reports() -> None:
    from studio.errors import DataError

    patient = Patient([None, None], problems={0: DataError("no"), 1: DataError("no")})
    report = build_report(patient.marks, patient.view(max_length=64))
    assert report.blocking and report.as_json()["tokens"]["total"] == 0


def test_rows_that_a_filter_leaves_out_are_in_no_figure_but_still_told() -> None:
    some = rows(30)
    some[4] = pair("hi <|im_end|>", "x")
    some[9] = pair("hi", "mail a.person@company.com")
    patient = Patient(some)
    view = patient.view(max_length=80, filters=("control_tokens", "cut"))
    face = build_report(patient.marks, view).as_json()
    told = {one["check"]: one for one in face["findings"]}
    assert told["control_tokens"]["severity"] == "note" and told["control_tokens"]["levers"] == []
    assert told["control_tokens"]["positions"] == [4] and told["personal"]["positions"] == [9]
    assert face["rows"]["cut"] == 0 and told["cut"]["count"] > 0
    assert face["rows"]["train"] == 30 - told["cut"]["count"] - 1
    assert {"control_tokens", "cut"}.isdisjoint(face["fine"])
