"""`runs` and its forms: what is listed, in which order, and what is written on a run or becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.config.files import build
from studio.runs import EventLog, RunStore


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Three runs: alpha (sft, loss 3), beta (dpo, loss 1), gamma (sft, has failed before a loss)."""
    store = RunStore(tmp_path / "runs")
    for name, method, loss in (("alpha", "sft", 3.0), ("beta", "dpo", 1.0), ("gamma", "sft", None)):
        folder = store.create(build({"name": name, "method": method, "data": {"source": f"/data/{name}.jsonl"}}))
        folder.rename(store.runs_dir / name)
        with EventLog(store.runs_dir / name) as log:
            if loss is None:
                log.tell("failed", "nothing")
            else:
                log.write("log", 5, loss=loss)
                log.write("finished", 5)
    return tmp_path


def said(workspace: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["runs", *words, "--workspace", str(workspace)])
    out, err = capsys.readouterr()
    return code, out, err


def told(workspace: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(workspace, capsys, *words, "--json")[1])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--sort", "loss"], ["beta", "alpha", "gamma"]),
        (["--sort", "loss", "--reverse"], ["alpha", "beta", "gamma"]),
        (["--sort", "name"], ["alpha", "beta", "gamma"]),
        (["--sort", "name", "--method", "sft"], ["alpha", "gamma"]),
        (["--status", "failed"], ["gamma"]),
        (["--data", "BETA.json"], ["beta"]),
        (["--search", "alp", "--model", "starter"], ["alpha"]),
        (["--search", "alp bet"], []),
        (["--tag", "none"], []),
    ],
)
def test_filters_and_order(
    workspace: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: list[str]
) -> None:
    assert [run["run_id"] for run in told(workspace, capsys, *words)] == expected


def test_the_list_keeps_its_face(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = told(workspace, capsys)[0]
    before = ["run_id", "name", "status", "method", "model", "created", "steps", "total_steps", "metrics", "error"]
    assert list(first)[:12] == [*before, "adapter", "path"]
    assert first["bytes"] > 0 and first["tags"] == [] and first["data"].endswith(".jsonl")


def test_labels_from_the_command_line(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(workspace, capsys, "rename", "alpha", "a", "better", "name")
    said(workspace, capsys, "note", "alpha", "- lower rate")
    said(workspace, capsys, "tag", "alpha", "+good", "+old")
    said(workspace, capsys, "tag", "alpha", "-old", "new")
    run = told(workspace, capsys, "show", "alpha")
    assert (run["name"], run["notes"], run["tags"]) == ("a better name", "- lower rate", ["good", "new"])
    said(workspace, capsys, "--tag", "ignored", "tag", "--search", "x", "alpha", "--off", "new", "-good", "+good")
    assert told(workspace, capsys, "show", "alpha")["tags"] == ["good"]
    assert said(workspace, capsys, "note", "alpha")[1] == "- lower rate\n"
    assert [one["run_id"] for one in told(workspace, capsys, "--tag", "good", "--search", "better")] == ["alpha"]


def test_delete_restore_and_empty(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(workspace, capsys, "delete", "alpha", "beta")[0] == 0
    assert [run["run_id"] for run in told(workspace, capsys)] == ["gamma"]
    assert {one["run_id"] for one in told(workspace, capsys, "bin")} == {"alpha", "beta"}
    assert told(workspace, capsys, "restore", "beta") == {"restored": ["beta"]}
    assert told(workspace, capsys, "bin", "--empty") == {"emptied": 1}
    assert {run["run_id"] for run in told(workspace, capsys)} == {"beta", "gamma"}
    code, _, error = said(workspace, capsys, "restore", "alpha")
    assert code == 2 and "no run 'alpha' in the bin" in error


def test_a_duplicate_is_a_run_file(workspace: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "copy.yaml"
    path.write_text(said(workspace, capsys, "duplicate", "beta")[1], encoding="utf-8")
    copy = build(__import__("yaml").safe_load(path.read_text(encoding="utf-8")))
    original = RunStore(workspace / "runs").open("beta").config()
    assert copy.name == "beta copy" and copy.model_copy(update={"name": "beta"}) == original


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["delete"], "needs the id of a run"),
        (["rename", "alpha"], "needs a name"),
        (["show", "../alpha"], "no run"),
        (["list", "alpha"], "does not take 'alpha'"),
        (["remove", "alpha"], "invalid choice"),
        (["--sort", "beauty"], "invalid choice"),
    ],
)
def test_mistakes_are_one_sentence(
    workspace: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    code, out, error = said(workspace, capsys, *words)
    assert code == 2 and out == "" and sentence in error and len(error.splitlines()) == 1
