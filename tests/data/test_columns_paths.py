"""Columns are found in nested rows too, and rows that cannot be read do not hinder detection."""

from __future__ import annotations

from typing import Any

import pytest
from format_rows import mapped, rendered, table, turns

from studio.config import DataConfig
from studio.data.columns import has_column, map_columns, nested_columns
from studio.data.formats import FORMATS
from studio.data.formats.base import Rendering
from studio.data.sources import Table
from studio.data.sources.base import LazyRows
from studio.errors import DataError
from studio.methods.paths import cell_of, path_of

ROW = {"q": {"text": "ask"}, "answers": [{"text": "first"}, {"text": "last"}], "a.b": "literal", "a": {"b": "nested"}}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("q.text", "ask"),
        ("answers[0].text", "first"),
        ("answers[-1].text", "last"),
        ("answers[2].text", None),
        ("answers.text", None),
        ("q.text.more", None),
        ("q[0]", None),
        ("a.b", "literal"),
        ("nothing.here", None),
    ],
)
def test_a_path_is_followed(column: str, value: Any) -> None:
    assert cell_of(ROW, column) == value


def test_a_null_in_a_column_of_that_very_name_stays_null() -> None:
    assert cell_of({"a.b": None, "a": {"b": "x"}}, "a.b") is None


@pytest.mark.parametrize(
    "name", ["plain", "", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[0]b", "[0]", "a]b", "a[1234567]"]
)
def test_what_is_no_path(name: str) -> None:
    assert path_of(name) is None


def test_columns_by_path() -> None:
    row = {"data": {"q": "q", "a": ["a", "b"]}, "id": 1}
    found = mapped(row, columns={"prompt": "data.q", "completion": "data.a[1]"})
    assert found.format == "prompt-completion"
    assert rendered(row, columns={"prompt": "data.q", "completion": "data.a[1]"})["completion"][0]["content"] == "b"
    deep = {"example": {"chat": turns("q", "a")}}
    assert mapped(deep, columns={"messages": "example.chat"}).format == "messages"
    assert rendered(deep, columns={"messages": "example.chat"})["prompt"] == turns("q")
    with pytest.raises(DataError, match=r"no column 'data\.x'"):
        mapped(row, columns={"prompt": "data.x", "completion": "data.a[0]"})
    with pytest.raises(DataError, match=r"The column 'data\.q' has no value"):
        found = mapped(row, columns={"prompt": "data.q", "completion": "data.a[1]"})
        FORMATS[found.format].render({"data": {}}, Rendering(found.columns))


def test_paths_to_choose_from() -> None:
    rows = table({"id": 1, "meta": {"lang": "en", "tags": ["x"]}}, {"answers": [{"text": "t"}]})
    assert nested_columns(rows) == ("meta.lang", "meta.tags", "meta.tags[0]", "answers[0]", "answers[0].text")
    assert has_column(rows, "id") and has_column(rows, "meta.lang") and not has_column(rows, "meta.none")


def test_a_column_plays_one_role_unless_it_is_chosen_twice() -> None:
    row = {"input": "q", "chosen": "good", "rejected": "bad"}
    assert mapped(row).columns == {"prompt": "input", "chosen": "chosen", "rejected": "rejected"}
    assert mapped({"input": "q", "output": "a"}).columns == {"prompt": "input", "completion": "output"}


class Damaged(LazyRows):
    """Every other row cannot be read."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return 2 * len(self._rows)

    def read(self, start: int, stop: int) -> list[Any]:
        return [self._rows[at // 2] if at % 2 else DataError("damaged") for at in range(start, stop)]


def test_damaged_rows_do_not_hinder_detection() -> None:
    rows = Damaged([{"instruction": "q", "output": "a"}] * 40)
    found = Table(name="rows.jsonl", rows=rows, columns=("instruction", "output"), identity="0", size_bytes=1)
    assert map_columns(found, DataConfig(source="rows.jsonl")).format == "alpaca"


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"input_ids": [1], "text": "t"}, "tokenized"),
        (
            {"prompt": "p", "chosen": turns("p", "a"), "rejected": turns("p", "b"), "messages": turns("p", "a")},
            "preference",
        ),
        ({"messages": turns("q", "a"), "label": True}, "unpaired-preference"),
        ({"instruction": "q", "context": "", "response": "a", "category": "c"}, "alpaca"),
        ({"messages": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, "sharegpt"),
        ({"prompt": "p", "prompt_id": "1", "messages": turns("p", "a")}, "messages"),
        ({"id": "1", "system_prompt": "", "question": "q", "response": "a"}, "prompt-completion"),
        ({"text": "t", "url": "u", "timestamp": "1"}, "text"),
        ({"prompt": "p", "ground_truth": "g"}, "prompt-only"),
    ],
)
def test_detection_asks_the_telling_formats_first(row: dict[str, Any], name: str) -> None:
    assert mapped(row).format == name
