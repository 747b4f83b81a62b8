"""Named templates: equal to the official ones that are installed, and what all of them mark, refuse and are chosen for.

test_templates_formats.py holds the others against fixed texts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError

from studio.methods.template import Template as Rendering
from studio.model.templates import TEMPLATES, detect, name_of, text_of

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": 'Weather of a city, "now"',
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "城市"}},
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {"name": "now", "description": "Time", "parameters": {"type": "object", "properties": {}}},
    },
]


def turn(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def call(name: str, arguments: dict[str, Any], number: str) -> dict[str, Any]:
    return {"type": "function", "id": number, "function": {"name": name, "arguments": arguments}}


SYSTEM, EMPTY = turn("system", "Be brief."), turn("system", "")
ASK, AGAIN = turn("user", " Hello <b> & 'you' "), turn("user", "Weather?\n\n")
ANSWER = turn("assistant", "Hi 你好 👋 ")
CALL = turn("assistant", "", tool_calls=[call("get_weather", {"city": "Köln", "n": 2}, "abcdefghi")])
CALLS = turn("assistant", "Let me see.", tool_calls=[*CALL["tool_calls"], call("now", {}, "abcdefghj")])
RESULT = turn("tool", '{"t": 3}', name="get_weather", tool_call_id="abcdefghi")
RESULT2 = turn("tool", "12:00", name="now", tool_call_id="abcdefghj")
THOUGHT = turn("assistant", "Cold.", reasoning_content="\nIt is 3.\n")
INLINE = turn("assistant", "<think>\nhm\n</think>\n\nok")

PLAIN = [[ASK], [SYSTEM, ASK], [ASK, ANSWER], [SYSTEM, ASK, ANSWER, AGAIN, ANSWER], [SYSTEM, ASK, ANSWER, AGAIN]]
NO_SYSTEM = [[ASK], [ASK, ANSWER], [ASK, ANSWER, AGAIN, ANSWER]]
BLANK = [[EMPTY, ASK], [EMPTY, ASK, ANSWER]]
TOOLED = [
    [AGAIN],
    [SYSTEM, AGAIN],
    [ASK, ANSWER, AGAIN, CALL, RESULT, ANSWER],
    [AGAIN, CALL],
    [SYSTEM, AGAIN, CALL, RESULT],
]
SEVERAL = [[SYSTEM, AGAIN, CALLS, RESULT, RESULT2, ANSWER, ASK, ANSWER]]
THINKING = [[ASK, THOUGHT], [ASK, THOUGHT, AGAIN, ANSWER], [ASK, THOUGHT, AGAIN, THOUGHT], [ASK, INLINE]]
# name -> (the official template, conversations, whether tools are defined too)
OFFICIAL = {
    ("chatml", "qwen3_instruct_2507"): (PLAIN + BLANK + TOOLED + SEVERAL, True),
    ("qwen", "qwen2_5"): (PLAIN + BLANK + TOOLED + SEVERAL, True),
    ("qwen3", "qwen3"): (PLAIN + BLANK + TOOLED + SEVERAL + THINKING, True),
    ("llama-3", "llama3"): (PLAIN + BLANK, False),
    ("llama-3.1", "llama3_1"): (PLAIN + BLANK + TOOLED, True),
    ("llama-3.1", "llama3_2"): (PLAIN + BLANK + TOOLED, True),
    ("gemma", "gemma"): (NO_SYSTEM, False),
    ("gemma-3", "gemma3"): (PLAIN + BLANK, False),
    ("phi-3", "phi3"): (PLAIN, False),
    ("phi-3", "phi3_5"): (PLAIN + BLANK, False),
    ("deepseek-r1", "deepseek_r1_distill"): (PLAIN + BLANK + [[ASK, INLINE]], False),
    ("cohere", "cohere"): (PLAIN + BLANK, False),
}


def official(name: str) -> str:
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def render(text: str, turns: list[dict[str, Any]], *, prompt: bool = False, tools: Any = None, **extra: Any) -> str:
    return Rendering(text, SPECIAL).render(turns, tools=tools, extra=extra, add_generation_prompt=prompt)


def learned(text: str, turns: list[dict[str, Any]], *, tools: Any = None) -> list[str]:
    """The pieces inside generation markers."""
    written, spans = Rendering(text, SPECIAL).marked(turns, tools=tools)
    return [written[start:end] for start, end in spans]


@pytest.mark.parametrize(("name", "theirs"), OFFICIAL)
def test_a_named_template_writes_what_the_official_one_writes(name: str, theirs: str) -> None:
    conversations, tooled = OFFICIAL[name, theirs]
    extra = {"date_string": "01 Jan 2026"} if theirs == "llama3_2" else {}
    for turns in conversations:
        for tools in [None, TOOLS] if tooled else [None]:
            for prompt in (False, True):
                expected = render(official(theirs), turns, prompt=prompt, tools=tools, **extra)
                assert render(text_of(name), turns, prompt=prompt, tools=tools, **extra) == expected


def test_llama_4_is_the_one_of_transformers() -> None:
    from transformers.models.llama4.processing_llama4 import chat_template as theirs

    for turns in PLAIN + BLANK + [[SYSTEM, SYSTEM, ASK], [turn("system", " Be brief.\n"), AGAIN]]:
        for prompt in (False, True):
            assert render(text_of("llama-4"), turns, prompt=prompt) == render(theirs, turns, prompt=prompt)


def test_thinking_can_be_switched_off_as_officially() -> None:
    for name, theirs in (("qwen3", "qwen3"), ("glm4.5", "glm4moe")):
        for enable in (False, True):
            expected = render(official(theirs), [ASK], prompt=True, enable_thinking=enable)
            assert render(text_of(name), [ASK], prompt=True, enable_thinking=enable) == expected


def test_glm_4_5_is_the_official_one_and_learns_its_end() -> None:
    theirs, ours = official("glm4moe"), text_of("glm4.5")
    for turns in PLAIN + BLANK + TOOLED + SEVERAL + THINKING:
        for tools in (None, TOOLS):
            assert render(ours, turns, prompt=True, tools=tools) == render(theirs, turns, prompt=True, tools=tools)
            end = "" if turns[-1]["role"] != "assistant" else "<|observation|>" if turns[-1] is CALL else "<|user|>"
            assert render(ours, turns, tools=tools) == render(theirs, turns, tools=tools) + end
    assert all(one.endswith(("<|user|>", "<|observation|>")) for one in learned(ours, [ASK, CALLS, RESULT, ANSWER]))


def test_deepseek_v3_is_the_bundled_one_without_its_thinking_prompt() -> None:
    theirs, ours = official("deepseekv3"), text_of("deepseek-v3")
    for turns in PLAIN + BLANK:
        assert render(ours, turns) == render(theirs, turns)
        assert render(ours, turns, prompt=True) + "<think>\n" == render(theirs, turns, prompt=True)
    text = [{**one["function"], "arguments": '{"city": "Köln", "n": 2}'} for one in CALL["tool_calls"]]
    as_text = turn("assistant", "Wait.", tool_calls=[{"type": "function", "function": text[0]}])
    for turns in ([ASK, as_text], [ASK, as_text, RESULT], [ASK, as_text, RESULT, ANSWER]):
        assert render(ours, turns) == render(theirs, turns)  # the official one takes arguments as text only


def test_deepseek_r1_keeps_the_last_thought() -> None:
    text = text_of("deepseek-r1")
    written = render(text, [ASK, THOUGHT, AGAIN, THOUGHT])
    assert written.startswith(render(text, [ASK, turn("assistant", "Cold."), AGAIN], prompt=True))
    assert learned(text, [ASK, THOUGHT]) == ["<think>\nIt is 3.\n</think>\n\nCold.<｜end▁of▁sentence｜>"]


HELLO = [turn("user", "Hello"), turn("assistant", "Hi there"), turn("user", "Who?"), turn("assistant", "Me")]
TOLD = [turn("system", "Be kind."), *HELLO]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_the_markers_hold_exactly_the_answers_and_their_end(template: Any) -> None:
    text, end = text_of(template.name), template.end_of_turn or "</s>"
    turns = TOLD if template.system else HELLO
    last = "<think>\n\n</think>\n\n" if template.name == "qwen3" else ""
    found = [one.removeprefix("\n<think></think>\n").strip(" ") for one in learned(text, turns)]
    assert [one.replace(f" {end}", end) for one in found] == [f"Hi there{end}", f"{last}Me{end}"]
    # What is learned is what a reply to the prompt would be: it begins where the prompt ends.
    prompt = render(text, turns[:-1], prompt=True)
    written, spans = Rendering(text, SPECIAL).marked(turns)
    if not template.name.endswith("r1"):  # its prompt opens a thought, which such an answer does not have
        assert written[: spans[-1][0]] == prompt
    if template.tools:
        turns = [turn("user", "a"), CALL, RESULT, turn("assistant", "b")]
        called, answer = learned(text, turns, tools=TOOLS)
        assert "get_weather" in called and "Köln" in called and '"t": 3' not in called + answer


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_what_a_template_cannot_write_it_refuses(template: Any) -> None:
    text = text_of(template.name)
    if template.system:
        assert "Be kind." in render(text, TOLD)
    else:
        with pytest.raises(TemplateError, match="system prompt"):
            render(text, TOLD)
    if template.tools:
        assert "get_weather" in render(text, HELLO, tools=TOOLS)
    else:
        with pytest.raises(TemplateError, match=f"The {template.name} template"):
            render(text, HELLO, tools=TOOLS)
    calls = [turn("user", "a"), CALL, RESULT, turn("assistant", "b")]
    if template.tools or template.name.startswith("deepseek-"):
        assert "Köln" in render(text, calls)
    else:
        with pytest.raises(TemplateError, match=f"The {template.name} template|the {template.name} template"):
            render(text, calls)


def test_another_end_token_can_be_written_in() -> None:
    for template in TEMPLATES.values():
        text = text_of(template.name, end_of_turn="it's</s>")
        if template.end_of_turn:
            assert all(one.endswith("it's</s>") for one in learned(text, HELLO)), template.name
            assert template.end_of_turn not in render(text, HELLO[:2]) or template.name.startswith("glm4")
        assert name_of(text) == template.name
    assert render(text_of("glm4", end_of_turn="</s>"), HELLO) == (
        "[gMASK]<sop><|user|>\nHello<|assistant|>\nHi there</s><|user|>\nWho?<|assistant|>\nMe</s>"
    )
    assert name_of("{{ messages }}") is None


@pytest.mark.parametrize(
    ("kind", "vocabulary", "name"),
    [
        ("llama", {"<s>", "</s>", "▁the"}, "llama-2"),
        ("llama", {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}, "llama-3"),
        ("llama", {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"}, "llama-3.1"),
        ("llama", {"<|im_start|>", "<|im_end|>"}, "chatml"),
        ("llama", {"<|im_start|>", "<|im_end|>", "<|startoftext|>"}, "yi"),
        ("llama", {"the"}, None),
        ("qwen2", {"<|im_start|>", "<|im_end|>"}, "qwen"),
        ("qwen3", {"<|im_start|>", "<|im_end|>", "<think>"}, "qwen3"),
        ("mistral", {"▁the"}, "mistral"),
        ("gemma2", {"<start_of_turn>", "<end_of_turn>"}, "gemma"),
        ("gemma3_text", {"<start_of_turn>", "<end_of_turn>"}, "gemma-3"),
        ("phi3", {"<|im_start|>", "<|im_end|>", "<|im_sep|>"}, "phi-4"),
        ("olmo2", {"<|im_start|>", "<|im_end|>"}, "olmo2"),
        ("olmo3", {"<|im_start|>", "<|im_end|>"}, "chatml"),
        ("gpt2", {"the", "<|endoftext|>"}, None),
    ],
)
def test_detection_goes_by_kind_and_control_tokens(kind: str, vocabulary: set[str], name: str | None) -> None:
    found = detect(kind, frozenset(vocabulary))
    assert (found.name if found else None) == name
