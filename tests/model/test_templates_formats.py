"""Named templates against fixed texts: what each model's own chat template writes for two conversations.

Each text stands with the model whose tokenizer config holds that template. Mistral Small's differs where no system
prompt is given: it writes one with today's date, which Mistral's own tokenizer (version 7) leaves out, as ours does.
Alpaca, Baichuan 2 and Vicuna have no chat template: theirs is the prompt format of their projects' own code.
The spaces and line breaks around the contents show what is trimmed, and what stands between two turns.
"""

from __future__ import annotations

import pytest
from test_templates import HELLO, OFFICIAL, TOLD, TOOLS, call, render, turn

from studio.model.templates import TEMPLATES, text_of

ASKED = [
    turn("system", " Be kind.\n"),
    turn("user", " Hello\n"),
    turn("assistant", " Hi\nthere "),
    turn("user", "Who? "),
]
ANSWERED = ASKED[1:3]
# name -> (whose template, what it writes for ASKED with the prompt for an answer, and for ANSWERED, which is whole)
FORMATS = {
    "llama-2": (
        "meta-llama/Llama-2-7b-chat-hf",
        "<s>[INST] <<SYS>>\n Be kind.\n\n<</SYS>>\n\n Hello [/INST] Hi\nthere </s><s>[INST] Who? [/INST]",
        "<s>[INST] Hello [/INST] Hi\nthere </s>",
    ),
    "mistral": (
        "mistralai/Mistral-7B-Instruct-v0.2, mistralai/Mixtral-8x7B-Instruct-v0.1",
        "<s> [INST]  Be kind.\n\n\n Hello\n [/INST]  Hi\nthere </s> [INST] Who?  [/INST]",
        "<s> [INST]  Hello\n [/INST]  Hi\nthere </s>",
    ),
    "mistral-v3": (
        "mistralai/Mistral-Large-Instruct-2407",
        "<s>[INST]  Hello\n[/INST] Hi\nthere</s>[INST]  Be kind.\n\n\nWho? [/INST]",
        "<s>[INST]  Hello\n[/INST] Hi\nthere</s>",
    ),
    "mistral-nemo": (
        "mistralai/Mistral-Nemo-Instruct-2407",
        "<s>[INST] Hello\n[/INST] Hi\nthere </s>[INST] Be kind.\n\n\nWho? [/INST]",
        "<s>[INST] Hello\n[/INST] Hi\nthere </s>",
    ),
    "mistral-small": (
        "mistralai/Mistral-Small-24B-Instruct-2501",
        "<s>[SYSTEM_PROMPT] Be kind.\n[/SYSTEM_PROMPT][INST] Hello\n[/INST] Hi\nthere </s>[INST]Who? [/INST]",
        "<s>[INST] Hello\n[/INST] Hi\nthere </s>",
    ),
    "zephyr": (
        "HuggingFaceH4/zephyr-7b-beta, TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        "<|system|>\n Be kind.\n</s>\n<|user|>\n Hello\n</s>\n<|assistant|>\n Hi\nthere </s>\n<|user|>\nWho? </s>\n"
        "<|assistant|>\n",
        "<|user|>\n Hello\n</s>\n<|assistant|>\n Hi\nthere </s>\n",
    ),
    "phi-4": (
        "microsoft/phi-4",
        "<|im_start|>system<|im_sep|> Be kind.\n<|im_end|><|im_start|>user<|im_sep|> Hello\n<|im_end|>"
        "<|im_start|>assistant<|im_sep|> Hi\nthere <|im_end|><|im_start|>user<|im_sep|>Who? <|im_end|>"
        "<|im_start|>assistant<|im_sep|>",
        "<|im_start|>user<|im_sep|> Hello\n<|im_end|><|im_start|>assistant<|im_sep|> Hi\nthere <|im_end|>",
    ),
    "phi-4-mini": (
        "microsoft/Phi-4-mini-instruct",
        "<|system|> Be kind.\n<|end|><|user|> Hello\n<|end|><|assistant|> Hi\nthere <|end|><|user|>Who? <|end|>"
        "<|assistant|>",
        "<|user|> Hello\n<|end|><|assistant|> Hi\nthere <|end|></s>",
    ),
    "deepseek": (
        "deepseek-ai/DeepSeek-V2-Chat",
        "<s> Be kind.\n\n\nUser:  Hello\n\n\nAssistant:  Hi\nthere </s>User: Who? \n\nAssistant:",
        "<s>User:  Hello\n\n\nAssistant:  Hi\nthere </s>",
    ),
    "glm4": (
        "THUDM/GLM-4-32B-0414",
        "[gMASK]<sop><|system|>\n Be kind.\n<|user|>\n Hello\n<|assistant|>\n Hi\nthere <|user|>\nWho? <|assistant|>\n",
        "[gMASK]<sop><|user|>\n Hello\n<|assistant|>\n Hi\nthere ",
    ),
    "yi": (
        "01-ai/Yi-34B-Chat",
        "<|im_start|>system\n Be kind.\n<|im_end|>\n<|im_start|>user\n Hello\n<|im_end|>\n"
        "<|im_start|>assistant\n Hi\nthere <|im_end|>\n<|im_start|>user\nWho? <|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>user\n Hello\n<|im_end|>\n<|im_start|>assistant\n Hi\nthere <|im_end|>\n",
    ),
    "internlm2": (
        "internlm/internlm2-chat-20b",
        "<s><|im_start|>system\n Be kind.\n<|im_end|>\n<|im_start|>user\n Hello\n<|im_end|>\n"
        "<|im_start|>assistant\n Hi\nthere <|im_end|>\n<|im_start|>user\nWho? <|im_end|>\n<|im_start|>assistant\n",
        "<s><|im_start|>user\n Hello\n<|im_end|>\n<|im_start|>assistant\n Hi\nthere <|im_end|>\n",
    ),
    "granite": (
        "ibm-granite/granite-3.0-8b-instruct",
        "<|start_of_role|>system<|end_of_role|> Be kind.\n<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|> Hello\n<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|> Hi\nthere <|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>Who? <|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
        "<|start_of_role|>user<|end_of_role|> Hello\n<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|> Hi\nthere <|end_of_text|>\n",
    ),
    "olmo2": (
        "allenai/OLMo-2-1124-7B-Instruct",
        "<s><|system|>\n Be kind.\n\n<|user|>\n Hello\n\n<|assistant|>\n Hi\nthere </s>\n<|user|>\nWho? \n"
        "<|assistant|>\n",
        "<s><|user|>\n Hello\n\n<|assistant|>\n Hi\nthere </s>",
    ),
    "exaone": (
        "LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct",
        "[|system|] Be kind.\n[|endofturn|]\n[|user|] Hello\n\n[|assistant|] Hi\nthere [|endofturn|]\n[|user|]Who? \n"
        "[|assistant|]",
        "[|system|][|endofturn|]\n[|user|] Hello\n\n[|assistant|] Hi\nthere [|endofturn|]\n",
    ),
    "openchat": (
        "openchat/openchat-3.5-0106",
        "<s>GPT4 Correct System:  Be kind.\n<|end_of_turn|>GPT4 Correct User:  Hello\n<|end_of_turn|>"
        "GPT4 Correct Assistant:  Hi\nthere <|end_of_turn|>GPT4 Correct User: Who? <|end_of_turn|>"
        "GPT4 Correct Assistant:",
        "<s>GPT4 Correct User:  Hello\n<|end_of_turn|>GPT4 Correct Assistant:  Hi\nthere <|end_of_turn|>",
    ),
}
OURS = {"glm4": "<|user|>"}  # what the model itself ends an answer with, which its template writes with the next turn
# name -> the text of TOLD, whose roles and separators are those of the projects' own code
WITHOUT_TEMPLATE = {
    # lm-sys/FastChat, vicuna_v1.1
    "vicuna": "<s>Be kind. USER: Hello ASSISTANT: Hi there</s>USER: Who? ASSISTANT: Me</s>",
    # tatsu-lab/stanford_alpaca has one instruction, and the answer directly behind "### Response:"
    "alpaca": "<s>Be kind.\n\n### Instruction:\nHello\n\n### Response:\nHi there</s>\n\n### Instruction:\nWho?\n\n"
    "### Response:\nMe</s>\n\n",
    # baichuan-inc/Baichuan2-7B-Chat ends only the last answer
    "baichuan2": "Be kind.<reserved_106>Hello<reserved_107>Hi there</s><reserved_106>Who?<reserved_107>Me</s>",
}


