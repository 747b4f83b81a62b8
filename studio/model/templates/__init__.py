"""Named conversation templates: what each is for, what it takes, its Jinja text. Knows nothing of tokenizers or runs.

A template is one `.jinja` file here and one line below. Each marks the assistant's turns, end token included, so that
a loss on the assistant's turns alone falls on exactly those tokens.

A title names the models that a template is for; the tests name those whose own template it was held against. Known to
differ: Qwen 2 has another default system prompt than 2.5, Yi 1.5 writes a system prompt without markers, Tulu 3 writes
what OLMo 2 does without a begin token, the first GLM 4 Chat leaves the line break out of the prompt for an answer.
Default system prompts with today's date (Granite 3.1 and later, Mistral Small) are left out: training would fix one day
in the model. Alpaca, Baichuan 2 and Vicuna have no template of their own, only a prompt format. Alpaca's is meant for
one instruction and has no line break behind `### Response:`, and Baichuan 2's ends only the last answer.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
_END = re.compile(r"{%- set end_of_turn = '(?:[^'\\]|\\.)+' %}")


@dataclass(frozen=True)
class Template:
    """What is known of a named template.

    `end_of_turn` is None where turns end with the tokenizer's own end of sequence. `tokens` are what it writes that a
    tokenizer should have as single tokens. Detection chooses it for a model of one of `model_types` whose vocabulary
    holds all of `tokens` and `signs`.
    """

    name: str
    title: str
    end_of_turn: str | None = None
    tokens: tuple[str, ...] = ()
    system: bool = True
    tools: bool = False
    thinks: bool = False
    model_types: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.jinja"


_IM = ("<|im_start|>", "<|im_end|>")
_HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_TURNS = ("<start_of_turn>", "<end_of_turn>")
_DEEPSEEK = ("<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>")
_INST = ("[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]")
_GLM = ("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>")
_PHI = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
_COHERE = (
    "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|SYSTEM_TOKEN|>",
    "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
)
_GRANITE = ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>")
_SENTENCEPIECE = ("▁the",)
_BYTES = ("Ġthe",)

# For detection, the first that fits is chosen: of a family, the one with more signs stands first.
_ALL = (
    Template("qwen3", "Qwen 3, thinking", "<|im_end|>", _IM, tools=True, thinks=True,
             model_types=("qwen3", "qwen3_moe"), signs=("<think>",)),
    Template("qwen", "Qwen 2.5", "<|im_end|>", _IM, tools=True, model_types=("qwen2", "qwen2_moe")),
    Template("llama-4", "Llama 4", "<|eot|>", ("<|header_start|>", "<|header_end|>", "<|eot|>"),
             model_types=("llama4", "llama4_text")),
    Template("llama-3.1", "Llama 3.1, 3.2, 3.3", "<|eot_id|>", _HEADERS, tools=True, model_types=("llama",),
             signs=("<|python_tag|>",)),
    Template("llama-3", "Llama 3", "<|eot_id|>", _HEADERS, model_types=("llama",)),
    Template("yi", "Yi", "<|im_end|>", _IM, model_types=("llama",), signs=("<|startoftext|>",)),
    Template("deepseek-r1", "DeepSeek R1 and distills", "<｜end▁of▁sentence｜>", _DEEPSEEK, thinks=True),
    Template("deepseek-v3", "DeepSeek V3", "<｜end▁of▁sentence｜>", _DEEPSEEK, model_types=("deepseek_v3",)),
    Template("deepseek", "DeepSeek LLM, V2", model_types=("deepseek_v2", "llama"), signs=("<｜end▁of▁sentence｜>",)),
    Template("mistral-small", "Mistral Small 24B", tokens=("[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
             model_types=("mistral",)),
    Template("mistral-nemo", "Mistral Nemo", tokens=_INST, tools=True, model_types=("mistral",), signs=_BYTES),
    Template("mistral-v3", "Mistral 7B 0.3, Large 2407", tokens=_INST, tools=True,
             model_types=("mistral", "mixtral")),
    Template("mistral", "Mistral 7B 0.1, 0.2, Mixtral 8x7B", model_types=("mistral", "mixtral"), signs=_SENTENCEPIECE),
    Template("gemma-3", "Gemma 3", "<end_of_turn>", _TURNS, model_types=("gemma3", "gemma3_text")),
    Template("gemma", "Gemma 1, 2", "<end_of_turn>", _TURNS, system=False, model_types=("gemma", "gemma2")),
    Template("phi-4-mini", "Phi 4 mini", "<|end|>", _PHI, model_types=("phi3",), signs=("<|tool|>", *_BYTES)),
    Template("phi-4", "Phi 4", "<|im_end|>", (*_IM, "<|im_sep|>"), model_types=("phi3",)),
    Template("phi-3", "Phi 3, 3.5", "<|end|>", _PHI, model_types=("phi3", "phimoe")),
    Template("glm4.5", "GLM 4.5, 4.6", "<|user|>", (*_GLM, "<|observation|>"), tools=True, thinks=True,
             model_types=("glm4_moe",)),
    Template("glm4", "GLM 4", "<|user|>", _GLM, model_types=("glm", "glm4")),
    Template("internlm2", "InternLM 2, 2.5, 3", "<|im_end|>", _IM, model_types=("internlm2", "internlm3")),
    Template("baichuan2", "Baichuan 2", tokens=("<reserved_106>", "<reserved_107>"), model_types=("baichuan",)),
    Template("cohere", "Command R, Aya", "<|END_OF_TURN_TOKEN|>", _COHERE, model_types=("cohere", "cohere2")),
    Template("granite", "Granite 3.0", "<|end_of_text|>", _GRANITE, tools=True, model_types=("granite", "granitemoe"),
             signs=("<|tool_call|>",)),
    Template("olmo2", "OLMo 2", model_types=("olmo", "olmo2", "olmoe")),
    Template("exaone", "EXAONE 3, 3.5", "[|endofturn|]", ("[|system|]", "[|user|]", "[|assistant|]", "[|endofturn|]"),
             model_types=("exaone",)),
    Template("openchat", "OpenChat 3.5", "<|end_of_turn|>", ("<|end_of_turn|>",), model_types=("mistral",)),
    Template("zephyr", "Zephyr, TinyLlama, StableLM", model_types=("stablelm",)),
    Template("llama-2", "Llama 2", model_types=("llama",), signs=("<s>", "</s>", *_SENTENCEPIECE)),
    Template("chatml", "ChatML, for many models", "<|im_end|>", _IM, tools=True, model_types=("*",)),
    Template("vicuna", "Vicuna"),
    Template("alpaca", "Alpaca"),
)  # fmt: skip
TEMPLATES: dict[str, Template] = {one.name: one for one in sorted(_ALL, key=lambda one: one.name)}


@functools.cache
def text_of(name: str, *, end_of_turn: str | None = None) -> str:
    """The Jinja text of a named template; `end_of_turn` is written in place of its own end token."""
    text = TEMPLATES[name].file.read_text(encoding="utf-8")
    if end_of_turn is None:
        return text
    quoted = end_of_turn.replace("\\", "\\\\").replace("'", "\\'")
    return _END.sub(lambda _: "{%- set end_of_turn = '" + quoted + "' %}", text, count=1)


def name_of(text: str) -> str | None:
    """The named template that a text is, whatever end token was written into it."""
    plain = _END.sub("", text, count=1)
    return next((name for name in TEMPLATES if _END.sub("", text_of(name), count=1) == plain), None)


def detect(model_type: str, vocabulary: frozenset[str]) -> Template | None:
    """The template for a model that brings none: by its kind, and by the control tokens it knows."""
    for one in _ALL:
        known = model_type in one.model_types or "*" in one.model_types
        if known and vocabulary.issuperset((*one.tokens, *one.signs)):
            return one
    return None
