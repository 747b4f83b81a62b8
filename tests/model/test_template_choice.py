"""`model.chat_template`: auto, a name, a file or a text; each mistake one sentence; detection says what it chose."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from studio.config import ModelConfig
from studio.config.files import build, dump
from studio.config.text import parse_yaml
from studio.errors import ConfigError, ModelError
from studio.model.load import load_tokenizer, tokenizer_notes
from studio.model.templates import TEMPLATES, name_of
from studio.settings import Settings

OWN = "{% for message in messages %}{{ message.role }}: {{ message.content }}{{ eos_token }}\n{% endfor %}"
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]


@pytest.fixture
def bare(folder: Path) -> Path:
    """The starter without a chat template."""
    (folder / "chat_template.jinja").unlink()
    return folder


@pytest.fixture
def foreign(bare: Path) -> Path:
    """The same with a vocabulary that knows none of the control tokens."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (bare / name).read_text(encoding="utf-8")
        text = text.replace("<|im_start|>", "<|a|>").replace("<|im_end|>", "<|b|>")
        (bare / name).write_text(text, encoding="utf-8")
    return bare


def load(folder: Path, settings: Settings, template: Any = "auto") -> tuple[Any, str]:
    config = ModelConfig(model_name_or_path=str(folder), chat_template=template)
    tokenizer = load_tokenizer(config, settings)
    return tokenizer, " ".join(tokenizer_notes(tokenizer, config))


def refused(template: str, settings: Settings) -> str:
    with pytest.raises(ConfigError) as error:
        load_tokenizer(ModelConfig(chat_template=template), settings)
    return str(error.value)


def test_nothing_is_auto_and_a_text_survives_the_file() -> None:
    for value in (None, "", "  ", "auto"):
        assert ModelConfig(chat_template=value).chat_template == "auto"
    config = build({"model": {"chat_template": OWN}})
    assert build(parse_yaml(dump(config), name="x")).model.chat_template == OWN


def test_auto_keeps_the_models_own_template(folder: Path, settings: Settings) -> None:
    own = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    tokenizer, notes = load(folder, settings)
    assert tokenizer.chat_template == own and not notes


def test_auto_without_a_template_says_what_it_chose_and_why(bare: Path, settings: Settings) -> None:
    tokenizer, notes = load(bare, settings)
    assert name_of(tokenizer.chat_template) == "chatml"
    assert "no chat template, so chatml is used: its vocabulary has <|im_start|>, <|im_end|>" in notes
    assert tokenizer.apply_chat_template(TURNS, tokenize=False) == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>\n"
    )


def test_auto_goes_by_the_kind_of_model(bare: Path, settings: Settings, change: Any) -> None:
    change("config.json", model_type="qwen2")
    tokenizer, notes = load(bare, settings)
    assert name_of(tokenizer.chat_template) == "qwen" and "qwen is used" in notes
    change("config.json", model_type="olmo2")
    tokenizer, notes = load(bare, settings)
    assert name_of(tokenizer.chat_template) == "olmo2" and "olmo2 is used: its kind is olmo2" in notes


def test_auto_guesses_nothing(foreign: Path, settings: Settings) -> None:
    tokenizer, notes = load(foreign, settings)
    assert tokenizer.chat_template is None
    assert "none is known for its kind (llama)" in notes and "alpaca, vicuna or chatml" in notes


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_name_masks_exactly_the_answer_in_tokens(name: str, folder: Path, settings: Settings) -> None:
    tokenizer, notes = load(folder, settings, name)
    assert f"The chat template is {name}." in notes
    masked = tokenizer.apply_chat_template(TURNS, return_dict=True, return_assistant_tokens_mask=True)
    kept = [i for i, keep in zip(masked["input_ids"], masked["assistant_masks"], strict=True) if keep]
    answer = tokenizer.decode(kept)
    assert answer.endswith("<|im_end|>")  # the tokenizer's own end where it lacks the template's
    thoughts = {"qwen3": "<think>\n\n</think>\n\n", "glm4.5": "\n<think></think>\n"}
    assert answer.removesuffix("<|im_end|>").removeprefix(thoughts.get(name, "")).strip() == "Ho"