@pytest.mark.parametrize("name", FORMATS, ids=[f"{name} of {one[0]}" for name, one in FORMATS.items()])
def test_a_named_template_writes_what_the_model_s_own_writes(name: str) -> None:
    _, asked, answered = FORMATS[name]
    assert render(text_of(name), ASKED, prompt=True) == asked
    assert render(text_of(name), ANSWERED) == answered + OURS.get(name, "")
    assert answered.startswith(render(text_of(name), ANSWERED[:1], prompt=True))


@pytest.mark.parametrize("name", WITHOUT_TEMPLATE)
def test_without_a_chat_template_it_is_the_prompt_format(name: str) -> None:
    asked = {"vicuna": "ASSISTANT:", "alpaca": "### Response:\n", "baichuan2": "<reserved_107>"}[name]
    assert render(text_of(name), TOLD) == WITHOUT_TEMPLATE[name]
    assert render(text_of(name), TOLD[:-1], prompt=True) == WITHOUT_TEMPLATE[name].rpartition(asked)[0] + asked


def test_every_template_is_checked() -> None:
    installed = {name for name, _ in OFFICIAL} | {"glm4.5", "deepseek-v3", "llama-4"}
    assert installed | set(FORMATS) | set(WITHOUT_TEMPLATE) == set(TEMPLATES)
    assert len(installed) + len(FORMATS) + len(WITHOUT_TEMPLATE) == len(TEMPLATES)


