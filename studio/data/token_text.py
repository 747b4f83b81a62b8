"""Token ids -> the text each stands for, with characters that several tokens share kept whole. Shows nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BYTE = re.compile(r"^<0x([0-9A-Fa-f]{2})>$")


def token_texts(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """One text a token. Of tokens that share a character the first carries the text and the others ""."""
    pieces = _bytes_of(ids, tokenizer)
    texts = [""] * len(pieces)
    start, pending = 0, b""
    for position, piece in enumerate(pieces):
        if not _may_continue(pending, piece):  # broken bytes: show what there was, begin anew
            texts[start] += pending.decode("utf-8", errors="replace")
            pending = b""
        if not pending:
            start = position
        pending += piece
        try:
            texts[start] += pending.decode("utf-8")
            pending = b""
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                texts[start] += pending.decode("utf-8", errors="replace")
                pending = b""
    if pending:
        texts[start] += pending.decode("utf-8", errors="replace")
    return texts


def special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The ids of control tokens."""
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def _may_continue(pending: bytes, piece: bytes) -> bool:
    """Whether a piece can go on with an unfinished character: it must begin with a continuation byte."""
    return not pending or not piece or 0x80 <= piece[0] < 0xC0


def _bytes_of(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> list[bytes]:
    added = {number: str(token.content) for number, token in tokenizer.added_tokens_decoder.items()}
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = str(getattr(backend, "decoder", ""))
    found = []
    for number, token in zip(ids, _tokens_of(ids, tokenizer), strict=True):
        if number in added:
            found.append(added[number].encode())
        elif token is None:
            found.append(f"<unknown {number}>".encode())
        elif "ByteLevel" in decoder:
            found.append(_byte_level(token))
        elif match := _BYTE.match(token):
            found.append(bytes([int(match[1], 16)]))
        elif "▁" in decoder or "Metaspace" in decoder:
            found.append(token.replace("▁", " ").encode())
        else:
            found.append(tokenizer.decode([number]).encode())
    return found


def _tokens_of(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> list[str | None]:
    """The vocabulary's tokens; None for an id that it has not, where slow tokenizers make something up or fail."""
    if tokenizer.is_fast:
        return list(tokenizer.convert_ids_to_tokens(list(ids)))
    size = len(tokenizer)
    return [str(tokenizer.convert_ids_to_tokens(number)) if number < size else None for number in ids]


def _byte_level(token: str) -> bytes:
    table = _byte_table()
    if all(character in table for character in token):
        return bytes(table[character] for character in token)
    return token.encode()


@cache
def _byte_table() -> dict[str, int]:
    """Byte-level BPE's own alphabet: printable Latin-1 stands for itself, every other byte for U+0100 and on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    shifted = {chr(0x100 + place): byte for place, byte in enumerate(others)}
    return {**{chr(byte): byte for byte in printable}, **shifted}
