"""Answers found by rendering beginnings, against the markers of TRL's own training templates."""

from __future__ import annotations

from typing import Any

import pytest
from small_chats import BUNDLED, ODD, turns

from studio.errors import DataError
from studio.methods.template import Template
from studio.methods.turns import Conversation, answers_by_beginnings, marked_answers

SPECIAL = {"bos_token": "<BOS>", "eos_token": "<EOS>", "pad_token": "<PAD>"}
# Closing tokens of the templates below, as their tokenizers have them.
ENDS = ("<EOS>", "<|im_end|>", "<end_of_turn>", "<|eot_id|>", "<|END_OF_TURN_TOKEN|>")
CHATS = [
    turns("hi there", "first answer"),
    turns("hi", "one", "and?", "second\n one"),
    turns(ODD, ODD, " \n", "<|x|> y ", "more", "</think> end"),
]
# The same tokens, to the letter.
EXACT = ("cohere", "cohere2", "llama3")
# These mark the line break behind the end of a turn too, and some the one before it; we train neither.
BUT_FOR_SPACE = ("gemma", "gemma3", "lfm2", "lfm2_v2", "qwen2_5", "qwen2_5_vl", "qwen3_instruct_2507", "qwen3_vl")
# A turn is written otherwise once others follow it.
REFUSED = ("qwen3", "phi3", "phi3_5", "gptoss", "qwen3_5_think")


def both(name: str, chat: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    own = Template((BUNDLED / f"{name}.jinja").read_text(encoding="utf-8"), SPECIAL)
    marked = Template((BUNDLED / f"{name}_training.jinja").read_text(encoding="utf-8"), SPECIAL)
    row = Conversation(chat)
    text, spans = answers_by_beginnings(row, own, ENDS)
    marked_text, marks = marked_answers(row, marked)
    assert text == marked_text
    return [text[start:end] for start, end in spans], [text[start:end] for start, end in marks]


@pytest.mark.parametrize("chat", CHATS, ids=["one", "two", "odd"])
@pytest.mark.parametrize("name", EXACT)
def test_the_answers_are_the_marked_ones(name: str, chat: list[dict[str, Any]]) -> None:
    found, marked = both(name, chat)
    assert found == marked and len(found) == len(chat) // 2


@pytest.mark.parametrize("chat", CHATS, ids=["one", "two", "odd"])
@pytest.mark.parametrize("name", BUT_FOR_SPACE)
def test_the_answers_are_the_marked_ones_but_for_white_space(name: str, chat: list[dict[str, Any]]) -> None:
    found, marked = both(name, chat)
    assert [one.strip() for one in found] == [one.strip() for one in marked] and len(found) == len(chat) // 2
    assert all(one.endswith(ENDS) for one in found)


@pytest.mark.parametrize("name", REFUSED)
def test_no_answer_is_guessed(name: str) -> None:
    template = Template((BUNDLED / f"{name}.jinja").read_text(encoding="utf-8"), SPECIAL)
    assert answers_by_beginnings(Conversation(CHATS[0]), template, ENDS)[1]
    with pytest.raises(DataError, match="otherwise when more turns follow"):
        answers_by_beginnings(Conversation(CHATS[1]), template, ENDS)