def test_what_the_tokenizer_lacks_is_said(folder: Path, settings: Settings) -> None:
    tokenizer, notes = load(folder, settings, "llama-3")
    assert "does not have <|eot_id|>" in notes and "<|im_end|> stands in its place" in notes
    assert "<|start_header_id|>, <|end_header_id|>, which this tokenizer reads as plain text" in notes
    assert tokenizer.apply_chat_template(TURNS[:1], tokenize=False).endswith("\n\nHi<|im_end|>")
    assert load(folder, settings, "chatml")[1] == "The chat template is chatml."


def test_a_template_without_an_end_is_refused(folder: Path, settings: Settings, change: Any) -> None:
    change("tokenizer_config.json", eos_token=None)
    with pytest.raises(ModelError, match="vicuna ends turns with the end of sequence"):
        load(folder, settings, "vicuna")


def test_a_text_is_the_template(folder: Path, settings: Settings) -> None:
    tokenizer, notes = load(folder, settings, OWN)
    assert tokenizer.apply_chat_template(TURNS, tokenize=False) == "user: Hi<|im_end|>\nassistant: Ho<|im_end|>\n"
    assert "your own" in notes
    assert load(folder, settings)[0].chat_template != OWN  # the tokenizer is shared, its template is not


def test_a_file_is_read_anew_when_it_changes(folder: Path, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(OWN, encoding="utf-8-sig")
    tokenizer, notes = load(folder, settings, str(file))
    assert tokenizer.chat_template == OWN and str(file) in notes
    file.write_text("{{ messages[0].content }}")
    assert load(folder, settings, str(file))[0].chat_template == "{{ messages[0].content }}"
    (tmp_path / "chat_template.jinja").write_text(OWN)
    assert load(folder, settings, str(tmp_path))[0].chat_template == OWN  # a model's folder gives its template


def test_editing_a_template_loads_no_tokenizer_anew(folder: Path, settings: Settings) -> None:
    first, second = load(folder, settings, OWN)[0], load(folder, settings, OWN + " ")[0]
    assert first is not second and first.backend_tokenizer is second.backend_tokenizer
    assert load(folder, settings, OWN)[0] is first


def test_each_mistake_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    assert "is vicunya, and there is no such template. Did you mean vicuna?" in refused("vicunya", settings)
    assert "Did you mean llama-3?" in refused("Llama3", settings) and "zephyr" in refused("Llama3", settings)
    sentence = refused("{% for m in messages %}\n{{ m.content }\n{% endfor %}", settings)
    assert "model.chat_template, line 2: not valid Jinja" in sentence
    assert "line 1: not valid Jinja" in refused("{{ messages | nosuchfilter }}", settings)
    file = tmp_path / "mine.jinja"
    assert "cannot read" in refused(str(file), settings)
    file.write_bytes(b"\n{% if %}")
    assert f"{file}, line 2: not valid Jinja" in refused(str(file), settings)
    file.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refused(str(file), settings)
    file.write_bytes(b"")
    assert "is empty" in refused(str(file), settings)
    assert "more than 200000 characters" in refused("{{ 1 }}" + " " * 200_000, settings)
    assert "cannot read" in refused("a\0b/c", settings)


def test_a_space_opens_no_file(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(OWN)
    space = dataclasses.replace(settings, mode="space")
    assert "a public Space does not open" in refused(str(file), space)
    assert load_tokenizer(ModelConfig(chat_template=OWN), space).chat_template == OWN


def test_a_saved_tokenizer_keeps_the_template(folder: Path, settings: Settings, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer, _ = load(folder, settings, "vicuna")
    tokenizer.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert again.chat_template == tokenizer.chat_template
    assert name_of(again.chat_template) == "vicuna"
    assert "tunefork" not in json.dumps(json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text()))
