"""Models and adapters as strangers make them, as a user meets them: at the command line and at the page."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
from studio.runs import RunStore
from studio.settings import ASSETS, ROOT

GOOD = '{"question": "q", "answer": "a"}\n'
SHORT = ("--max_steps", 1, "--save_strategy", "no", "--eval_strategy", "no")
FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(GOOD * 6)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the starter, to be damaged."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in (*FILES, "chat_template.jinja"):
        shutil.copy(ASSETS / "starter" / name, folder / name)
    return folder


def change(file: Path, **values: Any) -> None:
    """None removes the key."""
    data = json.loads(file.read_text(encoding="utf-8")) | values
    kept = {name: value for name, value in data.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (self.marker, "w")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run on the starter."""
    workspace = tmp_path_factory.mktemp("trained")
    assert main(["train", "--workspace", str(workspace), "--name", "tried", *map(str, SHORT)]) == 0
    return RunStore(workspace / "runs").list()[0].path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run of one's own to damage, in the workspace that `say` and `desk` use."""
    target = tmp_path / "workspace" / "runs" / trained.name
    shutil.copytree(trained, target)
    return target


def chat(run: Path, capsys: Any) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["chat", run.name, "--prompt", "hello", "--workspace", str(run.parents[1])])
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return code, err.strip().splitlines()[-1]


def asked(desk: Any, run: Path) -> str:
    """What the page answers to a message to that run."""
    return repr(desk.press("answer", "tabs.chat", {"message": "hello", "chat-run": run.name, "chat-system": ""}))


def test_a_cut_adapter_is_named_by_file_and_the_next_reply_works(run: Path, desk: Any, capsys: Any) -> None:
    file = run / "adapter" / "adapter_model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:500])
    code, sentence = chat(run, capsys)
    assert code == 2 and "adapter_model.safetensors is damaged" in sentence
    assert "adapter_model.safetensors is damaged" in asked(desk, run)
    assert desk.services.slot.holder is None
    file.write_bytes(whole)
    assert "is damaged" not in asked(desk, run) and desk.services.slot.adapters == (run.name,)


@pytest.mark.parametrize("beside", [False, True])
def test_a_pickled_adapter_is_refused_unread(run: Path, desk: Any, capsys: Any, tmp_path: Path, beside: bool) -> None:
    """Alone it is refused, and beside safetensors it is never looked at."""
    marker, folder = tmp_path / "marker", run / "adapter"
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Evil(marker)))
    (folder / "training_args.bin").write_bytes(pickle.dumps(Evil(marker)))
    if not beside:
        (folder / "adapter_model.safetensors").unlink()
    code, sentence = chat(run, capsys)
    page = asked(desk, run)
    if beside:
        assert code == 0 and "pickle" not in page
    else:
        assert code == 2 and "pickle" in sentence and "pickle" in page
    assert not marker.exists()


@pytest.mark.parametrize("flag", ["--adapter_name_or_path", "--merged_adapters"])
def test_a_pickled_adapter_is_no_beginning_either(run: Path, rows: Path, say: Any, tmp_path: Path, flag: str) -> None:
    marker, folder = tmp_path / "marker", run / "adapter"
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Evil(marker)))
    told = say("train", rows, *SHORT, flag, folder)
    assert told.code in (1, 2) and "pickle" in told.sentence and not marker.exists()


CODE = {
    "model": ("config.json", {"auto_map": {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}}),
    "unknown model": ("config.json", {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}}),
    "tokenizer": ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}),
}


