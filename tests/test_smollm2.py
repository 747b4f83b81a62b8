"""A real model on a real file, from the command line. Fetched once into the user's cache, then from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


def launch(*arguments: object, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "launch.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


@pytest.fixture(scope="module")
def alpaca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The captain's rows as a JSON file of instruction and output."""
    text = (ROOT / "assets" / "samples" / "captain_byte.jsonl").read_text(encoding="utf-8")
    turns = [json.loads(line)["messages"] for line in text.splitlines()]
    rows = [{"instruction": asked["content"], "input": "", "output": told["content"]} for asked, told in turns]
    path = tmp_path_factory.mktemp("data") / "alpaca.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(alpaca: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The shipped example, on that file, three times over 16 short rows."""
    workspace = tmp_path_factory.mktemp("workspace")
    done = launch(
        "train", ROOT / "assets" / "runs" / "smollm2-alpaca.yaml", "--source", alpaca, "--max_steps", 8,
        "--max_train_rows", 16, "--eval_fraction", 0, "--learning_rate", 2e-3, "--max_length", 128,
        "--workspace", workspace, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), workspace


def test_smollm2_trains_on_a_file(run: tuple[dict[str, Any], Path]) -> None:
    face, workspace = run
    lines = (workspace / "runs" / face["run_id"] / "events.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [event["loss"] for event in map(json.loads, lines) if event["kind"] == "log"]
    assert face["status"] == "finished" and len(losses) == 8
    # An epoch is four steps, so the first and the last four saw the same rows.
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4]), losses


def test_chat_compares_and_the_base_knows_its_facts(run: tuple[dict[str, Any], Path]) -> None:
    face, workspace = run
    done = launch(
        "chat", face["run_id"], "--prompt", "What is the capital of France?", "--temperature", 0,
        "--max-new-tokens", 24, "--workspace", workspace, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    replies = json.loads(done.stdout)
    assert "Paris" in replies["base"] and replies["adapter"] != replies["base"]


# For each method the file of a public data set, where the folder beside this one has it, and what ships otherwise.
PUBLIC = Path(os.environ.get("TUNEFORK_PUBLIC_DATA", ROOT.parent / "shared" / "data"))
SAMPLES = ROOT / "assets" / "samples"
METHODS: dict[str, tuple[str, str, list[str]]] = {
    "sft": ("alpaca_zh_demo.json", "captain_byte.jsonl", []),
    "dpo": ("dpo_en_demo.json", "captain_byte_pairs.jsonl", []),
    "kto": ("kto_en_demo.json", "captain_byte_votes.jsonl", []),
    "orpo": ("medicalgpt_dpo_zh_500.jsonl", "captain_byte_pairs.jsonl", []),
    "cpo": ("dpo_en_demo.json", "captain_byte_pairs.jsonl", ["--loss_type", "simpo", "--beta", "2"]),
    "reward": ("medicalgpt_dpo_zh_500.jsonl", "captain_byte_pairs.jsonl", []),
    "grpo": ("medicalgpt_grpo_sample.jsonl", "", ["--max_completion_length", "8", "--num_generations", "2"]),
}
SHAPES: dict[str, tuple[str, list[str]]] = {
    "turns": ("medicalgpt_sharegpt_zh_1k.jsonl", ["--completion_only_loss", "false", "--assistant_only_loss", "true"]),
    "tools": ("glaive_toolcall_en_demo.json", []),
    "parts": ("reason_tool_use_demo_50.jsonl", []),
    "text": ("c4_demo.jsonl", []),
    "names": ("identity.json", []),
}


def trains_what_is_shown(method: str, source: Path, flags: list[str], workspace: Path, capsys: Any) -> None:
    """Five steps; what the run says that it trained on is what the preview shows."""
    length = "256" if source.parent == PUBLIC else "64"
    flags = ["--model_name_or_path", "smollm2", "--method", method, "--source", str(source), *flags]
    flags += ["--max_train_rows", "16", "--eval_fraction", "0", "--max_length", length, "--workspace", str(workspace)]
    assert main(["train", *flags, "--per_device_train_batch_size", "2", "--max_steps", "5", "--json"]) == 0
    face = json.loads(capsys.readouterr().out)
    assert face["status"] == "finished" and face["steps"] == 5
    folder = workspace / "runs" / face["run_id"]
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    started = next(event for event in events if event["kind"] == "started")
    assert main(["preview", *flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == started["digest"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_smollm2_on_what_its_preview_shows(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    public, sample, flags = METHODS[method]
    source = PUBLIC / public if (PUBLIC / public).is_file() else SAMPLES / sample
    if source == SAMPLES:
        source = tmp_path / "questions.jsonl"
        source.write_text('{"question": "What is two and two?", "answer": "4"}\n' * 8, encoding="utf-8")
    trains_what_is_shown(method, source, flags, tmp_path / "workspace", capsys)


@pytest.mark.thorough
@pytest.mark.parametrize("shape", SHAPES)
def test_public_files_of_every_shape_train(
    shape: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    name, flags = SHAPES[shape]
    if not (PUBLIC / name).is_file():
        pytest.skip(f"{name} is not here: TUNEFORK_PUBLIC_DATA names the folder that has it")
    trains_what_is_shown("sft", PUBLIC / name, flags, tmp_path / "workspace", capsys)
