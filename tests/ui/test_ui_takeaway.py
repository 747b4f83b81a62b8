"""What an opened run gives to take away, and its evaluations as a table."""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.runs import EventLog, RunStore
from studio.runs.store import RunRecord
from studio.ui.takeaway import MOST_EVALUATIONS, evaluated, fresh, write


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    store = RunStore(tmp_path / "runs")
    folder = store.create(RunConfig(name="a run"))
    with EventLog(folder) as log:
        for step in range(1, 4):
            log.write("log", step, loss=1 / step)
        log.write("evaluated", 3, eval_loss=0.25, eval_bleu=float("nan"), eval_runtime=1.0)
    return store.open(folder.name)


def test_each_file_has_the_runs_name_and_can_be_read(record: RunRecord, tmp_path: Path) -> None:
    made = {kind: write(kind, record, tmp_path, lang="zh") for kind in ("csv", "json", "html")}
    assert {path.name for path in made.values()} == {f"{record.run_id}.{kind}" for kind in made}
    with made["csv"].open(newline="") as file:
        assert next(row["loss"] for row in csv.DictReader(file)) == "1.0"
    assert json.loads(made["json"].read_text())["rows"][2]["eval_loss"] == 0.25
    assert '<html lang="zh">' in made["html"].read_text(encoding="utf-8")


def test_each_file_has_a_folder_of_its_own_and_old_ones_go(tmp_path: Path) -> None:
    place = tmp_path / "taken"
    first = fresh(place)
    second = fresh(place)
    assert first != second and first.parent == second.parent == place
    before = time.time() - 7200
    os.utime(first, (before, before))
    fresh(place)
    assert not first.exists() and second.exists()


def test_evaluations_are_a_table_of_bounded_size(record: RunRecord) -> None:
    told = evaluated(record)
    assert (told["names"], told["rows"], told["all"]) == (["loss", "bleu"], [[3, 0.25, None]], 1)
    with EventLog(record.path) as log:
        for step in range(4, 1004):
            log.write("evaluated", step, eval_loss=1.0)
    told = evaluated(record)
    assert len(told["rows"]) <= MOST_EVALUATIONS + 1 and told["all"] == 1001
    assert (told["rows"][0][0], told["rows"][-1][0]) == (3, 1003)
