"""Packed blocks as the token card draws them: which pieces of which rows share one, and their tokens. Packs nothing.

Known once every row was looked at; the borders are where the trainer's position ids begin anew.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from studio.ui.tokens import IDS_COPIED, TOKENS_DRAWN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from studio.config import RunConfig
    from studio.data.scan import Scan

MOST_BLOCKS = 100_000  # how far one can go


def packs(config: RunConfig) -> bool:
    """Whether a run packs its rows."""
    return bool(getattr(config.method, "packing", False)) and config.training.max_length is not None


def kept(config: RunConfig, scan: Scan) -> Any:
    """Positions that are trained on, in order."""
    from studio.data.doctor import CHECKS
    from studio.data.prepare import view_of

    view, left = view_of(config, scan), scan.usable.copy()
    for name in config.data.filters:
        if name in CHECKS:
            left[CHECKS[name].flagged(scan.marks[name], view)] = False
    alive = left & config.method.survives(
        scan.facts, max_length=config.training.max_length, truncation_mode=config.training.truncation_mode
    )
    return scan.corpus.train[alive[scan.corpus.train]]


def block_rows(
    config: RunConfig, scan: Scan, tokenizer: PreTrainedTokenizerBase, *, first: int, count: int
) -> tuple[list[dict[str, Any]], int]:
    """Some blocks as the card's rows, and the number of the first of them."""
    method: Any = config.method
    positions = kept(config, scan)
    lengths = [int(one) for one in scan.facts.length[positions, 0]]
    length, mode = config.training.max_length, config.training.truncation_mode
    first = min(first, MOST_BLOCKS)
    made = list(islice(method.blocks(lengths, max_length=length, truncation_mode=mode), first, first + count))
    if not made and first:
        return block_rows(config, scan, tokenizer, first=0, count=count)
    return [_block(one, number, positions, scan, tokenizer) for number, one in enumerate(made, first)], first


def _block(
    block: list[tuple[int, int, int]], number: int, positions: Any, scan: Scan, tokenizer: PreTrainedTokenizerBase
) -> dict[str, Any]:
    from studio.data.token_text import special_ids, token_texts

    control = special_ids(tokenizer)
    ids: list[int] = []
    trained: list[bool] = []
    borders: list[int] = []
    names: list[str] = []
    texts: list[str] = []
    for row, start, end in block:
        position = int(positions[row])
        lane = next(iter(scan.store.rows(positions[row : row + 1]))).lanes[0]
        mask = [False] * len(lane.ids)
        for begin, stop in zip(lane.spans[0::2], lane.spans[1::2], strict=True):
            mask[begin:stop] = [True] * (stop - begin)
        borders.append(len(ids))
        names.append(scan.corpus.where(position))
        ids += lane.ids[start:end]
        trained += mask[start:end]
        texts += token_texts(lane.ids, tokenizer)[start:end]
    special = [one in control for one in ids]
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
        "names": names,
        "ids": ids[:IDS_COPIED],
        "kept": len(ids),
        "supervised": sum(trained),
        "special": sum(special),
        "cut": 0,
    }
    return {
        "row": number + 1, "at": number, "where": "", "held": False, "kept": True, "label": None, "reference": None,
        "shared": None, "lanes": [lane_json], "raw": {}, "text": [], "textShared": "", "block": True,
    }  # fmt: skip
