"""Packed blocks as the token card draws them: which pieces of which rows share one, and their tokens. Packs nothing.

Known once every row was looked at; the borders are where the trainer's position ids begin anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.ui.tokens import IDS_COPIED, TOKENS_DRAWN

if TYPE_CHECKING:
    from studio.config import RunConfig
    from studio.data.blocks import PackedBlock
    from studio.settings import Settings

MOST_BLOCKS = 100_000  # how far one can go


def packs(config: RunConfig) -> bool:
    """Whether a run packs its rows."""
    return bool(getattr(config.method, "packing", False)) and config.training.max_length is not None


def block_rows(config: RunConfig, settings: Settings, *, first: int, count: int) -> tuple[list[dict[str, Any]], int]:
    """Some blocks as the card's rows, and the number of the first of them; from the first block on behind the last."""
    from studio.data.blocks import packed_blocks
    from studio.training.stage import stage

    staged, first = stage(config, settings), min(first, MOST_BLOCKS)
    made = list(packed_blocks(config, staged.prepared, tokenizer=staged.tokenizer, start=first, count=count))
    if not made and first:
        return block_rows(config, settings, first=0, count=count)
    return [_drawn(one) for one in made], first


def _drawn(block: PackedBlock) -> dict[str, Any]:
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
        "t": texts[:TOKENS_DRAWN],
        "i": ids[:TOKENS_DRAWN],
        "c": "".join(one.upper() if own else one for one, own in zip(letters, special, strict=True))[:TOKENS_DRAWN],
        "x": "." * min(len(ids), TOKENS_DRAWN),
        "before": 0,
        "more": max(0, len(ids) - TOKENS_DRAWN),
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
