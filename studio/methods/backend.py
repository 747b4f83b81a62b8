"""Texts -> token ids, by a tokenizer's own Rust part where it has one. Knows nothing of templates, roles and losses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studio.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ranges = list[tuple[int, int]]


class Backend:
    """Encodes as `tokenizer(texts)` does, without what a trainer does not need. May be used by several threads.

    It has a copy of the Rust part: a call of the tokenizer elsewhere, for chat, sets padding on the original.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._fast: Any = _rust_part(tokenizer)

    @property
    def knows_characters(self) -> bool:
        """Whether it can say which token a character went into."""
        return self._fast is not None

    def ids(self, texts: Sequence[str], *, special: bool) -> list[list[int]]:
        """Token ids; `special` adds what the tokenizer puts around a text (a chat template writes that itself)."""
        if not texts:
            return []
        if self._fast is None:
            found = self._tokenizer(list(texts), add_special_tokens=special)["input_ids"]
            return [list(ids) for ids in found]
        made = self._fast.encode_batch_fast(texts, add_special_tokens=special)
        return [one.ids for one in made]

    def located(self, texts: Sequence[str], *, special: bool) -> list[Any]:
        """Encodings that know which token a character went into."""
        if self._fast is None:
            raise DataError(
                "This model's tokenizer cannot say which token a character went into, which assistant_only_loss and "
                "train: false need. Turn method.assistant_only_loss off, or choose a model with a fast tokenizer."
            )
        return list(self._fast.encode_batch(texts, add_special_tokens=special))


def _rust_part(tokenizer: PreTrainedTokenizerBase) -> Any:
    """A copy of the Rust tokenizer, set as a plain call sets it; None where a call does more than use it."""
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

    kind = type(tokenizer)
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or (
        kind._encode_plus is not PreTrainedTokenizerFast._encode_plus
        or kind.__call__ is not PreTrainedTokenizerBase.__call__
    ):
        return None
    made = copy.deepcopy(tokenizer.backend_tokenizer)
    made.no_padding()
    made.no_truncation()
    made.encode_special_tokens = tokenizer.split_special_tokens
    return made


def marked_tokens(encoding: Any, spans: Ranges) -> Ranges:
    """Characters -> tokens exactly as transformers' assistant mask does it (`apply_chat_template`, 5.23)."""
    found = []
    for start, end in spans:
        if start == end == 0:
            continue
        first, last = encoding.char_to_token(start), encoding.char_to_token(end - 1)
        if first is None:
            break
        found.append((first, last + 1 if last else len(encoding.ids)))
    return joined(found)


def covered_tokens(encoding: Any, spans: Ranges) -> Ranges:
    """Every token that holds a character of one of the spans."""
    found = []
    for start, end in spans:
        first = _first_token(encoding, range(start, end))
        last = _first_token(encoding, range(end - 1, start - 1, -1))
        if first is not None and last is not None:
            found.append((first, last + 1))
    return joined(found)


def _first_token(encoding: Any, characters: range) -> int | None:
    """The token of the first of these characters that went into one."""
    for at in characters:
        token: int | None = encoding.char_to_token(at)
        if token is not None:
            return token
    return None


def joined(ranges: Ranges) -> Ranges:
    """The same numbers as sorted ranges that neither touch nor overlap; empty ones go."""
    made: Ranges = []
    for start, end in sorted(one for one in ranges if one[0] < one[1]):
        if made and start <= made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((start, end))
    return made


def without(ranges: Ranges, taken: Ranges) -> Ranges:
    """What is left of ranges when others are taken out; both sorted and apart."""
    for start, end in taken:
        ranges = [
            part
            for one in ranges
            for part in ((one[0], min(one[1], start)), (max(one[0], end), one[1]))
            if part[0] < part[1]
        ]
    return ranges
