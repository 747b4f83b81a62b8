"""The command line from outside, as a script of a user's would call it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main

ROOT = Path(__file__).resolve().parent.parent


def launch(*arguments: object, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "launch.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of the same in this process, which has the libraries already."""
    try:
        code = main(list(map(str, arguments)))
    except SystemExit as ended:  # argparse's own
        code = int(ended.code or 0)
    return code, *capsys.readouterr()


def run_file(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "run.yaml"
    path.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    return path


def test_help_is_quick_and_names_every_verb() -> None:
    began = time.monotonic()
    done = launch("--help")
    assert done.returncode == 0 and time.monotonic() - began < 3
    assert all(verb in done.stdout for verb in ("ui", "train", "check", "preview", "chat", "score", "runs"))


def test_train_help_explains_the_flags() -> None:
    done = launch("train", "--help")
    assert done.returncode == 0
    assert all(flag in done.stdout for flag in ("--learning_rate", "--lora_r", "--max_steps", "--model_name_or_path"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def trained(workspace: Path) -> dict[str, Any]:
    """A short run made with a file and flags that win over it."""
    path = run_file(workspace, {"name": "short", "training": {"max_steps": 50, "learning_rate": 5e-4}})
    done = launch("train", path, "--max_steps", 6, "--lora-r", 4, "--workspace", workspace, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_train_leaves_a_run_directory_as_promised(trained: dict[str, Any], workspace: Path) -> None:
    from studio.config.files import build, dump, parse_yaml, read_yaml

    assert trained["status"] == "finished" and trained["metrics"]["loss"] > 0
    run_dir = workspace / "runs" / trained["run_id"]
    config = build(read_yaml(run_dir / "run.yaml"))
    assert config.training.max_steps == 6 and config.training.learning_rate == 5e-4
    assert config.adapter is not None and config.adapter.r == 4
    assert build(parse_yaml(dump(config), name="again")) == config
    events = [json.loads(line) for line in (run_dir / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    kinds = [event["kind"] for event in events]
    assert kinds[-1] == "finished" and "started" in kinds and "checkpoint" in kinds
    logs = [event for event in events if event["kind"] == "log"]
    assert [event["step"] for event in logs] == [1, 2, 3, 4, 5, 6]
    assert all({"loss", "grad_norm", "learning_rate", "tokens_per_second", "memory_bytes"} <= set(e) for e in logs)


def test_the_adapter_loads_in_plain_peft(trained: dict[str, Any], workspace: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(ROOT / "assets" / "starter")
    model = PeftModel.from_pretrained(base, workspace / "runs" / trained["run_id"] / "adapter")
    assert model.peft_config["default"].r == 4


def test_preview_and_run_carry_the_same_digest(trained: dict[str, Any], workspace: Path) -> None:
    run_dir = workspace / "runs" / trained["run_id"]
    done = launch("preview", run_dir / "run.yaml", "--rows", 3, "--json", "--workspace", workspace)
    face = json.loads(done.stdout)
    started = next(
        event
        for event in map(json.loads, (run_dir / "events.jsonl").read_text(encoding="utf-8").splitlines())
        if event["kind"] == "started"
    )
    assert face["digest"] == started["digest"]
    assert len(face["rows"]) == 3
    for row in face["rows"]:
        assert set(row) == {"row", "tokens", "supervised", "total", "truncated"}
        assert row["supervised"] == sum(token["supervised"] for token in row["tokens"])
        assert {"id", "text", "supervised", "special"} <= set(row["tokens"][0])


def test_chat_answers_for_both_sides_and_the_same_seed_repeats(trained: dict[str, Any], workspace: Path) -> None:
    arguments = ("chat", trained["run_id"], "--prompt", "Hello", "--seed", 3, "--max-new-tokens", 12, "--json")
    first = launch(*arguments, "--workspace", workspace)
    assert first.returncode == 0, first.stderr
    face = json.loads(first.stdout)
    assert set(face) == {"base", "adapter"} and face["base"]
    assert json.loads(launch(*arguments, "--workspace", workspace).stdout) == face


def test_runs_lists_it(trained: dict[str, Any], workspace: Path) -> None:
    [run] = json.loads(launch("runs", "--json", "--workspace", workspace).stdout)
    assert run["run_id"] == trained["run_id"] and run["status"] == "finished" and run["method"] == "sft"


def test_check_counts_what_train_then_does(trained: dict[str, Any], workspace: Path) -> None:
    run_dir = workspace / "runs" / trained["run_id"]
    face = json.loads(launch("check", run_dir / "run.yaml", "--json", "--workspace", workspace).stdout)
    started = next(
        event
        for event in map(json.loads, (run_dir / "events.jsonl").read_text(encoding="utf-8").splitlines())
        if event["kind"] == "started"
    )
    assert face["ok"] and face["plan"]["steps"] == 6
    for name in ("supervised_tokens", "total_tokens", "trainable_parameters", "rows", "eval_rows", "digest"):
        assert face["plan"][name] == started[name], name


def bad_files(folder: Path) -> dict[str, tuple[dict[str, Any], str]]:
    (folder / "broken.jsonl").write_text('{"text": "a"}\n{"text"\n')
    (folder / "empty.jsonl").write_text("")
    (folder / "rows.jsonl").write_text('{"question": "a", "answer": "b"}\n' * 3)
    (folder / "hollow").mkdir(exist_ok=True)
    (folder / "hollow" / "config.json").write_text('{"model_type": "llama"}')
    return {
        "model path": ({"model": {"model_name_or_path": str(folder / "nowhere")}}, "nowhere"),
        "no weights": ({"model": {"model_name_or_path": str(folder / "hollow")}}, "hollow"),
        "unknown key": ({"trainning": {}}, "training"),
        "broken line": ({"data": {"source": str(folder / "broken.jsonl")}}, "line 2"),
        "empty file": ({"data": {"source": str(folder / "empty.jsonl")}}, "empty.jsonl"),
        "no file": ({"data": {"source": str(folder / "none.jsonl")}}, "none.jsonl"),
        "unknown column": (
            {"data": {"source": str(folder / "rows.jsonl"), "columns": {"prompt": "frage"}}},
            "question",
        ),
        "extra typo": ({"training": {"extra": {"neftune_noise": 1}}}, "neftune_noise_alpha"),
        "extra type": ({"training": {"extra": {"neftune_noise_alpha": "much"}}}, "neftune_noise_alpha"),
        "optimizer": ({"training": {"optim": "adamw_troch"}}, "adamw_torch"),
        "target": ({"adapter": {"type": "lora", "target_modules": ["q_prj"]}}, "q_proj"),
        "nothing supervised": ({"training": {"max_length": 8}}, "max_length"),
    }


BAD = (
    "model path", "no weights", "unknown key", "broken line", "empty file", "no file", "unknown column",
    "extra typo", "extra type", "optimizer", "target", "nothing supervised",
)  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("verb", ["check", "train"])
def test_bad_input_is_one_sentence_and_leaves_no_run(
    name: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, word = bad_files(tmp_path)[name]
    code, out, err = said(capsys, verb, run_file(tmp_path, config), "--workspace", tmp_path / "workspace")
    assert (code, out) == (2, "") and word in err and len(err.strip()) < 600
    runs = tmp_path / "workspace" / "runs"
    assert not runs.exists() or not list(runs.iterdir())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["bogus"], "invalid choice"),
        (["check", "--learning_rte", "1"], "--learning_rate"),
        (["preview", "--rows", "many"], "--rows"),
        (["chat", "x"], "--prompt"),
        (["check", "--learning_rate"], "--learning_rate"),
    ],
)
def test_a_wrong_flag_is_one_sentence(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, *arguments)
    assert (code, out) == (2, "") and word in err and err.count("\n") == 1, err


@pytest.mark.parametrize("verb", ["check", "train"])
def test_bad_input_and_a_wrong_flag_from_outside(verb: str, tmp_path: Path) -> None:
    """No traceback, nothing on stdout, and the exit code of a process."""
    config, word = bad_files(tmp_path)["broken line"]
    for given, named in (([run_file(tmp_path, config)], word), (["--learning_rte", "1"], "--learning_rate")):
        done = launch(verb, *given, "--workspace", tmp_path / "workspace")
        assert (done.returncode, done.stdout) == (2, "") and named in done.stderr and "Traceback" not in done.stderr


def test_a_table_or_a_list_of_sources_is_a_flag_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "I am {{name}}", "b": "good"}\n' * 5, encoding="utf-8")
    given = ["preview", "--source", str(path), "--workspace", str(tmp_path), "--json"]
    columns = ["--columns", "{prompt: a, completion: b}"]
    assert main([*given, *columns, "--placeholders", '{"name": "Bo"}']) == 0
    face = json.loads(capsys.readouterr().out)
    assert face["columns"] == {"prompt": "a", "completion": "b"} and "I am Bo" in face["rendered"][0]["text"]
    assert main([*given, *columns, "--mix", "{source: starter, weight: 2}", "{source: starter, weight: 3}"]) == 0
    assert json.loads(capsys.readouterr().out)["of"] > 5


def test_bad_rows_are_told_with_file_and_lever_and_are_in_the_preview(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"question": "q", "answer": "a"}] * 2 + [{"question": None, "answer": "a"}, {"question": "q"}] * 2
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    given = ["--source", str(path), "--eval_fraction", "0", "--workspace", str(tmp_path / "workspace")]
    assert main(["train", *given]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(r"rows\.jsonl: 4 of 6 rows cannot be used\..*data\.bad_rows: skip", told)
    assert main(["check", *given, "--json"]) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert "rows.jsonl: 4 of 6" in error
    assert main(["preview", *given, "--rows", "6", "--json"]) == 0
    face = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in face["rows"]] == [0, 1]
    assert [one["row"] for one in face["problems"]] == ["3", "4", "5", "6"]
    assert all("question" in one["text"] or "answer" in one["text"] for one in face["problems"])
    assert [one["row"] for one in face["rendered"]] == [0, 1] and face["rendered"][0]["raw"] == rows[0]
    assert "<|im_start|>user\nq" in face["rendered"][0]["text"]
    assert main(["preview", *given, "--rows", "6"]) == 0
    assert "row 3 has no tokens" in capsys.readouterr().out


def test_check_tells_config_errors_in_its_json_face(tmp_path: Path) -> None:
    done = launch("check", run_file(tmp_path, {"training": {"learning_rate": -1}}), "--json")
    face = json.loads(done.stdout)
    assert done.returncode == 2 and not face["ok"] and face["plan"] is None
    assert "learning_rate" in face["errors"][0] and "learning_rate" in done.stderr


def test_a_failed_run_has_a_json_face_and_exit_code_1(tmp_path: Path) -> None:
    """A learning rate that bursts the weights: the loss is no number after a step or two."""
    config = {"training": {"max_steps": 60, "learning_rate": 1, "max_grad_norm": 0, "eval_strategy": "no"}}
    config["adapter"] = {"type": "lora", "lora_alpha": 1e30}
    done = launch("train", run_file(tmp_path, config), "--workspace", tmp_path, "--json")
    assert done.returncode == 1, done.stderr[-600:]
    face = json.loads(done.stdout)
    assert face["status"] == "failed" and "no longer a number" in done.stderr
    [run] = json.loads(launch("runs", "--json", "--workspace", tmp_path).stdout)
    assert run["status"] == "failed" and "no longer a number" in run["error"]


def test_several_processes_are_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "--max_steps", "1", "--workspace", str(tmp_path / "w")]) == 2
    assert "started 2 processes, and one process trains a run" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_full_fine_tuning_by_flag_and_text_that_is_not_latin(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "launch.py", "preview", "--rows", "2", "--adapter", "null", "--workspace", str(tmp_path)],
        cwd=ROOT, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "cp1252"}, check=True,
    )  # fmt: skip
    assert "字节船长" in done.stdout.decode("utf-8").replace("[", "").replace("]", "")


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    done = launch("chat", "../../etc", "--prompt", "x", "--workspace", tmp_path)
    assert done.returncode == 2 and "no run" in done.stderr


def test_chat_settings_out_of_bounds_are_one_sentence(trained: dict[str, Any], workspace: Path) -> None:
    done = launch("chat", trained["run_id"], "--prompt", "x", "--temperature", 9, "--workspace", workspace)
    assert done.returncode == 2 and "generation.temperature" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--port", "99999"], "65535"),
        (["--host", "0.0.0.0"], "--auth"),
        (["--auth", "me"], "USER:PASS"),
        (["--workspace", __file__], "--workspace"),
    ],
)
def test_the_page_refuses_what_cannot_be_served(arguments: list[str], word: str, tmp_path: Path) -> None:
    done = launch("--workspace", tmp_path, "--no-browser", *arguments)
    assert done.returncode == 2 and word in done.stderr and "Traceback" not in done.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = launch("--no-browser", "--port", port, "--workspace", tmp_path)
    assert done.returncode == 2 and str(port) in done.stderr and "--port" in done.stderr


def test_ctrl_c_keeps_the_adapter(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "launch.py", "train", "--max_steps", "100000", "--workspace", str(tmp_path), "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 3"):
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    face = json.loads(out)
    assert face["status"] == "stopped"
    assert (tmp_path / "runs" / face["run_id"] / "adapter" / "adapter_model.safetensors").is_file()
