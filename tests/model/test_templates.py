"""Named templates: equal to the official ones, and to the documented formats where no official one is installed."""

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
# name -> (the text of TOLD (HELLO for a template without system), what follows as the prompt of another answer)
DOCUMENTED = {
    "llama-2": (
        "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHello [/INST] Hi there </s><s>[INST] Who? [/INST] Me </s>",
        "",
    ),
    "llama-4": (
        "<s><|header_start|>system<|header_end|>\n\nBe kind.<|eot|><|header_start|>user<|header_end|>\n\nHello<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\nHi there<|eot|><|header_start|>user<|header_end|>\n\nWho?<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\nMe<|eot|>",
        "<|header_start|>assistant<|header_end|>\n\n",
    ),
    "mistral": ("<s> [INST] Be kind.\n\nHello [/INST] Hi there</s> [INST] Who? [/INST] Me</s>", ""),
    "mistral-v3": ("<s>[INST] Hello[/INST] Hi there</s>[INST] Be kind.\n\nWho?[/INST] Me</s>", ""),
    "mistral-nemo": ("<s>[INST]Hello[/INST]Hi there</s>[INST]Be kind.\n\nWho?[/INST]Me</s>", ""),
    "mistral-small": (
        "<s>[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][INST]Hello[/INST]Hi there</s>[INST]Who?[/INST]Me</s>",
        "",
    ),
    "zephyr": (
        "<|system|>\nBe kind.</s>\n<|user|>\nHello</s>\n<|assistant|>\nHi there</s>\n<|user|>\nWho?</s>\n"
        "<|assistant|>\nMe</s>\n",
        "<|assistant|>\n",
    ),
    "phi-4": (
        "<|im_start|>system<|im_sep|>Be kind.<|im_end|><|im_start|>user<|im_sep|>Hello<|im_end|>"
        "<|im_start|>assistant<|im_sep|>Hi there<|im_end|><|im_start|>user<|im_sep|>Who?<|im_end|>"
        "<|im_start|>assistant<|im_sep|>Me<|im_end|>",
        "<|im_start|>assistant<|im_sep|>",
    ),
    "phi-4-mini": (
        "<|system|>Be kind.<|end|><|user|>Hello<|end|><|assistant|>Hi there<|end|><|user|>Who?<|end|>"
        "<|assistant|>Me<|end|>",
        "<|assistant|>",
    ),
    "deepseek": (
        "<s>Be kind.\n\nUser: Hello\n\nAssistant: Hi there</s>User: Who?\n\nAssistant: Me</s>",
        "Assistant:",
    ),
    "glm4": (
        "[gMASK]<sop><|system|>\nBe kind.<|user|>\nHello<|assistant|>\nHi there<|user|>\nWho?<|assistant|>\nMe",
        "<|assistant|>\n",
    ),
    "yi": (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there"
        "<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nMe<|im_end|>\n",
        "<|im_start|>assistant\n",
    ),
    "internlm2": (
        "<s><|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there"
        "<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nMe<|im_end|>\n",
        "<|im_start|>assistant\n",
    ),
    "baichuan2": (
        "Be kind.<reserved_106>Hello<reserved_107>Hi there</s><reserved_106>Who?<reserved_107>Me</s>",
        "<reserved_107>",
    ),
    "alpaca": (
        "<s>Be kind.\n\n### Instruction:\nHello\n\n### Response:\nHi there</s>\n\n### Instruction:\nWho?\n\n"
        "### Response:\nMe</s>\n\n",
        "### Response:\n",
    ),
    "vicuna": ("<s>Be kind. USER: Hello ASSISTANT: Hi there</s>USER: Who? ASSISTANT: Me</s>", "ASSISTANT:"),
    "granite": (
        "<|start_of_role|>system<|end_of_role|>Be kind.<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>Hello<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>Hi there<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>Who?<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>Me<|end_of_text|>\n",
        "<|start_of_role|>assistant<|end_of_role|>",
    ),
    "olmo2": (
        "<s><|system|>\nBe kind.\n<|user|>\nHello\n<|assistant|>\nHi there</s>\n<|user|>\nWho?\n<|assistant|>\nMe</s>",
        "\n<|assistant|>\n",
    ),
    "exaone": (
        "[|system|]Be kind.[|endofturn|]\n[|user|]Hello\n[|assistant|]Hi there[|endofturn|]\n[|user|]Who?\n"
        "[|assistant|]Me[|endofturn|]\n",
        "[|assistant|]",
    ),
    "openchat": (
        "<s>GPT4 Correct System: Be kind.<|end_of_turn|>GPT4 Correct User: Hello<|end_of_turn|>"
        "GPT4 Correct Assistant: Hi there<|end_of_turn|>GPT4 Correct User: Who?<|end_of_turn|>"
        "GPT4 Correct Assistant: Me<|end_of_turn|>",
        "GPT4 Correct Assistant:",
    ),
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_named_template_writes_the_documented_format(name: str) -> None:
    written, prompt = DOCUMENTED[name]
    assert render(text_of(name), TOLD, prompt=True) == written + prompt
    last = {"glm4": "<|user|>", "phi-4-mini": "</s>"}.get(name, "")  # glm4: what the model itself ends with
    assert render(text_of(name), TOLD) == written + last


def test_every_template_is_checked() -> None:
    assert {name for name, _ in OFFICIAL} | set(DOCUMENTED) | {"glm4.5", "deepseek-v3"} == set(TEMPLATES)


def test_the_known_system_prompts_stand_where_none_is_given() -> None:
    assert render(text_of("alpaca"), HELLO[:1], prompt=True) == (
        "<s>Below is an instruction that describes a task. Write a response that appropriately completes the request."
        "\n\n### Instruction:\nHello\n\n### Response:\n"
    )
    assert render(text_of("vicuna"), HELLO[:1], prompt=True) == (
        "<s>A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
        "detailed, and polite answers to the user's questions. USER: Hello ASSISTANT:"
    )
    assert render(text_of("exaone"), HELLO[:1]).startswith("[|system|][|endofturn|]\n[|user|]Hello\n")


def test_mistral_writes_tools_calls_and_results() -> None:
    calls = turn("assistant", "", tool_calls=[call("now", {"zone": "Köln"}, "abcdefghi"), call("now", {}, "")])
    results = [turn("tool", "12", tool_call_id="abcdefghi"), turn("tool", "13")]
    said = [turn("user", "Time?"), calls, *results, turn("assistant", "Noon.")]
    listed = (
        '{"type": "function", "function": {"name": "now", "description": "Time", '
        '"parameters": {"type": "object", "properties": {}}}}'
    )
    for name, space in (("mistral-v3", " "), ("mistral-nemo", "")):
        assert render(text_of(name), said, tools=TOOLS[1:]) == (
            f"<s>[AVAILABLE_TOOLS]{space}[{listed}][/AVAILABLE_TOOLS][INST]{space}Time?[/INST]"
            f'[TOOL_CALLS]{space}[{{"name": "now", "arguments": {{"zone": "Köln"}}, "id": "abcdefghi"}}, '
            '{"name": "now", "arguments": {}, "id": "000000002"}]</s>'
            f'[TOOL_RESULTS]{space}{{"content": 12, "call_id": "abcdefghi"}}[/TOOL_RESULTS]'
            f'[TOOL_RESULTS]{space}{{"content": 13, "call_id": "000000002"}}[/TOOL_RESULTS]{space}Noon.</s>'
        )


def test_granite_writes_tools_calls_and_results() -> None:
    said = [turn("user", "Time?"), turn("assistant", "", tool_calls=[call("now", {}, "")]), turn("tool", "12")]
    written = render(text_of("granite"), said, tools=TOOLS[1:], prompt=True)
    assert written.startswith('<|start_of_role|>available_tools<|end_of_role|>\n{\n    "type": "function",\n')
    assert written.endswith(
        '}<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Time?<|end_of_text|>\n'
        '<|start_of_role|>assistant<|end_of_role|><|tool_call|>[{"name": "now", "arguments": {}}]<|end_of_text|>\n'
        "<|start_of_role|>tool_response<|end_of_role|>12<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>"
    )  # fmt: skip


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
        ("gpt2", {"the", "<|endoftext|>"}, None),
    ],
)
def test_detection_goes_by_kind_and_control_tokens(kind: str, vocabulary: set[str], name: str | None) -> None:
    found = detect(kind, frozenset(vocabulary))
    assert (found.name if found else None) == name
