"""What a tokenizer and its chat template do, found out by trying them on a conversation of our own. Keeps nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from studio.methods.encoding import Encoder, Job, encoder_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

QUESTION, ANSWER = "What is asked here", "what is answered"
# What chat templates write for control tokens: <|im_end|>, <｜User｜>, <start_of_turn>, <s>. [INST] is plain text.
_MARKERS = re.compile(r"<[|｜][^<>|｜\s]{1,40}[|｜]>|</?(?:start|end)_of_\w{1,24}>|</?s>|<(?:bos|eos)>")


def facts_of_tokenizer(tokenizer: PreTrainedTokenizerBase, *, answers: bool = False) -> dict[str, Any]:
    """The fields of a Context that are the tokenizer's. `answers`: each of the assistant's turns is trained."""
    added = {
        int(number): str(token.content) for number, token in tokenizer.added_tokens_decoder.items() if token.special
    }
    special = frozenset(added) | frozenset(tokenizer.all_special_ids)
    encoder = encoder_of(tokenizer)
    rendered = _rendered(tokenizer, encoder)
    return {
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "pad": tokenizer.pad_token_id,
        "vocabulary": max(tokenizer.get_vocab().values(), default=-1) + 1,
        "special_ids": special,
        "special_texts": tuple(sorted({text for text in added.values() if text.strip()})),
        "end_of_turn": _ends(tokenizer, rendered, special),
        "template_pieces": _pieces(tokenizer, rendered),
        "ignores_tools": encoder.ignores_tools,
        "ignores_calls": encoder.ignores_tool_calls,
        "ignores_reasoning": encoder.ignores_reasoning,
        "ignores_earlier_reasoning": encoder.ignores_earlier_reasoning(answers=answers),
    }


def _rendered(tokenizer: PreTrainedTokenizerBase, encoder: Encoder) -> str:
    """The probe's text; "" without a chat template, or where it refuses the probe."""
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        return ""
    turns = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]
    try:
        return encoder.encode([Job(turns)])[0].text
    except (TemplateError, ValueError, TypeError, LookupError, AttributeError, RuntimeError):
        return ""  # rows that it refuses too are told of one by one


def _ends(tokenizer: PreTrainedTokenizerBase, rendered: str, special: frozenset[int]) -> frozenset[int]:
    """The tokens that end an assistant's turn: end of sequence, and the control token right behind an answer."""
    found = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    behind = rendered.rpartition(ANSWER)[2].lstrip()
    if behind:
        first = tokenizer.encode(behind, add_special_tokens=False)[0]
        if first in special:
            found.add(int(first))
    return frozenset(found)


def _pieces(tokenizer: PreTrainedTokenizerBase, rendered: str) -> tuple[tuple[str, int], ...]:
    """Control tokens the template writes that the vocabulary does not have, and how many tokens each becomes."""
    found = {}
    for text in dict.fromkeys(_MARKERS.findall(rendered)):
        count = len(tokenizer.encode(text, add_special_tokens=False))
        if count > 1:
            found[text] = count
    return tuple(found.items())
