"""Separators of every kind, and CSV that is broken from its beginning or all over."""

from __future__ import annotations

import csv
import io
import random
import time
from pathlib import Path
from typing import Any

import pytest

from studio.data.sources import Table, open_source
from studio.data.sources.base import ITERATED_AT_ONCE
from studio.data.sources.readers import records
from studio.data.sources.readers.delimiters import SUGGESTED
from studio.errors import DataError
from studio.settings import Settings

PIECES = ["a", "é", "|", "||", ":", '"', "\n", "\r\n", ",", " ", "~", "\x1e"]


@pytest.fixture
def opened(tmp_path: Path, settings: Settings) -> Any:
    def write_and_open(content: str, delimiter: str | None = None, name: str = "a.csv") -> Table:
        (tmp_path / name).write_bytes(content.encode())
        return open_source(str(tmp_path / name), settings=settings, delimiter=delimiter)

    return write_and_open


def written(rows: list[list[str]], delimiter: str) -> str:
    """By the rules of CSV, for a separator of any length."""

    def cell(text: str) -> str:
        bare = not text or any(mark in text for mark in ('"', "\r", "\n", *delimiter))
        return '"' + text.replace('"', '""') + '"' if bare else text

    return "".join(delimiter.join(map(cell, row)) + "\n" for row in rows)


@pytest.mark.parametrize("delimiter", ["||", "::", "~|~", " | ", "é|", "\t\t", "|||"])
@pytest.mark.parametrize("seed", range(6))
def test_a_separator_of_several_characters(delimiter: str, seed: int, opened: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(records, "CHUNK", random.Random(seed).choice([7, 1 << 20]))
    draw = random.Random(seed)
    rows = [["".join(draw.choices(PIECES, k=draw.randrange(8))) for _ in "abc"] for _ in range(40)]
    table = opened(written([["one", "two", "three"], *rows], delimiter), delimiter)
    assert table.columns == ("one", "two", "three") and not table.notes
    assert [list(row.values()) for row in table.rows] == rows
    assert opened("one,two\n1,2\n").identity != table.identity


def test_the_stand_in_for_a_separator_is_never_taken_for_it(opened: Any) -> None:
    table = opened("a||b\n1||2\nx\x1fy||3\n4||5\n", "||")
    found = table.rows.read(0, 3)
    assert (found[0], found[2]) == ({"a": "1", "b": "2"}, {"a": "4", "b": "5"})
    assert "line 3: the row holds the character U+001F" in str(found[1])
    assert list(opened("a,b\nx\x1fy,3\n").rows) == [{"a": "x\x1fy", "b": "3"}]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_that_excel_writes_names_the_separator(line: str, end: str, opened: Any) -> None:
    table = opened("\ufeff" + end.join([line, "a,x;b", "1;2", "3;4"]))
    assert list(table.rows) == [{"a,x": "1", "b": "2"}, {"a,x": "3", "b": "4"}]
    assert [table.where(n) for n in (0, 1)] == ["1 (line 3)", "2 (line 4)"]
    assert [str(note) for note in table.notes] == [
        f"a.csv: the first line, {line}, says what separates the cells. It is not read as a row."
    ]
    assert list(opened(end.join([line, "a|b", "1|2"]), "|").rows) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("delimiter", SUGGESTED)
def test_a_rare_separator_is_suggested(delimiter: str, opened: Any) -> None:
    content = f"a{delimiter}b\n" + f"1{delimiter}2\n" * 20
    assert any("set data.delimiter to it" in str(note) for note in opened(content).notes)
    assert list(opened(content, delimiter).rows) == [{"a": "1", "b": "2"}] * 20
    if delimiter != "||":  # which a single | separates too
        with pytest.raises(DataError, match=r"the header 'a.*b' and the rows share the separator .*data\.delimiter"):
            opened(f"a{delimiter}b\n" + f"1, one{delimiter}2\n" * 20)


@pytest.mark.parametrize(
    "content",
    ["text\n" + "at 10:30\n" * 20, "a:b\n" + "no such\n" * 20, "a,b\n" + "1:2,3\n" * 9, "a|b||c\n" + "1|2||3\n" * 9],
)
def test_a_separator_that_does_not_fit_is_not_suggested(content: str, opened: Any) -> None:
    assert not any("data.delimiter to it" in str(note) for note in opened(content).notes)


def test_sentences_call_a_tab_a_tab(opened: Any) -> None:
    found = opened('a\tb\n1\t2\n3\n"x"y\t4\n', name="a.tsv").rows.read(1, 3)
    assert "a cell that holds the separator (tab) or a line break" in str(found[0])
    assert "tab expected after '\"'" in str(found[1])
    assert "|| expected after" in str(opened('a||b\n1||2\n"x"y||4\n', "||").rows.read(1, 2)[0])


@pytest.mark.parametrize("broken", ['q,"open\n', "1,2,3\n", '"x"y,1\n'])
@pytest.mark.parametrize("count", [101, 5 * ITERATED_AT_ONCE, 9000])
def test_good_rows_after_many_broken_ones_are_found(broken: str, count: int, opened: Any) -> None:
    table = opened("a,b\n" + broken * count + "1,2\n" * 20)
    found = table.rows.read(0, len(table.rows))
    assert [row for row in found if isinstance(row, dict)] == [{"a": "1", "b": "2"}] * 20
    assert len(found) == count + 20 and table.sample(5)


def test_a_file_of_broken_records_opens_quickly(opened: Any) -> None:
    began = time.perf_counter()
    table = opened("question,answer\nq,a\n" + 'q,"open\n' * 300_000)
    assert len(table.rows) == 300_001
    assert time.perf_counter() - began < 5  # it took 46


def test_where_no_quote_is_closed_every_line_is_a_record(opened: Any) -> None:
    """Each of these lines goes on to the end of the file, if one only looks at its quotes."""
    began = time.perf_counter()
    table = opened("a,b\n" + 'a","b\n' * 150_000 + "1,2\n")
    assert time.perf_counter() - began < 10
    assert len(table.rows) == 150_001 and table.rows[150_000] == {"a": "1", "b": "2"}
    assert table.where(150_000) == "150001 (line 150002)"


def test_what_csv_itself_reads_is_read_alike_between_damaged_records(opened: Any) -> None:
    draw = random.Random(4)
    good = ["1,2\n", '"3\n4",5\n', '"6 ""7""",8\n', "\n", ",\n"]
    parts = [draw.choice([*good, '"x"y,9\n']) for _ in range(400)]
    expected = [row for part in parts if part in good for row in csv.reader(io.StringIO(part)) if row]
    found = opened("a,b\n" + "".join(parts)).rows.read(0, 400 - parts.count("\n"))
    assert [list(row.values()) for row in found if isinstance(row, dict)] == expected
