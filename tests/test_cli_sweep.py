"""The verb `sweep`: real runs one after another, a fault in one, and the same command once more."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.settings import ASSETS

SHORT = "training: {max_steps: 2, save_strategy: 'no', eval_strategy: 'no'}"
TEXT = f"run: {{name: tried, {SHORT}}}\nsweep: {{training.learning_rate: [1e-3, 1e-4]}}\n"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Code and JSON of `sweep ARGUMENTS --json`."""

    def sweep(*arguments: object) -> tuple[int, Any, str]:
        code = main(["sweep", *map(str, arguments), "--workspace", str(tmp_path / "w"), "--json"])
        told = capsys.readouterr()
        return code, json.loads(told.out) if told.out else None, told.err

    return sweep


def test_a_sweep_trains_every_point_once(tmp_path: Path, run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(TEXT, encoding="utf-8")
    code, told, _ = run(path)
    assert code == 0 and told["keys"] == ["training.learning_rate"] and told["total"] == 2
    assert [one["status"] for one in told["runs"]] == ["finished", "finished"]
    assert [one["values"]["training.learning_rate"] for one in told["runs"]] == [1e-3, 1e-4]
    losses = {one["run_id"]: one["metrics"]["loss"] for one in told["runs"]}
    assert told["best"] == min(losses, key=losses.__getitem__) and len(set(losses.values())) == 2
    again = run(path)
    assert again[0] == 0 and again[1] == told, "what is finished is not trained again"
    assert run("--results", told["sweep"])[1] == told
    assert run()[1] == [{"sweep": told["sweep"], "name": "rates", "total": 2, "runs": 2}]
    assert main(["sweep", "--results", told["sweep"], "--workspace", str(tmp_path / "w")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["learning_rate", "status", "steps"] and lines[-1].endswith(told["best"])


def test_a_run_that_fails_does_not_end_the_sweep(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.training import train as training

    real, seen = training.build, []

    def once(config: Any, *given: Any, **named: Any) -> Any:
        seen.append(config)
        if len(seen) == 1:
            raise MemoryError
        return real(config, *given, **named)

    monkeypatch.setattr(training, "build", once)
    path = tmp_path / "rates.yaml"
    path.write_text(TEXT, encoding="utf-8")
    code, told, said = run(path)
    assert code == 1 and [one["status"] for one in told["runs"]] == ["failed", "finished"]
    assert "Out of memory" in said
    code, told, _ = run(path)
    assert code == 0 and [one["status"] for one in told["runs"]] == ["finished", "finished"]
    assert len(seen) == 3, "the one that failed is trained again, the other is not"


def test_a_run_that_was_stopped_goes_on_in_its_own_directory(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the first run ends the sweep; the same command goes on with that very run."""
    from studio.training.callback import RecordCallback

    real = RecordCallback.on_step_end

    def interrupted(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        real(self, args, state, control, **more)

    path = tmp_path / "rates.yaml"
    path.write_text(TEXT.replace("save_strategy: 'no', ", ""), encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(RecordCallback, "on_step_end", interrupted)
        code, told, _ = run(path)
    assert code == 130 and [(one["status"], one["steps"]) for one in told["runs"]] == [("stopped", 1)]
    first = told["runs"][0]["run_id"]
    code, told, said = run(path)
    assert code == 0 and [(one["status"], one["steps"]) for one in told["runs"]] == [("finished", 2)] * 2
    assert told["runs"][0]["run_id"] == first, said


def test_nothing_begins_where_one_run_cannot(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(f"run: {{{SHORT}}}\nsweep: {{data.source: [starter, {tmp_path}/none.jsonl]}}\n", encoding="utf-8")
    code, told, said = run(path)
    assert code == 2 and told is None
    assert "1 of 2 runs of the sweep cannot be trained; none was begun" in said and "none.jsonl" in said
    assert not list((tmp_path / "w" / "runs").glob("sft*"))


def test_a_shipped_sweep_is_what_it_says(run: Any) -> None:
    code, told, _ = run(ASSETS / "sweeps" / "learning-rate.yaml", "--check")
    assert code == 0 and told["finished"] == 0
    assert [one["name"] for one in told["points"]][:2] == [
        "captain-byte learning_rate=0.0005 r=8", "captain-byte learning_rate=0.0005 r=16",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_shipped_sweep_trains(run: Any) -> None:
    code, told, _ = run(ASSETS / "sweeps" / "learning-rate.yaml")
    assert code == 0 and [one["status"] for one in told["runs"]] == ["finished"] * 4
    assert told["figure"] == "eval_loss" and told["best"]