def test_the_known_system_prompts_stand_where_none_is_given() -> None:
    assert render(text_of("alpaca"), HELLO[:1], prompt=True) == (  # tatsu-lab/stanford_alpaca
        "<s>Below is an instruction that describes a task. Write a response that appropriately completes the request."
        "\n\n### Instruction:\nHello\n\n### Response:\n"
    )
    assert render(text_of("vicuna"), HELLO[:1], prompt=True) == (  # lm-sys/FastChat
        "<s>A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
        "detailed, and polite answers to the user's questions. USER: Hello ASSISTANT:"
    )


@pytest.mark.parametrize(("name", "space"), [("mistral-v3", " "), ("mistral-nemo", "")])
def test_mistral_keeps_the_system_prompt_of_a_whole_conversation(name: str, space: str) -> None:
    """As its own tokenizer does; the template in its tokenizer config leaves it out behind a last answer."""
    assert render(text_of(name), TOLD) == (
        f"<s>[INST]{space}Hello[/INST]{space}Hi there</s>[INST]{space}Be kind.\n\nWho?[/INST]{space}Me</s>"
    )


# mistralai/Mistral-Large-Instruct-2407 and mistralai/Mistral-Nemo-Instruct-2407, which refuse a call without an id
@pytest.mark.parametrize(("name", "space"), [("mistral-v3", " "), ("mistral-nemo", "")])
def test_mistral_writes_tools_calls_and_results(name: str, space: str) -> None:
    listed = (
        '{"type": "function", "function": {"name": "now", "description": "Time", '
        '"parameters": {"type": "object", "properties": {}}}}'
    )
    for second, written in (("abcdefghj", "abcdefghj"), ("", "000000002")):
        calls = turn("assistant", "", tool_calls=[call("now", {"zone": "Köln"}, "abcdefghi"), call("now", {}, second)])
        results = [turn("tool", "12", tool_call_id="abcdefghi"), turn("tool", "13", tool_call_id=second)]
        said = [turn("user", "Time?"), calls, *results, turn("assistant", "Noon.")]
        assert render(text_of(name), said, tools=TOOLS[1:]) == (
            f"<s>[AVAILABLE_TOOLS]{space}[{listed}][/AVAILABLE_TOOLS][INST]{space}Time?[/INST]"
            f'[TOOL_CALLS]{space}[{{"name": "now", "arguments": {{"zone": "Köln"}}, "id": "abcdefghi"}}, '
            f'{{"name": "now", "arguments": {{}}, "id": "{written}"}}]</s>'
            f'[TOOL_RESULTS]{space}{{"content": 12, "call_id": "abcdefghi"}}[/TOOL_RESULTS]'
            f'[TOOL_RESULTS]{space}{{"content": 13, "call_id": "{written}"}}[/TOOL_RESULTS]{space}Noon.</s>'
        )


def test_granite_writes_tools_calls_and_results() -> None:
    """The tools as ibm-granite/granite-3.0-8b-instruct; it takes a call as text, here it is one from an object."""
    said = [turn("user", "Time?"), turn("assistant", "", tool_calls=[call("now", {}, "")]), turn("tool", "12")]
    written = render(text_of("granite"), said, tools=TOOLS[1:], prompt=True)
    assert written.startswith('<|start_of_role|>available_tools<|end_of_role|>\n{\n    "type": "function",\n')
    assert written.endswith(
        '}<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Time?<|end_of_text|>\n'
        '<|start_of_role|>assistant<|end_of_role|><|tool_call|>[{"name": "now", "arguments": {}}]<|end_of_text|>\n'
        "<|start_of_role|>tool_response<|end_of_role|>12<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>"
    )  # fmt: skip
