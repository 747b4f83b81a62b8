"""Ids that the vocabulary has not are shown as what they are, and stop no preview."""

from __future__ import annotations

from collections.abc import Callable

from small_tokenizer import make_tokenizer

from studio.config import RunConfig
from studio.data.preview import preview
from studio.data.token_text import token_texts
from studio.settings import Settings

UNKNOWN = "<unknown 999999>"


def test_ids_outside_the_vocabulary() -> None:
    from transformers import ByT5Tokenizer

    tokenizer = make_tokenizer()
    ids = tokenizer("the cat")["input_ids"]
    assert token_texts([*ids, 999_999, *ids], tokenizer) == [*(texts := token_texts(ids, tokenizer)), UNKNOWN, *texts]
    assert "".join(texts) == "the cat"
    split = tokenizer("中")["input_ids"]
    assert token_texts([*split[:2], 999_999, split[2]], tokenizer) == ["\ufffd", "", UNKNOWN, "\ufffd"]
    slow = ByT5Tokenizer()
    assert token_texts([*slow("a", add_special_tokens=False)["input_ids"], 999_999, 2**31 - 1], slow) == [
        "a", UNKNOWN, "<unknown 2147483647>",
    ]  # fmt: skip


def test_a_preview_of_them(run_config: Callable[..., RunConfig], settings: Settings) -> None:
    rows = [{"input_ids": [5, 999_999], "labels": [5, 999_999]}] * 4
    found = preview(run_config(rows, data={"eval_fraction": 0}), settings=settings, tokenizer=make_tokenizer())
    assert found.rows[0].lanes[0].texts[1] == UNKNOWN
