"""Where in a sequence's tokens its prompt ends, found without encoding the prompt again where that is exact.

A control token cuts a text in two that are encoded apart. So of a prompt only what follows its last control token
can become other tokens when an answer follows: with ChatML always "assistant" and a line break. Knows no templates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.methods.backend import Backend

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FIRST_CHECKED = 16  # borders compared with the plain way when an encoder begins; later one of each batch
_MOST_TAILS = 8


def common_prefix(ids: list[int], other: list[int]) -> int:
    """How many tokens two sequences begin with alike (`trl.data_utils.common_prefix_length`)."""
    length = len(ids)
    if other[:length] == ids:
        return length
    return next(at for at, (one, two) in enumerate(zip(ids, [*other, -1], strict=False)) if one != two)


@dataclass(frozen=True, slots=True)
class _Tail:
    """How a prompt may end: a control token and what follows it, with the ids of the latter."""

    text: str
    token: str
    number: int
    ids: list[int]


class Borders:
    """Finds borders as TRL does: the common beginning of the prompt's tokens and the sequence's. For many threads."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, backend: Backend) -> None:
        self._backend = backend
        self._numbers = _cutting(tokenizer) if backend.knows_characters else {}
        self._added = [str(token.content) for token in tokenizer.added_tokens_decoder.values()]
        self._pattern: re.Pattern[str] | None = None
        self._tails: tuple[_Tail, ...] = ()
        self._to_check = FIRST_CHECKED
        self.quick = bool(self._numbers)

    def find(
        self, prompts: Sequence[str], texts: Sequence[str], ids: Sequence[list[int]], *, special: bool
    ) -> list[int]:
        """The border in each sequence, given its prompt's text, its own, and its tokens."""
        quick = self.quick and not special
        found = [self._quickly(*row) if quick else None for row in zip(prompts, texts, ids, strict=True)]
        places = [place for place, border in enumerate(found) if border is not None]
        checked = places[: max(self._to_check, 1)]
        self._to_check -= len(checked)
        plain = [place for place, border in enumerate(found) if border is None]
        asked = plain + checked
        for place, prompt in zip(
            asked, self._backend.ids([prompts[one] for one in asked], special=special), strict=True
        ):
            border = common_prefix(prompt, ids[place])
            if found[place] is not None and found[place] != border:  # never seen: the plain way from here on
                self.quick = False
                return self.find(prompts, texts, ids, special=special)
            found[place] = border
        return [border for border in found if border is not None]

    def _quickly(self, prompt: str, text: str, ids: list[int]) -> int | None:
        if not text.startswith(prompt):
            return None
        tail = next((one for one in self._tails if prompt.endswith(one.text)), None) or self._learn(prompt)
        if tail is None or ids.count(tail.number) != text.count(tail.token):
            return None
        at = -1
        for _ in range(prompt.count(tail.token)):
            at = ids.index(tail.number, at + 1)
        at += 1
        return at + common_prefix(tail.ids, ids[at : at + len(tail.ids)])

    def _learn(self, prompt: str) -> _Tail | None:
        if len(self._tails) == _MOST_TAILS:  # each prompt ends in its own way: learning would cost more than it saves
            return None
        if self._pattern is None:
            longest_first = sorted(self._numbers, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        found = list(self._pattern.finditer(prompt))
        if not found or _entangled(found[-1].group(), self._added):
            return None
        token, text = found[-1].group(), prompt[found[-1].start() :]
        (ids,) = self._backend.ids([text], special=False)
        if not ids or ids[0] != self._numbers[token]:
            return None
        tail = _Tail(text, token, ids[0], ids[1:])
        self._tails = (*self._tails, tail)
        return tail


def _cutting(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Control tokens at which a text is cut before anything else is done to it, with their ids."""
    if tokenizer.split_special_tokens:
        return {}
    found = {}
    for number, token in tokenizer.added_tokens_decoder.items():
        content = str(token.content)
        cuts = token.special and not token.normalized and not token.single_word
        if cuts and content and content == content.strip() and number != tokenizer.unk_token_id:
            found[content] = number
    return found


def _entangled(token: str, added: Sequence[str]) -> bool:
    """Whether a match of another token could lie over this one's: then it might not be cut out as itself."""
    starts = tuple(token[:size] for size in range(1, len(token) + 1))
    return any(other != token and (token in other or other.endswith(starts)) for other in added) or any(
        token.endswith(start) for start in starts[:-1]
    )
