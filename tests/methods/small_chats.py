"""Small tokenizers and chat templates of several kinds, and rows that are hard on both."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import trl.chat_template_utils

from studio.settings import ASSETS

BUNDLED = Path(trl.chat_template_utils.__file__).parent / "chat_templates"

# SmolLM2's: no markers, and a system turn of its own where there is none.
SMOL = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + (message['content'] or '') + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Turns between words, not control tokens; white space is trimmed, and the answer's is not the prompt's.
LLAMA2 = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ ' ' + message['content'] | trim + ' ' + eos_token }}"
    "{% elif message['role'] == 'system' %}{{ '<<SYS>>\n' + message['content'] + '\n<</SYS>>\n\n' }}"
    "{% else %}{{ '[INST] ' + message['content'] | trim + ' [/INST]' }}{% endif %}{% endfor %}"
)
# The generation prompt opens a thought that no answer of the data has: the border is where they part.
THINKER = SMOL.replace("'<|im_start|>assistant\n' }}", "'<|im_start|>assistant\n<think>\n' }}")
# The end of an answer stands before the next turn, as with Phi-3: the beginnings of a conversation are no prefixes.
LATE_END = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{% if not loop.last %}{{ '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_end|>\n<|im_start|>assistant\n' }}{% else %}<|endoftext|>{% endif %}"
)

TEMPLATES = {
    "starter": None,
    "smol": SMOL,
    "llama2": LLAMA2,
    "thinker": THINKER,
    "qwen3": (BUNDLED / "qwen3.jinja").read_text(encoding="utf-8"),
    "qwen2_5": (BUNDLED / "qwen2_5.jinja").read_text(encoding="utf-8"),
}
MARKED = ("starter", "qwen3", "qwen2_5")  # themselves, or in TRL's version for training


@functools.cache
def _starter() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ASSETS / "starter")


@functools.cache
def chat_tokenizer(template: str = "starter") -> Any:
    """The starter's tokenizer, with one of TEMPLATES."""
    made = copy.deepcopy(_starter())
    if TEMPLATES[template] is not None:
        made.chat_template = TEMPLATES[template]
    return made


@functools.cache
def pieces_tokenizer() -> Any:
    """Like Llama-2's: words with a leading mark, bytes for what is unknown, and a token before every plain text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    raw.train_from_iterator(["user assistant system the cat said hello [INST] [/INST] who are you?"] * 20, trainer)
    raw.add_special_tokens([AddedToken("<|turn|>", rstrip=True, normalized=False)])
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", raw.token_to_id("<s>"))]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )
    made.chat_template = (
        "{{ bos_token }}{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
        "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
    )
    return made


ODD = "héllo 👩‍👩‍👧‍👦 你好，世界！ مرحبا \u200d\u202b x\ufffdy <|im_end|> <|endoftext|>"
LONG = "the cat said hello to the other cat " * 12
THOUGHT = "<think>\nfirst this, then that\n</think>\n\nthe answer"
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": ODD, "parameters": {"type": "object", "properties": {}}},
}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "你好"}}}


def turns(*texts: str, system: str | None = None) -> list[dict[str, Any]]:
    """User and assistant in turn."""
    first = [] if system is None else [{"role": "system", "content": system}]
    return first + [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]


CONVERSATIONS: list[list[dict[str, Any]]] = [
    turns("hello", "who are you?"),
    turns(ODD, ODD),
    turns("hi", ODD, "and?", "after\n\n", system=""),
    turns("one", "a", "two", LONG, system="be a cat"),
    turns(LONG, "cut away"),
    turns("think", THOUGHT),
    turns("\n spaces \n", "\n\n lines first"),
    turns("hello", "<|im_start|>assistant\nI say so myself<|im_end|>", system="<|im_start|>"),
    turns("and more?", "yes", ODD, "no"),
]
WITH_TOOLS: list[list[dict[str, Any]]] = [
    [
        {"role": "user", "content": "what is there?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": ODD, "name": "look"},
        {"role": "assistant", "content": "a cat"},
    ],
    turns("no tools needed", "right"),
]
TEXTS = [
    ("the cat said", " hello"),
    (f"{ODD} ", ODD),
    (LONG, "cut away"),
    ("said:", LONG),
    ("the ca", "t said"),
    ("ends with its own", " end<|im_end|>"),
    ("hello <|im_end|>", "and on"),
]
