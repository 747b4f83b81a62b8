"""What the token card is given: lanes, what is cut, what two lanes share, and text that stays text."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

from studio.data.preview import LaneRow, TokenRow
from studio.ui import tokens


def lane(length: int, *, start: int = 0, end: int | None = None, name: str = "text", shared: int = 0) -> LaneRow:
    return LaneRow(
        name=name, ids=list(range(length)), texts=[f"<{n}>" for n in range(length)],
        supervised=[n % 2 == 1 for n in range(length)], special=[n == 1 for n in range(length)],
        start=start, end=length if end is None else end, shared=shared,
    )  # fmt: skip


def row(*lanes: LaneRow, **more: Any) -> TokenRow:
    made: dict[str, Any] = {"position": 4, "row": 4, "where": "5", "extra": {}, "raw": {}, "text": ("a",) * len(lanes)}
    return TokenRow(lanes=lanes, **{**made, **more})


def test_a_lane_has_one_letter_a_token_and_counts_what_is_kept() -> None:
    drawn = tokens.lane_of(lane(6, end=4))
    assert drawn["c"] == "mTmtmt" and drawn["x"] == "....xx" and drawn["i"] == [0, 1, 2, 3, 4, 5]
    assert drawn["ids"] == [0, 1, 2, 3]  # what is copied is what is trained on
    assert [drawn[name] for name in ("supervised", "special", "kept", "cut", "before", "more")] == [2, 1, 4, 2, 0, 0]


def test_where_the_end_is_kept_the_beginning_is_cut() -> None:
    drawn = tokens.lane_of(lane(6, start=2))
    assert drawn["x"] == "xx...." and drawn["ids"] == [2, 3, 4, 5] and drawn["cut"] == 2
    long = tokens.lane_of(lane(5000, start=4000))
    assert long["before"] == 4000 - tokens.CUT_DRAWN and long["x"].count("x") == tokens.CUT_DRAWN
    assert long["i"][tokens.CUT_DRAWN] == 4000 and long["more"] == 0


def test_a_long_lane_is_drawn_in_part_and_says_so() -> None:
    long = tokens.lane_of(lane(5000))
    assert len(long["t"]) == len(long["c"]) == tokens.TOKENS_DRAWN and long["more"] == 5000 - tokens.TOKENS_DRAWN
    assert long["supervised"] == 2500 and len(long["ids"]) == 5000  # of the whole lane
    cut = tokens.lane_of(lane(5000, end=100))
    assert len(cut["t"]) == 100 + tokens.CUT_DRAWN and cut["cut"] == 4900


def test_the_first_trained_token_is_among_those_drawn_and_all_are_when_asked_for() -> None:
    made = lane(5000)
    late = dataclasses.replace(made, supervised=[at >= 3000 for at in range(5000)])
    drawn = tokens.lane_of(late)
    assert drawn["i"][tokens.BEFORE_TRAINED] == 3000 and drawn["before"] == 3000 - tokens.BEFORE_TRAINED
    assert "t" in drawn["c"] and len(drawn["t"]) + drawn["before"] + drawn["more"] == 5000
    whole = tokens.lane_of(late, most=8192)
    assert whole["i"] == late.ids and (whole["before"], whole["more"]) == (0, 0)


def test_a_prompt_that_one_lane_trains_and_the_other_does_not_is_shown_in_both() -> None:
    one, other = lane(6, name="chosen", shared=3), lane(6, name="rejected", shared=3)
    assert tokens.row_of(row(one, other))["shared"]["count"] == 3
    other = dataclasses.replace(other, supervised=[False] * 3 + other.supervised[3:])
    drawn = tokens.row_of(row(one, other))
    assert drawn["shared"] is None and [one["c"] for one in drawn["lanes"]] == ["mTmtmt", "mMmtmt"]


def test_a_shared_prompt_is_shown_once_and_lanes_go_on_behind_it() -> None:
    pair = row(lane(8, name="chosen", shared=3), lane(6, name="rejected", shared=3), text=("p\nyes", "p\nno"))
    drawn = tokens.row_of(pair)
    assert drawn["shared"]["count"] == 3 and drawn["shared"]["i"] == [0, 1, 2]
    assert [one["i"][0] for one in drawn["lanes"]] == [3, 3] and [one["kept"] for one in drawn["lanes"]] == [8, 6]
    assert drawn["textShared"] == "p\n" and drawn["text"] == ["yes", "no"]


def test_lanes_whose_prompt_is_cut_differently_are_shown_whole() -> None:
    pair = row(lane(8, name="chosen", start=2, shared=3), lane(6, name="rejected", shared=3))
    drawn = tokens.row_of(pair)
    assert drawn["shared"] is None and [one["i"][0] for one in drawn["lanes"]] == [0, 0]


def test_label_and_reference_come_along() -> None:
    assert tokens.row_of(row(lane(3), extra={"label": False}))["label"] is False
    assert tokens.row_of(row(lane(3), extra={"reference": {"answer": "4"}}))["reference"] == {"answer": "4"}


def test_markup_of_a_file_stays_data() -> None:
    evil = "</script><img src=x onerror=alert(1)>${alert(1)}"
    made: Any = SimpleNamespace(
        rows=(row(lane(2), raw={"a": evil, "b": [evil], "c": None}, text=(evil,)),), digest="d", notes=()
    )
    text = tokens.payload(made, lang="en")
    card = json.loads(text)
    assert card["rows"][0]["raw"] == {"a": evil, "b": [evil], "c": None} and card["rows"][0]["text"] == [evil]
    assert "<" not in text
