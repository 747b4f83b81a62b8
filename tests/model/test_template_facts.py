"""What a chat template does is found by rendering with it, in bounded time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from studio.chat.prompt import encode, end_tokens
from studio.config import ModelConfig
from studio.errors import ModelError
from studio.model.load import load_model, load_tokenizer
from studio.model.templates import TEMPLATES
from studio.model.templates.facts import TemplateFacts, template_facts
from studio.settings import Settings

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def facts(settings: Settings, template: str) -> TemplateFacts:
    return template_facts(load_tokenizer(ModelConfig(chat_template=template), settings))


def official(name: str) -> str:
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_the_registry_says_what_rendering_shows(template: Any, settings: Settings) -> None:
    found = facts(settings, template.name)
    assert (found.name, found.refusal) == (template.name, None)
    assert (found.takes_system, found.takes_tools) == (template.system, template.tools)
    assert found.takes_reasoning == template.thinks
    assert found.has_generation_markers
    assert found.end_of_turn_ids == (2,)  # <|im_end|>, its own or in place of a token the starter lacks
    assert set(found.unknown_tokens) <= set(template.tokens)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen3", {"takes_system", "takes_tools", "takes_tool_calls", "takes_reasoning"}),
        ("qwen3_training", {"has_generation_markers", "takes_system", "takes_tools", "takes_tool_calls"}),
        ("gemma", set()),
        ("gemma3", {"takes_system"}),
        ("deepseekv3", {"takes_system", "takes_tool_calls", "arguments_as_text"}),
        ("glm4moe", {"takes_system", "takes_tools", "takes_tool_calls", "takes_reasoning"}),
    ],
)
def test_official_templates(name: str, expected: set[str], settings: Settings) -> None:
    found = facts(settings, official(name))
    fields = ("has_generation_markers", "takes_system", "takes_tools", "takes_tool_calls", "arguments_as_text")
    assert {field for field in fields if getattr(found, field)} == expected - {"takes_reasoning"}
    assert found.name is None and found.has_template
    if "takes_reasoning" in expected:
        assert found.takes_reasoning


def test_the_end_of_turn_is_what_stands_behind_an_answer(settings: Settings) -> None:
    assert facts(settings, official("qwen2_5")).end_of_turn_ids == (2,)
    plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    assert facts(settings, plain).end_of_turn_ids == ()
    at_the_end_only = plain + "{{ '<|endoftext|>' }}"
    assert facts(settings, at_the_end_only).end_of_turn_ids == (0,)
    by_the_next = "{% for m in messages %}{{ '<|pad|>' if m.role == 'user' }}{{ m.content }}{% endfor %}"
    assert facts(settings, by_the_next).end_of_turn_ids == (3,)


def test_tokens_that_only_look_like_tokens(settings: Settings) -> None:
    own = "{% for m in messages %}{{ '<|turn|>' + m.role + '<|im_start|>' + m.content + '<end_of_turn>' }}{% endfor %}"
    assert facts(settings, own).unknown_tokens == ("<|turn|>", "<end_of_turn>")
    assert facts(settings, "auto").unknown_tokens == ()
    assert facts(settings, "phi-4").unknown_tokens == ("<|im_sep|>",)


def test_markers_around_the_wrong_turn_are_none(settings: Settings) -> None:
    wrong = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    assert not facts(settings, wrong).has_generation_markers
    mentioned = "{# generation #}{% for m in messages %}{{ m.content }}{% endfor %}"
    assert not facts(settings, mentioned).has_generation_markers


def test_a_template_that_refuses_says_why(settings: Settings) -> None:
    assert facts(settings, "{{ raise_exception('not today') }}").refusal == "not today"
    assert facts(settings, "{{ messages[7].content.x.y }}").refusal
    assert facts(settings, "{{ 'a' + 1 }}{{ messages }}").refusal


def test_a_tokenizer_without_a_template(settings: Settings) -> None:
    import copy

    bare = copy.copy(load_tokenizer(ModelConfig(), settings))
    bare.chat_template = None
    assert template_facts(bare) == TemplateFacts(has_template=False)


def test_facts_are_kept_until_the_template_changes(settings: Settings) -> None:
    import copy

    tokenizer = copy.copy(load_tokenizer(ModelConfig(), settings))
    first = template_facts(tokenizer)
    assert template_facts(tokenizer) is first
    tokenizer.chat_template = "{{ messages[0].content }}"
    assert not template_facts(tokenizer).has_generation_markers


def test_a_template_without_an_end_is_given_up_on(settings: Settings) -> None:
    started = time.monotonic()
    found = facts(settings, ENDLESS)
    assert found.refusal and "given up" in found.refusal
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("name", ["zephyr", "glm4", "chatml"])
def test_a_reply_stops_where_the_template_ends_turns(name: str, settings: Settings) -> None:
    loaded = load_model(ModelConfig(chat_template=name), settings)
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    prompt = encode(loaded.tokenizer, turns[:1])[0].tolist()
    whole = loaded.tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
    assert whole[: len(prompt)] == prompt
    assert end_tokens(loaded.model, loaded.tokenizer).intersection(whole[len(prompt) :])


def test_a_chat_with_an_endless_template_is_a_sentence(settings: Settings, monkeypatch: Any) -> None:
    monkeypatch.setattr("studio.chat.prompt.LONGEST", 0.5)
    tokenizer = load_tokenizer(ModelConfig(chat_template=ENDLESS), settings)
    with pytest.raises(ModelError, match=r"did not finish within 0\.5 seconds"):
        encode(tokenizer, [{"role": "user", "content": "Hi"}])
