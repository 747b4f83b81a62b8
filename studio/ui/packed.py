"""Packed blocks as the token card draws them: which pieces of which rows share one, and their tokens. Packs nothing.

Known once every row was looked at; the borders are where the trainer's position ids begin anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.ui.tokens import IDS_COPIED, TOKENS_DRAWN

if TYPE_CHECKING:
    from studio.config import RunConfig
    from studio.data.blocks import PackedBlock
    from studio.settings import Settings


@dataclass(frozen=True)
class Shown:
    """Blocks as the card's rows; `at` numbers the first of them, of `of`, and `first` is the position of its first
    row. `found` tells whether the row asked for is in it."""

    rows: list[dict[str, Any]]
    at: int
    of: int
    first: int
    found: bool = True


def packs(config: RunConfig) -> bool:
    """Whether a run packs its rows."""
    return bool(getattr(config.method, "packing", False)) and config.training.max_length is not None


def shown_blocks(
    config: RunConfig, settings: Settings, *, at: int, count: int, position: int | None = None, most: int = TOKENS_DRAWN
) -> Shown:
    """Some blocks, from the `at`-th, or from the first one that holds the row at a position. A row that is in none,
    for it is not trained, leads to the first block."""
    from studio.data.blocks import packed_blocks
    from studio.training.stage import stage

    staged = stage(config, settings)
    prepared = staged.prepared
    method: Any = config.method
    cut: Any = {"max_length": config.training.max_length, "truncation_mode": config.training.truncation_mode}
    total = method.sequences(prepared.lengths, max_length=config.training.max_length)
    holding: int | None = 0
    if position is not None:
        row = next(iter((prepared.index == position).nonzero()[0]), None)
        blocks = enumerate(method.blocks(prepared.lengths, **cut))
        holding = next((number for number, block in blocks if any(one == row for one, _, _ in block)), None)
        at = holding or 0
    at = min(at, max(total - 1, 0))
    made = list(packed_blocks(config, prepared, tokenizer=staged.tokenizer, start=at, count=count))
    first = made[0].pieces[0].row.position if made else 0
    return Shown([_drawn(one, most=most) for one in made], at, total, first, found=holding is not None)


def _drawn(block: PackedBlock, *, most: int) -> dict[str, Any]:
    ids: list[int] = []
    texts: list[str] = []
    trained: list[bool] = []
    special: list[bool] = []
    borders: list[int] = []
    for piece in block.pieces:
        lane, borders = piece.row.lanes[0], [*borders, len(ids)]
        ids += lane.ids[piece.start : piece.end]
        texts += lane.texts[piece.start : piece.end]
        trained += lane.supervised[piece.start : piece.end]
        special += lane.special[piece.start : piece.end]
    letters = ["t" if one else "m" for one in trained]
    lane_json = {
        "name": "text",
        "t": texts[:most],
        "i": ids[:most],
        "c": "".join(one.upper() if own else one for one, own in zip(letters, special, strict=True))[:most],
        "x": "." * min(len(ids), most),
        "before": 0,
        "more": max(0, len(ids) - most),
        "borders": borders,
        "names": [piece.row.where for piece in block.pieces],
        "ids": ids[:IDS_COPIED],
        "kept": len(ids),
        "supervised": sum(trained),
        "special": sum(special),
        "cut": 0,
    }
    return {
        "row": block.number + 1, "at": block.number, "where": "", "held": False, "kept": True, "label": None,
        "reference": None, "shared": None, "lanes": [lane_json], "raw": {}, "text": [], "textShared": "",
        "block": True,
    }  # fmt: skip
