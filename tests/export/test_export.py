"""What a run has trained, written for other programs: each form is loaded as they do, and answers as the run does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from studio.adapters import ADAPTERS
from studio.config.files import build
from studio.export import export
from studio.model.attach import answering, scoring
from studio.model.load import load_model
from studio.runs import RunRecord
from studio.settings import ASSETS


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.arange(3, 40).unsqueeze(0), use_cache=False).logits.float()


def of_run(runs: Any, record: RunRecord, **changes: Any) -> torch.Tensor:
    """The logits of what the run has saved, as the studio itself loads it."""
    base = load_model(record.config().model.model_copy(update=changes), runs.settings)
    saved = record.saved
    assert saved is not None
    return logits(answering(base, saved, runs.settings) if record.answers else scoring(base, saved))


def parts(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


def test_an_adapter_loads_onto_its_base_with_peft(runs: Any, tmp_path: Path, said: Any) -> None:
    record = runs["lora"]
    code, out, err = said(record.run_id, "--to", str(tmp_path / "taken"), "--json")
    told = json.loads(out)
    assert (code, told["as"], told["path"]) == (0, "adapter", str(tmp_path / "taken")), err
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"} <= {
        *told["files"]
    }
    assert "README.md" not in told["files"] and told["bytes"] > 1e5 and told["proof"]["parameters"] > 1e4
    base = AutoModelForCausalLM.from_pretrained(ASSETS / "starter", dtype="float32")
    before = logits(base)
    adapted = PeftModel.from_pretrained(base, tmp_path / "taken").eval()
    assert parts(logits(adapted), of_run(runs, record)) < 1e-5 and parts(logits(adapted), before) > 0.01


@pytest.mark.parametrize("name", ["lora", "tokens", "freeze", "full"])
def test_a_merged_model_is_a_plain_one_and_answers_as_the_run(runs: Any, tmp_path: Path, name: str) -> None:
    record = runs[name]
    made = export(record, "merged", tmp_path / "deep" / "model", runs.settings)
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= {*made.files}
    assert not any("adapter" in one for one in made.files)
    model = AutoModelForCausalLM.from_pretrained(made.path, dtype="auto").eval()
    assert model.dtype == torch.float32 and parts(logits(model), of_run(runs, record)) < 1e-4
    assert made.proof.get("difference", 0) < 1e-5 and made.proof["tokens"] > 5
    tokenizer, saved = (AutoTokenizer.from_pretrained(one) for one in (made.path, record.saved))
    assert tokenizer.chat_template == saved.chat_template and len(tokenizer) == len(saved)
    if name == "tokens":
        assert model.get_input_embeddings().num_embeddings >= len(tokenizer) > 2304


@pytest.mark.parametrize(
    ("name", "held", "stored"),
    [("half", "bfloat16", "BF16"), ("lora", "float16", "F16"), ("lora", None, "F32")],
)
def test_it_is_in_the_dtype_in_which_the_run_held_it(
    runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, held: str | None, stored: str
) -> None:
    """As its log says: float16 is that of a run on a GPU, and without a log it is what the settings lead to."""
    record = runs[name]
    if name != "half":
        monkeypatch.setattr("studio.export.merged.first_event", lambda *_: held and {"dtype": held})
    made = export(record, "merged", tmp_path / "made", runs.settings)
    with safe_open(made.path / "model.safetensors", framework="pt") as file:
        assert {file.get_slice(one).get_dtype() for one in file.keys()} == {stored}  # noqa: SIM118
    assert json.loads((made.path / "config.json").read_text(encoding="utf-8"))["dtype"] == (held or "float32")


def test_a_quantized_base_is_merged_in_plain_weights(runs: Any, tmp_path: Path) -> None:
    record = runs["4-bit"]
    made = export(record, "merged", tmp_path / "plain", runs.settings)
    config = json.loads((made.path / "config.json").read_text(encoding="utf-8"))
    assert "quantization_config" not in config and config["dtype"] == "float32"
    model = AutoModelForCausalLM.from_pretrained(made.path, dtype="float32").eval()
    assert parts(logits(model), of_run(runs, record, quantization="none")) < 1e-4


def test_a_reward_model_keeps_its_head(runs: Any, tmp_path: Path) -> None:
    record = runs["reward"]
    made = export(record, "merged", tmp_path / "judge", runs.settings)
    model = AutoModelForSequenceClassification.from_pretrained(made.path).eval()
    assert model.config.num_labels == 1 and model.config.pad_token_id == 3
    assert parts(logits(model), of_run(runs, record)) < 1e-4
    export(record, "adapter", tmp_path / "head", runs.settings)
    base = AutoModelForSequenceClassification.from_pretrained(ASSETS / "starter", num_labels=1, dtype="float32")
    assert parts(logits(PeftModel.from_pretrained(base, tmp_path / "head").eval()), logits(model)) < 1e-4


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [name for name in ADAPTERS if name not in ("lora", "freeze", "trainable_tokens")])
def test_every_kind_of_adapter_is_merged(runs: Any, tmp_path: Path, kind: str) -> None:
    record = runs.train({"adapter": {"type": kind}})
    assert export(record, "merged", tmp_path / kind, runs.settings).proof["difference"] < 1e-5


def test_the_base_is_named_as_others_know_it(runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = runs["lora"]
    text = record.yaml_text().replace("model_name_or_path: starter", "model_name_or_path: owner/name")
    monkeypatch.setattr(RunRecord, "config", lambda _: build(yaml.safe_load(text)))
    export(record, "adapter", tmp_path / "taken", runs.settings)
    config = json.loads((tmp_path / "taken" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "owner/name"
