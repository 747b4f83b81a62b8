"""JSON of every shape under either name, and what is left of a file that was cut or never was one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.data.sources import Table, open_source
from studio.data.sources.readers import json_structure
from studio.errors import DataError
from studio.settings import Settings

ROWS: list[dict[str, Any]] = [{"a": "x}", "b": 1}, {"a": "é{", "b": [{"c": 2}]}, {"a": '"\\', "b": None}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
PRETTY = "".join(json.dumps(row, indent=2) + "\n" for row in ROWS)
INDEXED = {key: {str(n): row[key] for n, row in enumerate(ROWS)} for key in ROWS[0]}
ONE_VALUE, VALUES = "is one JSON value, not one object a line", "its objects run over several lines"


@pytest.fixture
def opened(tmp_path: Path, settings: Settings) -> Any:
    def write_and_open(name: str, content: str | bytes) -> Table:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_source(str(tmp_path / name), settings=settings)

    return write_and_open


def told(table: Table) -> str:
    return " ".join(str(note) for note in table.notes)


# Name, content, and what the notes say.
SHAPES: dict[str, tuple[str, str, str]] = {
    "list in lines": ("a.jsonl", json.dumps(ROWS), ONE_VALUE),
    "list over lines in lines": ("a.jsonl", "\ufeff" + json.dumps(ROWS, indent=1), ONE_VALUE),
    "list with an empty line": ("a.jsonl", "\n" + json.dumps(ROWS) + "\n\n", ONE_VALUE),
    "data over lines in lines": ("a.jsonl", json.dumps({"data": ROWS}, indent=1), ONE_VALUE),
    "values": ("a.json", PRETTY, VALUES),
    "values in lines": ("a.jsonl", PRETTY, VALUES),
    "values without indent": ("a.jsonl", "".join(json.dumps(row, indent=0) for row in ROWS), VALUES),
    "values with CRLF": ("a.json", PRETTY.replace("\n", "\r\n"), VALUES),
    "pandas columns": ("a.json", json.dumps(INDEXED), ""),
    "pandas columns over lines": ("a.json", json.dumps(INDEXED, indent=1), ""),
    "rows": ("a.json", json.dumps({"features": ["a", "b"], "rows": ROWS}), ""),
    "train": ("a.json", json.dumps({"train": ROWS}), ""),
    "examples": ("a.json", json.dumps({"name": "x", "Examples": ROWS, "n": {"k": 3}}), ""),
    "instances beside others": (
        "a.json",
        json.dumps({"instances": ROWS, "o": [{}]}),
        "left out are the lists under: o",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("size", [7, 1 << 21])
def test_a_shape_is_read_as_what_it_is(name: str, size: int, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_structure, "CHUNK", size)
    file, content, note = SHAPES[name]
    table = opened(file, content)
    assert list(table.rows) == ROWS and table.columns == ("a", "b")
    assert note in told(table) and bool(note) == bool(table.notes)
    assert [table.where(n) for n in range(3)] == ["1", "2", "3"]


KEPT: dict[str, tuple[str, str]] = {
    "lines": ("a.jsonl", LINES),
    "a line that is wrapped": ("a.jsonl", json.dumps({"train": ROWS}) + "\n"),
    "a row over lines": ("a.json", json.dumps({"messages": ROWS}, indent=1)),
    "objects in a row": ("a.json", json.dumps({"a": {"text": "x"}, "b": {"text": "y"}})),
    "a long first line": ("a.jsonl", json.dumps({"a": "x" * 1_100_000}) + "\n" + LINES),
    "first line cut": ("a.jsonl", '{"a": "x", "b"\n' + LINES),
    "a list first": ("a.jsonl", "[1]\n" + LINES),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_may_be_lines_or_a_row_stays_that(name: str, opened: Any) -> None:
    file, content = KEPT[name]
    table = opened(file, content)
    lines = content.count("\n") if file.endswith("jsonl") else 1
    assert len(table.rows) == lines and not table.notes


def test_a_damaged_value_among_others_costs_no_row_before_it(opened: Any) -> None:
    table = opened("a.jsonl", PRETTY.replace('"b": null', '"b": null null'))
    found = table.rows.read(0, 3)
    assert found[:2] == ROWS[:2] and "line 15: not valid JSON" in str(found[2])
    found = opened("b.jsonl", "}}\n{".join(PRETTY.rsplit("}\n{", 1))).rows.read(0, 2)
    assert found[0] == ROWS[0] and "there is more after the first value" in str(found[1])


def test_pandas_columns_must_have_the_same_rows(opened: Any) -> None:
    found = opened("a.json", '{"a": {"0": 1, "1": 2}, "b": {"0": 3, "2": 4}}').rows.read(0, 2)
    assert found[0] == {"a": 1, "b": 3} and "row 2 is '2' in one column and '1' in another" in str(found[1])
    found = opened("a.json", '{"a": {"0": 1,\n"1": tru},\n"b": {"0": 3, "1": 4}}').rows.read(0, 2)
    assert found[0] == {"a": 1, "b": 3} and "line 2: not valid JSON" in str(found[1])
    for content, sentence in (
        ('{"a": {"0": 1, "1": 2}, "b": {"0": 3}}', r"columns differ in length \(a 2, b 1\)"),
        ('{"a": {"0": 1], "b": {"0": 3}}', r"an object is closed by \]"),
    ):
        with pytest.raises(DataError, match=sentence):
            opened("a.json", content)


def test_several_lists_of_rows_are_named(opened: Any) -> None:
    with pytest.raises(DataError, match=r"its keys train, test hold a list of rows each.*train\.jsonl and test\.jsonl"):
        opened("a.json", json.dumps({"train": ROWS, "test": ROWS, "n": 3}))


@pytest.mark.parametrize("size", range(1, 12))
def test_a_last_line_that_is_cut_says_so_wherever_the_cut_falls(size: int, opened: Any) -> None:
    last = '{"a": "\\u4f60é", "b": [true, 1.5]}'.encode()
    for cut in range(size, len(last), 11):
        table = opened("a.jsonl", LINES.encode() + last[:cut])
        with pytest.raises(DataError, match=r"a\.jsonl, line 4: not valid JSON.*the file ends within this line"):
            table.rows[3]
    with pytest.raises(DataError, match=r"line 4: not valid JSON \([^)]*\)\. Fix the line"):
        opened("a.jsonl", LINES.encode() + last[:size] + b"\n" + LINES.encode()).rows[3]


ODD: dict[str, tuple[str, str, str]] = {
    "joined lines": ("a.jsonl", LINES + "\ufeff" + LINES, r"line 4: not valid JSON \(the character U\+FEFF \(BOM\)"),
    "end of file": ("a.jsonl", LINES + "\x1a", r"line 4: .*U\+001A \(\^Z\)"),
    "in a text": ("a.jsonl", LINES + '{"a": "\x1b[0m"}\n', r"line 4: .*U\+001B"),
    "joined tables": ("a.csv", "a,b\n1,2\n\ufeffa,b\n3,4\n", r"line 3: the row holds the character U\+FEFF \(BOM\)"),
    "end of a table": ("a.csv", "a\nx\n\x1a", r"line 3: the row holds the character U\+001A \(\^Z\)"),
    "NUL in a table": ("a.csv", "a,b\n" + "1,2\n" * 500 + '"\n3\0",4\n', r"line 503: .*U\+0000 \(NUL\)"),
    "NUL in a text": ("a.txt", "word\n" * 500 + "wo\0rd\n", r"line 501: .*U\+0000 \(NUL\)"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_character_that_nobody_sees_is_named(name: str, opened: Any) -> None:
    file, content, sentence = ODD[name]
    table = opened(file, content)
    wrong = [row for row in table.rows.read(0, len(table.rows)) if isinstance(row, DataError)]
    assert len(wrong) == 1
    with pytest.raises(DataError, match=sentence):
        raise wrong[0]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("<body>Sign in</body>", "HTML"),
        ("\n<Title>Moved", "HTML"),
        ('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "XML"),
        ("<Error><Code>NoSuchKey</Code></Error>", "XML"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_an_answer_in_place_of_a_file_is_named(content: str, kind: str, name: str, opened: Any) -> None:
    with pytest.raises(DataError, match=rf"{name} is a web page \({kind}\), not data"):
        opened(name, content)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a.xlsx", "is a workbook, which is not read. Save its sheet as CSV"),
        ("a.XLS", "is a workbook"),
        ("a.zip", "is an archive, which is not read. Unpack it"),
        ("a.tar.gz", "is an archive"),
        ("a.feather", "is of a kind that is not read. Save it as CSV or JSONL"),
        ("a.pkl", "is of a kind that is not read"),
        ("a.parquet", "is not a valid Parquet file .* Download or save it again"),
        ("a.arrow", "is not a valid Arrow file .* Download or save it again"),
    ],
)
def test_a_kind_that_is_not_read_says_what_to_do(name: str, sentence: str, opened: Any) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        opened(name, b"x" * 100)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("https://example.com/a.jsonl", "Download the file and set data.source to its path"),
        ("s3://bucket/a.jsonl", "is a web address, which is not read"),
        ("https://huggingface.co/datasets/owner/name", r"Set data\.source to the data set's id: owner/name\."),
        ("https://huggingface.co/datasets/owner/name/blob/main/a.jsonl", "id: owner/name"),
        ("hf://datasets/owner/name", "id: owner/name"),
    ],
)
def test_a_web_address_is_not_taken_for_a_path(source: str, sentence: str, settings: Settings) -> None:
    with pytest.raises(DataError, match=sentence):
        open_source(source, settings=settings)


def test_a_broken_link_and_a_long_path_are_told_shortly(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "gone.jsonl")
    with pytest.raises(DataError, match=r"a\.jsonl is a link to .*gone\.jsonl, which is not there"):
        open_source(str(tmp_path / "a.jsonl"), settings=settings)
    for long in ("x" * 5000, "folder/" * 300):
        with pytest.raises(DataError, match=r"Cannot read|There is no file") as caught:
            open_source(f"/{long}/rows.jsonl", settings=settings)
        assert len(str(caught.value)) < 300 and "rows.jsonl" in str(caught.value)
