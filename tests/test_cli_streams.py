"""The command line where its reader goes away, its output cannot be written, or a run cannot go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from studio.cli import main
from studio.runs import RunStore

ROOT = Path(__file__).resolve().parent.parent
SHORT = ["--max_train_rows", "8", "--eval_strategy", "no"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of two steps, called `fin`, with a checkpoint."""
    folder = tmp_path_factory.mktemp("workspace")
    code = main(["train", "--max_steps", "2", "--name", "fin\x1b[31m\u202e ", *SHORT, "--workspace", str(folder)])
    assert code == 0
    return folder


def test_a_name_is_a_line_of_text(workspace: Path) -> None:
    assert RunStore(workspace / "runs").list()[0].name == "fin[31m"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pipes of another kind")
def test_a_reader_who_goes_away_ends_no_run(tmp_path: Path) -> None:
    command = [sys.executable, "launch.py", "train", "--max_steps", "4", *SHORT, "--workspace", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout and process.stdout.readline()
        process.stdout.close()
        assert process.wait(120) == 0
    (run,) = RunStore(tmp_path / "runs").list()
    assert run.status == "finished" and run.steps == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk as a file")
def test_a_full_disk_under_the_output_is_a_sentence(workspace: Path) -> None:
    command = [sys.executable, "launch.py", "runs", "--json", "--workspace", str(workspace)]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.startswith(
        "runs: The disk is full, and not everything could be written."
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", ["runs", "check", "train"])
def test_a_workspace_that_is_a_file(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main([verb, "--workspace", str(tmp_path / "file")]) == 2
    assert "is no folder. Choose another with --workspace." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--learning_rate", "0.009", "--max_steps", "9", "--despite", "bogus"], "--despite takes optimizer, data"),
        (["--learning_rate", "0.009"], "is at its last step, 2"),
        (["--max_steps", "1"], "is at its last step, 2"),
        (["--name", "other", "--max_steps", "2"], "is at its last step, 2"),
        (["--max_steps", "9", "--lora_r", "4"], "adapter.r cannot change"),
    ],
)
def test_a_run_that_cannot_go_on_is_left_as_it_was(
    workspace: Path, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = RunStore(workspace / "runs").list()
    before = {one.name: one.read_bytes() for one in run.path.iterdir() if one.is_file()}
    assert main(["train", "--resume", run.run_id, *flags, "--workspace", str(workspace)]) == 2
    assert said in capsys.readouterr().err
    if "bogus" not in flags:
        assert main(["train", "--branch", run.run_id, *flags, "--workspace", str(workspace)]) == 2
    assert {one.name: one.read_bytes() for one in run.path.iterdir() if one.is_file()} == before
    assert len(RunStore(workspace / "runs").list()) == 1


def test_a_tag_is_taken_off_behind_a_double_dash_too(workspace: Path) -> None:
    (run,) = RunStore(workspace / "runs").list()
    for words in (["+old", "+new"], ["--", "-old"]):
        assert main(["runs", "tag", run.run_id, *words, "--workspace", str(workspace)]) == 0
    assert RunStore(workspace / "runs").open(run.run_id).tags == ("new",)


@pytest.mark.parametrize(
    ("extra", "said"), [("adam_beta1=5", "at least 0 and less than 1"), ("deepspeed=nope.json", "deepspeed")]
)
def test_extra_arguments_are_checked_before_the_run(
    extra: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--set", f"training.extra.{extra}", "--workspace", str(tmp_path)]) == 2
    assert f"training.extra.{extra.partition('=')[0]}" in capsys.readouterr().err and said
