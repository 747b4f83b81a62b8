from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from studio.data.preview import TokenRow
from studio.ui import tokens


def row(length: int, *, kept: int) -> TokenRow:
    return TokenRow(
        row=4, ids=list(range(length)), texts=[f"<{n}>" for n in range(length)],
        supervised=[n % 2 == 1 for n in range(length)], special=[n == 1 for n in range(length)], kept=kept,
    )  # fmt: skip


def test_a_row_has_one_letter_a_token_and_counts_what_is_kept() -> None:
    drawn = tokens.row_of(row(6, kept=4))
    assert drawn["row"] == 5 and drawn["c"] == "mTmtmt" and drawn["i"] == [0, 1, 2, 3, 4, 5]
    assert (drawn["supervised"], drawn["special"], drawn["kept"], drawn["cut"], drawn["more"]) == (2, 1, 4, 2, 0)


def test_a_long_row_is_drawn_in_part_and_says_so() -> None:
    long = tokens.row_of(row(5000, kept=5000))
    assert len(long["t"]) == len(long["c"]) == tokens.TOKENS_DRAWN and long["more"] == 5000 - tokens.TOKENS_DRAWN
    assert long["supervised"] == 2500  # counted over the whole row
    cut = tokens.row_of(row(5000, kept=100))
    assert len(cut["t"]) == 100 + tokens.CUT_DRAWN and cut["cut"] == 4900


def test_markup_of_a_file_stays_data() -> None:
    evil = "</script><img src=x onerror=alert(1)>${alert(1)}"
    preview: Any = SimpleNamespace(
        rows=(row(2, kept=2),), raw=({"a": evil, "b": [evil], "c": None},), text=(evil,), of=1, digest="d", notes=()
    )
    card = json.loads(tokens.payload(preview, lang="en"))
    assert card["raw"][0] == {"a": evil, "b": [evil], "c": None} and card["text"] == [evil]


def test_whatever_the_page_sends_as_view_is_bounded() -> None:
    assert tokens.read_view('{"start": 5, "rows": 8}') == (5, 8)
    assert tokens.read_view('{"start": -5, "rows": 99999}') == (0, 8)
    for odd in (None, "", "[]", '{"start": "x"}', "nonsense", 7):
        assert tokens.read_view(odd) == (0, 3)
