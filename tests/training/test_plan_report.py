"""`check` holds the doctor's whole report, and a finding that blocks stops a run before it starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.config.files import build
from studio.model.slot import ModelSlot
from studio.runs.store import RunStore
from studio.settings import Settings
from studio.training.plan import plan
from studio.training.train import train


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["check", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"question": f"q{n}", "answer": f"the answer {n}"}) for n in range(30)]
    path.write_text("\n".join([*lines, lines[0], lines[1]]), encoding="utf-8")
    return path


def test_the_report_names_check_rows_and_lever(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = str(tmp_path / "workspace")
    code, face = check(capsys, "--source", str(rows), "--eval_fraction", "0", "--workspace", workspace)
    assert code == 0 and face["ok"]
    found = {one["check"]: one for one in face["report"]["findings"]}
    assert found["duplicates"]["count"] == 2 and found["duplicates"]["where"] == ["31", "32"]
    assert found["duplicates"]["levers"][0]["changes"] == {"data.filters+": "duplicates"}
    assert face["report"]["rows"]["train"] == 32 and face["plan"]["rows"] == 32
    filtered = ["--source", str(rows), "--eval_fraction", "0", "--workspace", workspace, "--filters", "duplicates"]
    code, face = check(capsys, *filtered)
    assert code == 0 and face["plan"]["rows"] == 30
    assert any("data.filters: duplicates" in one["text"] for one in face["findings"])


def test_a_blocking_finding_is_exit_code_2_until_its_rows_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokens.jsonl"
    good = {"input_ids": [1, 2, 3, 4], "labels": [-100, 2, 3, 4]}
    lines = [
        json.dumps({**good, "input_ids": [1, 2, 3, 4 + n % 3], "labels": [-100, 2, 3, 4 + n % 3]}) for n in range(9)
    ]
    path.write_text("\n".join([*lines, json.dumps({"input_ids": [1, 999_999], "labels": [1, 999_999]})]))
    given = ["--source", str(path), "--eval_fraction", "0", "--workspace", str(tmp_path / "workspace")]
    code, face = check(capsys, *given)
    assert code == 2 and not face["ok"] and face["errors"]
    blocking = [one["check"] for one in face["report"]["findings"] if one["severity"] == "blocking"]
    assert blocking
    code, face = check(capsys, *given, "--filters", *blocking)
    assert code == 0 and face["ok"] and face["plan"]["rows"] == 9


def test_rows_too_long_are_told_by_what_becomes_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, late = tmp_path / "rows.jsonl", tmp_path / "late.jsonl"
    long = "the cat said hello " * 40
    good = json.dumps({"prompt": "hello", "completion": "yes"})
    path.write_text("\n".join([good] * 9 + [json.dumps({"prompt": "hello", "completion": long})]))
    late.write_text("\n".join([json.dumps({"prompt": long, "completion": "yes"})] * 3))
    given = ["--source", str(path), "--eval_source", str(late), "--max_length", "48"]
    given += ["--workspace", str(tmp_path / "workspace")]
    code, face = check(capsys, *given, "--truncation_mode", "drop")
    told = [one["text"] for one in face["findings"]]
    assert code == 0 and (face["plan"]["rows"], face["plan"]["eval_rows"]) == (9, 0)
    assert any("1 of 10 rows are longer than max_length 48" in one for one in told), told
    assert any("3 of 3 validation rows are longer than" in one for one in told), told
    code, face = check(capsys, *given)
    told = [one["text"] for one in face["findings"]]
    assert code == 0 and face["plan"]["rows"] == 10
    assert any("3 of 3 validation rows keep no supervised token" in one for one in told), told
    assert not any("No rows are held out" in one for one in told), "there are some, and nothing of them is left"


def test_a_config_that_cannot_be_has_the_same_face(capsys: pytest.CaptureFixture[str]) -> None:
    code, face = check(capsys, "--truncation_mode", "drop", "--max_length", "null")
    assert code == 2 and "truncation_mode" in face["errors"][0]
    assert set(face) == {"ok", "errors", "findings", "plan", "report"} and face["report"] is None


def test_seconds_are_estimated_from_an_earlier_run(settings: Settings) -> None:
    settings.prepare_workspace()
    config = build({"training": {"max_steps": 2, "eval_strategy": "no", "save_strategy": "no"}})
    first = plan(config, settings)
    assert first.figures is not None and not first.figures.estimate_measured
    assert 0 < (first.figures.estimated_seconds or 0) < 60, "reckoned from the machine's speed"
    run_dir = RunStore(settings.runs_dir).create(config)
    train(config, run_dir, ModelSlot(settings), settings=settings)
    again = plan(config, settings)
    assert again.figures is not None and again.figures.estimate_measured
    assert 0 < (again.figures.estimated_seconds or 0) < 600
