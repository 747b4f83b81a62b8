"""Packed sequences as the trainer will see them: which rows share one, and where each begins anew. Packs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from studio.data.pipeline import Pipeline
from studio.data.preview import TokenRow, token_rows
from studio.methods.sft import SFT

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from studio.config import RunConfig
    from studio.data.prepare import Prepared


@dataclass(frozen=True)
class Piece:
    """Tokens [start, end) of a row, and where its position ids begin: at 0, so that attention does not reach over
    the border; or, with the strategy `wrapped`, where those of the piece before end."""

    row: TokenRow
    start: int
    end: int
    position: int = 0

    def as_json(self) -> dict[str, Any]:
        last = self.position + self.end - self.start - 1
        return {**self.row.piece(self.start, self.end), "position_ids": [self.position, last]}


@dataclass(frozen=True)
class PackedBlock:
    """One sequence of the trainer, counted from 0."""

    number: int
    pieces: tuple[Piece, ...]

    def as_json(self) -> dict[str, Any]:
        """The stable face of a block in `preview --json`."""
        return {
            "block": self.number,
            "pieces": [piece.as_json() for piece in self.pieces],
            "total": sum(piece.end - piece.start for piece in self.pieces),
        }


def is_packed(config: RunConfig) -> bool:
    """Whether the trainer packs rows into blocks."""
    return isinstance(config.method, SFT) and config.method.packing and config.training.max_length is not None


def packed_blocks(
    config: RunConfig,
    prepared: Prepared,
    *,
    tokenizer: PreTrainedTokenizerBase,
    start: int = 0,
    count: int = 1,
) -> Iterator[PackedBlock]:
    """Some of the blocks, from the `start`-th; none where the run does not pack."""
    method, limit = config.method, config.training.max_length
    if not isinstance(method, SFT) or not method.packing or limit is None:
        return
    cut: Any = {"max_length": limit, "truncation_mode": config.training.truncation_mode}
    blocks = method.blocks(prepared.lengths, **cut)
    pipeline = Pipeline(prepared.corpus, method=method, tokenizer=tokenizer)
    for number, block in enumerate(islice(blocks, start, start + count), start):
        positions = [int(prepared.index[row]) for row, _, _ in block]
        rows = token_rows(pipeline.work(positions), pipeline, **cut)
        pieces: list[Piece] = []
        for row, (_, first, last) in zip(rows, block, strict=True):
            before = pieces[-1] if pieces and method.packing_strategy == "wrapped" else None
            position = before.position + before.end - before.start if before else 0
            pieces.append(Piece(row, first, last, position))
        yield PackedBlock(number, tuple(pieces))