@pytest.fixture(params=CODE)
def evil(request: Any, model: Path, tmp_path: Path) -> tuple[Path, Path]:
    """(the folder of a model that brings code, the file which that code would make)."""
    marker = tmp_path / "marker"
    (model / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nfrom transformers import LlamaConfig as Evil\n")
    file, values = CODE[request.param]
    change(model / file, **values)
    return model, marker


@pytest.mark.parametrize("verb", ["check", "preview", "train"])
def test_a_models_own_code_is_not_run_and_nobody_is_asked(
    evil: tuple[Path, Path], rows: Path, say: Any, monkeypatch: pytest.MonkeyPatch, verb: str, tmp_path: Path
) -> None:
    folder, marker = evil
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on stdin"))
    told = say(verb, rows, "--model_name_or_path", folder)
    assert told.code == 2 and "--trust_remote_code" in told.sentence and not marker.exists()
    assert not list((tmp_path / "workspace" / "runs").glob("*")), "no run is begun"


@pytest.mark.slow
def test_a_yes_on_stdin_changes_nothing(evil: tuple[Path, Path], rows: Path, tmp_path: Path) -> None:
    folder, marker = evil
    line = ["train", "--source", rows, "--model_name_or_path", folder, "--workspace", tmp_path / "workspace"]
    done = subprocess.run(
        [sys.executable, "launch.py", *map(str, line)], cwd=ROOT, input="y\ny\nyes\n", capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 2 and "--trust_remote_code" in done.stderr and not marker.exists()
    assert "[y/N]" not in done.stdout + done.stderr


def test_a_models_own_code_is_not_run_from_the_page(
    evil: tuple[Path, Path], rows: Path, desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at, previewed, checked, trained, loaded: each says so, and the code never runs."""
    folder, marker = evil
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on stdin"))
    form = {"model": {"model_name_or_path": str(folder)}, "data": {"source": str(rows)}}
    for name, module in (("look", "tabs.model"), ("look", "tabs.data"), ("check", "tabs.train")):
        assert "--trust_remote_code" in repr(desk.press(name, module, **form)), (name, module)
    desk.press("load", "tabs.model", **form)
    desk.page.loader._thread.join(60)
    assert "--trust_remote_code" in (desk.page.loader.state("en")["error"] or "")
    desk.press("begin", "tabs.train", **form)
    assert desk.services.worker.join(60)
    assert all("--trust_remote_code" in (run.error or "") for run in desk.services.store.list())
    assert "--trust_remote_code" in repr(desk.press("answer", "tabs.chat", {"message": "hello"}, **form))
    assert not marker.exists() and desk.services.slot.loaded is None


def test_ids_beyond_the_embeddings_stop_before_the_first_step(model: Path, rows: Path, say: Any, desk: Any) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(model / "model.safetensors")
    cut = {name: one[:100].clone() if "embed_tokens" in name or "lm_head" in name else one for name, one in
           tensors.items()}  # fmt: skip
    save_file(cut, model / "model.safetensors", metadata={"format": "pt"})
    change(model / "config.json", vocab_size=100)
    for verb in ("check", "train"):
        told = say(verb, rows, "--model_name_or_path", model)
        assert told.code == 2 and "100 embeddings" in told.sentence
    assert not desk.services.store.list(), "no run is begun"
    form = {"model": {"model_name_or_path": str(model)}, "data": {"source": str(rows)}}
    assert "100 embeddings" in repr(desk.press("check", "tabs.train", **form)[-1])


def another(folder: Path, kind: str) -> None:
    """A model with the starter's vocabulary in the folder: of another hidden size, or without the starter's modules."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    vocabulary = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    torch.manual_seed(0)
    if kind == "kind":
        made: Any = GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=2))
    else:
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        made = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, num_key_value_heads=2, **sizes))
    made.save_pretrained(folder)


@pytest.mark.parametrize("other", ["size", "kind"])
def test_an_adapter_of_another_base_names_both(
    run: Path, model: Path, rows: Path, say: Any, capsys: Any, other: str
) -> None:
    another(model, other)
    for flag in ("--adapter_name_or_path", "--merged_adapters"):
        told = say("train", rows, *SHORT, "--model_name_or_path", model, flag, run / "adapter")
        assert told.code in (1, 2) and "starter" in told.sentence and str(model) in told.sentence, told.sentence
    yaml = (run / "run.yaml").read_text(encoding="utf-8")
    assert "model_name_or_path: starter" in yaml
    (run / "run.yaml").write_text(yaml.replace("model_name_or_path: starter", f"model_name_or_path: {model}"))
    code, sentence = chat(run, capsys)
    assert code == 2 and "starter" in sentence and str(model) in sentence


@pytest.mark.parametrize("gap", ["pad", "template"])
def test_a_gap_of_the_tokenizer_is_told_on_the_page(model: Path, rows: Path, desk: Any, gap: str) -> None:
    """A default that works, and a sentence that says which."""
    if gap == "pad":
        change(model / "tokenizer_config.json", pad_token=None)
    else:
        (model / "chat_template.jinja").unlink()
    form = {"model": {"model_name_or_path": str(model)}, "data": {"source": str(rows)}}
    card = json.loads(desk.press("look", "tabs.model", **form)[0][0])
    said = " ".join(line["text"] for line in card["lines"])
    assert ("pad" in said) if gap == "pad" else ("no chat template" in said)
    assert json.loads(next(iter(desk.press("check", "tabs.train", **form)[-1].values())))["state"] == "ready"
