"""Which rows the page asks to see: a place, a number, rows worth a look, any, or a search. Draws and encodes nothing.

Rows are named by their position in the corpus; what is longest, most cut or worst is known once every row was looked
at.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studio.ui.tokens import MOST_TOKENS, ROWS_SHOWN, TOKENS_DRAWN
from studio.ui.words import Language, say

if TYPE_CHECKING:
    from studio.data.corpus import Corpus
    from studio.data.doctor.report import Report

ORDERS = {
    "longest": "order_longest", "shortest": "order_shortest", "most_cut": "order_truncated", "worst": "order_worst",
}  # fmt: skip
MOST_TURNS = 100_000  # how far one can click through a pick
PATIENCE = 1.5  # seconds that one search looks
AT_ONCE = 512  # rows that are read at a time
MOST_LETTERS = 200  # of a search


@dataclass(frozen=True)
class View:
    """What the row bar asks for; of `search`, `pick`, `seed` (rows drawn at random), `row` and `at` the first that is
    set counts. `tokens` of each lane are drawn at most."""

    rows: int = ROWS_SHOWN[0]
    at: int = 0
    row: int | None = None
    pick: str = ""
    nth: int = 0
    search: str = ""
    after: int = -1
    left: int | None = None
    packed: bool = False
    seed: int | None = None
    tokens: int = TOKENS_DRAWN

    @property
    def names_rows(self) -> bool:
        """Whether it is rows that are asked for, not a place among what is shown."""
        return bool(self.search or self.pick or self.seed is not None or self.row is not None)


@dataclass(frozen=True)
class Found:
    """Positions to show, and what the bar is told: a sentence, the turn of a pick, where a search goes on."""

    positions: list[int]
    said: str = ""
    more: dict[str, Any] = field(default_factory=dict)


def read(value: Any) -> View:
    """The bar's value, whatever the page sent."""
    try:
        given = json.loads(value)
    except (TypeError, ValueError):
        return View()
    if not isinstance(given, dict):
        return View()
    row, left, seed = given.get("row"), given.get("left"), given.get("seed")
    pick = str(given.get("pick") or "")
    return View(
        rows=min(max(1, _whole(given.get("rows"), ROWS_SHOWN[0])), max(ROWS_SHOWN)),
        at=max(0, _whole(given.get("at"), 0)),
        row=_whole(row, 1) if row is not None else None,
        pick=pick if pick in ORDERS else "",
        nth=min(max(0, _whole(given.get("nth"), 0)), MOST_TURNS),
        search=str(given.get("search") or "").strip()[:MOST_LETTERS],
        after=_whole(given.get("after"), -1),
        left=_whole(left, 0) if left is not None else None,
        packed=given.get("packed") is True,
        seed=_whole(seed, 0) if seed is not None else None,
        tokens=min(max(TOKENS_DRAWN, _whole(given.get("tokens"), TOKENS_DRAWN)), MOST_TOKENS),
    )


def _whole(value: Any, otherwise: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) > 1e12:
        return otherwise
    return int(value)


def find(view: View, corpus: Corpus, *, report: Report | None, lang: Language) -> Found:
    """The positions a view asks for; `report` is there once every row was looked at."""
    if view.search:
        return _search(view, corpus, lang)
    if view.pick and report is not None:
        return _picked(view, report, len(corpus), lang)
    if view.seed is not None:
        drawn = random.Random(view.seed)  # noqa: S311 - for a look, not for a secret
        return Found(sorted(drawn.sample(range(len(corpus)), min(view.rows, len(corpus)))))
    if view.row is not None:
        alone = len(corpus.parts) == 1
        at = corpus.position_of(view.row - 1) if alone else view.row - 1 if view.row <= len(corpus) else None
        if at is None:
            return Found(_from(0, view.rows, len(corpus)), say(lang, "data.no_such_row", row=f"{view.row:,}"))
        return Found(_from(at, view.rows, len(corpus)))
    return Found(_from(view.at, view.rows, len(corpus)))


def _from(at: int, rows: int, total: int) -> list[int]:
    at = min(max(at, 0), max(total - 1, 0))
    return list(range(at, min(at + rows, total)))


def _picked(view: View, report: Report, total: int, lang: Language) -> Found:
    """The nth rows in the order of the pick; from the first again behind the last."""
    order = getattr(report, ORDERS[view.pick])
    some = order(view.nth + view.rows)
    nth = view.nth if view.nth < len(some) else 0
    chosen = some[nth : nth + view.rows]
    if not chosen:
        return Found(_from(view.at, view.rows, total), say(lang, f"data.none_{view.pick}"), {"nth": 0})
    return Found(
        chosen,
        say(lang, "data.picked", pick=say(lang, f"cards.{view.pick}"), nth=nth + 1),
        {"nth": nth, "pick": view.pick},
    )


def _search(view: View, corpus: Corpus, lang: Language) -> Found:
    """The next rows whose cells hold the text; given up after a moment, to go on from there at the next click."""
    from studio.errors import DataError

    total, wanted = len(corpus), view.search.lower()
    left = total if view.left is None else min(max(view.left, 0), total)
    at, hits, began = view.after + 1, list[int](), time.monotonic()
    while left > 0 and len(hits) < view.rows and time.monotonic() - began < PATIENCE:
        at = at % total if at >= 0 else 0
        stop = min(at + AT_ONCE, total, at + left)
        for position, row in enumerate(corpus.raw(range(at, stop)), at):
            left -= 1
            at = position + 1
            if not isinstance(row, DataError) and holds(row, wanted):
                hits.append(position)
                if len(hits) == view.rows:
                    break
    if hits:
        where = corpus.where(hits[0])
        return Found(hits, say(lang, "data.hit", where=where), {"after": hits[-1], "left": None})
    if left > 0:
        said = say(lang, "data.searching", done=f"{total - left:,}", of=f"{total:,}")
        return Found(_from(view.at, view.rows, total), said, {"after": at - 1, "left": left, "stay": True})
    return Found(
        _from(view.at, view.rows, total), say(lang, "data.no_hit"), {"after": None, "left": None, "stay": True}
    )


def holds(value: Any, wanted: str) -> bool:
    """Whether any text in a cell holds the wanted one, which is in lower case."""
    if isinstance(value, str):
        return wanted in value.lower()
    if isinstance(value, Mapping):
        return any(holds(one, wanted) for one in value.values())
    if isinstance(value, list | tuple):
        return any(holds(one, wanted) for one in value)
    return value is not None and wanted in str(value).lower()
