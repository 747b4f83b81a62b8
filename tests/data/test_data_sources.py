"""Readers are strict, name lines, and give the same rows for the same content however it is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.data.sources import Table, kind_of, open_source
from studio.data.sources import file as file_source
from studio.errors import DataError
from studio.settings import Settings

ROWS = [{"prompt": "héllo", "completion": "你好"}, {"prompt": "2", "completion": 'line\nbreak\u2028 "quoted"'}]
LINES = [json.dumps(row, ensure_ascii=False) for row in ROWS]


@pytest.fixture
def opened(tmp_path: Path, settings: Settings) -> Any:
    """`opened(content, "name.json")` writes a file and opens it."""
    settings = replace(settings, cache=tmp_path / "cache")

    def write_and_open(content: str | bytes, name: str) -> Table:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return open_source(str(path), settings=settings)

    return write_and_open


def as_csv(separator: str = ",") -> str:
    import csv
    import io

    out = io.StringIO()
    writer = csv.DictWriter(out, ["prompt", "completion"], delimiter=separator)
    writer.writeheader()
    writer.writerows(ROWS)
    return out.getvalue()


SAME_ROWS: dict[str, tuple[str, str | bytes]] = {
    "lines": ("a.jsonl", "\n".join(LINES)),
    "crlf, blank lines, mark": ("a.jsonl", b"\xef\xbb\xbf" + "\r\n \r\n".join(LINES).encode() + b"\r\n\r\n"),
    "cr alone": ("a.jsonl", "\r".join(LINES)),
    "utf-16": ("a.jsonl", "\n".join(LINES).encode("utf-16")),
    "utf-16 big-endian": ("a.jsonl", b"\xfe\xff" + "\n".join(LINES).encode("utf-16-be")),
    "utf-32": ("a.jsonl", "\n".join(LINES).encode("utf-32")),
    "list": ("a.json", json.dumps(ROWS)),
    "list over lines": ("a.json", "\ufeff" + json.dumps(ROWS, indent=2).replace("\n", "\r\n")),
    "data": ("a.json", json.dumps({"version": 1, "data": ROWS})),
    "columns": ("a.json", json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]})),
    "lines in .json": ("a.json", "\n".join(LINES)),
    "csv": ("a.csv", as_csv()),
    "csv utf-16": ("a.CSV", as_csv().encode("utf-16")),
    "tsv": ("a.tsv", as_csv("\t")),
}


@pytest.mark.parametrize("case", SAME_ROWS)
def test_the_same_rows_however_they_are_written(case: str, opened: Any) -> None:
    name, content = SAME_ROWS[case]
    table = opened(content, name)
    assert list(table.rows) == ROWS
    assert table.columns == ("prompt", "completion")
    assert table.name == name
    assert len(table.identity) == 64


# Content, the sentence of the first damaged row, and how many rows beside it are sound. None: it cannot be opened.
BAD: dict[str, tuple[str, str | bytes, str, int | None]] = {
    "cut line": ("a.jsonl", LINES[0] + "\n\n" + LINES[1][:20], r"a.jsonl, line 3: not valid JSON", 1),
    "cut line between": ("a.jsonl", f"{LINES[0]}\n{LINES[1][:20]}\n{LINES[1]}", r"a.jsonl, line 2: not valid JSON", 2),
    "two on a line": ("a.jsonl", LINES[0] + LINES[1], r"line 1: not valid JSON \(there is more after", None),
    "no object": ("a.jsonl", LINES[0] + '\n["x"]', r"line 2: row 2 is a JSON list, not an object", 1),
    "null row": ("a.jsonl", "null", r"line 1: row 1 is null", None),
    "nan": ("a.jsonl", LINES[0] + '\n{"a": NaN}', r"line 2: .*NaN is not a JSON value", 1),
    "infinity in a list": ("a.json", '[{"a": 1},\n{"a": -Infinity}]', r"line 2: .*-Infinity is not", 1),
    "doubled key": ("a.jsonl", '{"a": 1, "a": 2}', r"line 1: .*'a' is there twice", None),
    "doubled key within": ("a.jsonl", '{"a": 1}\n{"a": [{"b": {"c": 1, "c": 1}}]}', r"line 2: .*'c' is there twice", 1),
    "doubled key around the rows": ("a.json", '{"v": {"x": 1,\n"x": 1}, "data": [{"a": 1}]}', r"'x' is there twice", 1),
    "deep": ("a.jsonl", LINES[0] + "\n" + '{"a": ' + "[" * 100_000, r"line 2: .*nested too deeply", 1),
    "deep and closed": ("a.jsonl", '{"a": 1}\n{"a": ' + "[" * 300 + "]" * 300 + "}", r"line 2: .*nested too deeply", 1),
    "deep list": ("a.json", "[" * 100_000, r"line 1: .*nested too deeply", None),
    "half a character": ("a.jsonl", '{"a": "\\ud83d\\ude00"}\n{"a": "\\ud83d"}', r"2: .*ud83d is half a char", 1),
    "long number": ("a.jsonl", '{"a": ' + "9" * 5000 + "}", r"line 1: not valid JSON", None),
    "open list": ("a.json", '[{"a": 1},\n{"a": 2}\n', r"line 3: .*the list is not closed", 2),
    "open list after a comma": ("a.json", '[{"a": 1},\n{"a": 2},\n', r"line 3: .*the list is not closed", 2),
    "comma at the end": ("a.json", '[{"a": 1},\n]', r"line 2: not valid JSON", 1),
    "open data": ("a.json", '{"data": [{"a": 1},\n{"a": 2}', r"line 2: .*the list is not closed", 2),
    "open text": ("a.json", '[{"a": 1},\n{"a": "2}, {"a": 3}]', r"line 2: .*from there on it is lost", 1),
    "open object": ("a.json", '[{"a": 1},\n{"a": 2,\n{"a": 3}]', r"line 3: .*from there on it is lost", 1),
    "no comma": ("a.json", '[{"a": 1}\n{"a": 2}]', r"line 2: .*a comma is missing", None),
    "no comma later": ("a.json", '[{"a": 0},{"a": 1}\n{"a": 2}]', r"line 2: .*a comma is missing", 1),
    "row in a list": ("a.json", '[{"a": 1},\n\n"text"]', r"line 3: row 2 is a JSON text", 1),
    "row in data": ("a.json", '{"data": [{"a": 1}, 7]}', r"row 2 is a JSON number", 1),
    "after the list": ("a.json", '[{"a": 1}]\nmore', r"line 2: .*more after the end", 1),
    "closed by another": ("a.json", '[{"a": 1}},\n{"a": 2}]', r"line 1: .*the list is closed by }", 1),
    "columns differ": ("a.json", '{"a": ["1", "2"], "b": ["1"]}', r"columns differ in length \(a 2, b 1\)", None),
    "a cell": ("a.json", '{"a": ["1", "2"], "b": ["1",\ntru]}', r"line 2: not valid JSON", 1),
    "no json": ("a.json", "hello", r"line 1: not valid JSON", None),
    "open columns": ("a.json", '{"a": ["1",\n"2"', r"line 2: not valid JSON", None),
    "first line cut, in .json": ("a.json", '{"a": 1\n{"a": 2}\n{"a": 3}', r"line 1: not valid JSON", 2),
    "latin-1": ("a.jsonl", LINES[0].encode() + b'\n{"a": "caf\xe9"}', r"line 2: the byte 0xE9 is not UTF-8", 1),
    "latin-1 in a list": ("a.json", b'[{"a": 1},\n\n{"a": "caf\xe9"}]', r"line 3: the byte 0xE9 is not UTF-8", 1),
    "latin-1 in csv": ("a.csv", b"a,b\n1,2\ncaf\xe9,3\n", r"line 3: the byte 0xE9 is not UTF-8", 1),
    "latin-1 in text": ("a.txt", b"one\n\ncaf\xe9\n", r"line 3: the byte 0xE9 is not UTF-8", 1),
    "all latin-1": ("a.jsonl", b'{"a": "caf\xe9"}\n{"a": "caf\xe9"}', r"line 1: the byte 0xE9 is not UTF-8", None),
    "gzip": ("a.jsonl", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", r"not UTF-8 text but a gzip file.*\.gz", None),
    "parquet": ("a.jsonl", b"PAR1....", r"not UTF-8 text but a Parquet file", None),
    "workbook": ("a.csv", b"PK\x03\x04\x00\x00", r"ZIP archive or an Excel workbook", None),
    "page": ("a.jsonl", b"\n <!DOCTYPE html><html><body>404", r"is a web page \(HTML\), not data", None),
    "pointer": ("a.jsonl", "version https://git-lfs.github.com/spec/v1\noid x\n", "LFS pointer.*git lfs pull", None),
    "utf-16, no mark": ("a.csv", as_csv().encode("utf-16-le"), r"NUL bytes", None),
    "broken utf-16": ("a.jsonl", b"\xff\xfe\x00\xd8\x41", r"damaged", None),
    "cut utf-16": ("a.jsonl", "\n".join(LINES).encode("utf-16")[:-1], r"damaged after line 2", None),
    "ragged": ("a.csv", 'a,b\n1,2\n"x\ny",2,3\n4,5\n', r"a.csv, line 3: 3 cells where the header has 2", 2),
    "twice in the header": ("a.csv", "a,b,a\n1,2,3\n", r"column 'a' is in the header twice", None),
    "open quote": ("a.csv", 'a,b\n1,2\n"x,3\n4,5\n', r"row that begins on line 3 is not valid CSV", 2),
    "quote within": ("a.csv", 'a,b\n1,2\n"x"y,3\n"4\n4",5\n', r"row that begins on line 3 is not valid CSV", 2),
    "no parquet": ("a.parquet", b"PAR1 and nothing more", r"not a valid Parquet file", None),
    "no arrow": ("a.arrow", b"ARROW1\0\0 and nothing more", r"not a valid Arrow file", None),
    "unknown kind": ("a.xml", b"<a>", r"not of a kind that can be read.*\.jsonl", None),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named_and_costs_no_other_row(case: str, opened: Any) -> None:
    name, content, sentence, sound = BAD[case]
    if sound is None:
        with pytest.raises(DataError, match=sentence) as caught:
            opened(content, name)
        assert len(str(caught.value)) < 400
        return
    table = opened(content, name)
    found = table.rows.read(0, len(table.rows))
    damaged = [row for row in found if isinstance(row, DataError)]
    assert len(found) - len(damaged) == sound
    with pytest.raises(DataError, match=sentence):
        list(table.rows)
    with pytest.raises(DataError, match=sentence):
        table.rows[found.index(damaged[0])]
    assert len(damaged) == 1 and len(str(damaged[0])) < 400


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", ""),
        ("a.jsonl", "\n \n"),
        ("a.json", ""),
        ("a.json", "[]"),
        ("a.json", '{"data": []}'),
        ("a.csv", ""),
        ("a.csv", "prompt,completion\n"),
        ("a.tsv", b"\xef\xbb\xbf"),
        ("a.json", '{"prompt": [], "completion": []}'),
        ("a.jsonl", b"\xff\xfe"),
        ("a.txt", "\n \r\n"),
    ],
)
def test_no_rows_is_a_sentence(name: str, content: str | bytes, opened: Any) -> None:
    with pytest.raises(DataError, match=f"{name} holds no rows"):
        opened(content, name)


def test_csv_cells_stay_text(opened: Any) -> None:
    cells = ["007", "NA", "2024-01-02", "1e5", "", "true", " x "]
    table = opened("a,b\n" + "".join(f"{cell},k\n" for cell in cells), "a.csv")
    assert [row["a"] for row in table.rows] == cells


def test_one_row_of_messages_is_not_taken_for_columns(opened: Any) -> None:
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    assert list(opened(json.dumps(row), "a.json").rows) == [row]


def test_rows_may_have_different_keys(opened: Any) -> None:
    assert opened('{"a": "1"}\n{"b": "2", "a": null}', "a.jsonl").columns == ("a", "b")


def test_rows_are_called_by_their_line_where_it_differs(opened: Any) -> None:
    table = opened(LINES[0] + "\n\n" + LINES[1], "a.jsonl")
    assert [table.where(0), table.where(1)] == ["1", "2 (line 3)"]


def test_a_changed_file_is_noticed_even_with_its_old_time(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "old"}')
    first = open_source(str(path), settings=settings)
    assert open_source(str(path), settings=settings) is first
    stamp = path.stat()
    path.write_text('{"text": "new"}')
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    second = open_source(str(path), settings=settings)
    assert second.rows[0] == {"text": "new"} and second.identity != first.identity


def test_a_kept_table_opens_at_once(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": f"{n} " * 200}) + "\n" for n in range(999)))
    open_source(str(path), settings=settings)
    start = time.perf_counter()
    open_source(str(path), settings=settings)
    assert time.perf_counter() - start < 0.05


def test_missing_files_suggest_names(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "my_data.jsonl").write_text(LINES[0])
    with pytest.raises(DataError, match=r"There is no file .*my_date\.jsonl\. Did you mean .*my_data\.jsonl\?"):
        open_source(str(tmp_path / "my_date.jsonl"), settings=settings)
    with pytest.raises(DataError, match="There is no file"):
        open_source(str(tmp_path / "no" / "where.csv"), settings=settings)
    with pytest.raises(DataError):
        open_source("a\0b.jsonl", settings=settings)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path, settings: Settings) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(DataError, match="not a regular file"):
        open_source(str(tmp_path / "pipe.jsonl"), settings=settings)


def test_too_large_a_file_is_refused_unread(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_source, "LARGEST_FILE", 10)
    (tmp_path / "a.jsonl").write_text(LINES[0])
    with pytest.raises(DataError, match="larger than"):
        open_source(str(tmp_path / "a.jsonl"), settings=settings)


def test_a_space_reads_only_what_was_uploaded(tmp_path: Path, settings: Settings) -> None:
    space = replace(settings, mode="space")
    (tmp_path / "secret.jsonl").write_text(LINES[0])
    uploaded = space.uploads_dir / "mine.jsonl"
    uploaded.write_text(LINES[0])
    assert len(open_source(str(uploaded), settings=space).rows) == 1
    assert len(open_source("starter", settings=space).rows) > 100
    link = space.uploads_dir / "link.jsonl"
    link.symlink_to(tmp_path / "secret.jsonl")
    for path in (tmp_path / "secret.jsonl", space.uploads_dir / ".." / ".." / "secret.jsonl", link, "/etc/passwd"):
        with pytest.raises(DataError, match="public Space"):
            open_source(str(path), settings=space)


def test_a_file_has_no_splits(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "a.jsonl").write_text(LINES[0])
    with pytest.raises(DataError, match=r"no split 'test'.*data.split to train"):
        open_source(str(tmp_path / "a.jsonl"), split="test", settings=settings)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("starter", "starter"),
        ("./x.jsonl", "file"),
        ("rows.csv", "file"),
        ("~/x", "file"),
        ("C:\\x\\y", "file"),
        ("a/b/c", "file"),
        ("tatsu-lab/alpaca", "hub"),
        ("openai/gsm8k:main", "hub"),
        ("squad", "hub"),
    ],
)
def test_what_a_source_is(source: str, kind: str) -> None:
    assert kind_of(source) == kind


def test_neither_file_nor_id(settings: Settings) -> None:
    with pytest.raises(DataError, match="neither starter, nor a file here"):
        open_source("what is this?", settings=settings)


def test_an_unreachable_hub_is_a_quick_sentence(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from studio.settings import read_settings\nfrom studio.data.sources import open_source\n"
        f"open_source('someone/some-data', settings=read_settings(workspace={str(tmp_path)!r}))"
    )
    environ = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    root = Path(__file__).resolve().parents[2]
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environ, capture_output=True, text=True)
    assert time.perf_counter() - start < 15
    assert "DataError: There is no file someone/some-data here, and the Hub cannot be reached" in done.stderr
    assert done.stdout == ""
