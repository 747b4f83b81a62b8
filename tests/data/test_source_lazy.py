"""Large tables: rows are read when they are looked at, from the version of the file that was opened and no other."""

from __future__ import annotations

import json
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from studio.data.sources import Table, open_source
from studio.data.sources import file as file_source
from studio.data.sources.base import SAMPLE_ROWS, columns_of
from studio.data.sources.readers import spans
from studio.errors import DataError
from studio.settings import Settings


def written(path: Path, content: str | bytes, settings: Settings, **options: Any) -> Table:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_source(str(path), settings=settings, **options)


def test_rows_are_not_kept_in_memory(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as out:
        for n in range(40_000):
            out.write(json.dumps({"n": n, "text": "word " * 100}) + "\n")
    written(tmp_path / "b.jsonl", '{"n": 0}', settings)  # imports what reading needs
    tracemalloc.start()
    table = open_source(str(path), settings=settings)
    first = table.rows[:32]
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row["n"] for row in first] == list(range(32))
    assert path.stat().st_size > 20_000_000 and kept < 4_000_000 and peak < 12_000_000
    assert (table.rows[39_999]["n"], table.rows[-1]["n"], len(table.rows)) == (39_999, 39_999, 40_000)
    assert [row["n"] for row in table.rows[100:40_000:9999]] == [100, 10_099, 20_098, 30_097]


def test_a_bad_row_does_not_stop_the_others(tmp_path: Path, settings: Settings) -> None:
    lines = [json.dumps({"n": n}) for n in range(100)]
    lines[16], lines[70] = '{"n": 16', '{"n": "caf\xe9"}'
    table = written(tmp_path / "a.jsonl", "\n".join(lines).encode("latin-1"), settings)
    found = table.rows.read(0, 100)
    assert [n for n, row in enumerate(found) if isinstance(row, DataError)] == [16, 70]
    assert [row["n"] for row in found[:16]] == list(range(16))  # type: ignore[index]
    assert len(table.sample(32)) == 31
    with pytest.raises(DataError, match="line 17: not valid JSON"):
        table.rows[16]
    with pytest.raises(DataError, match="line 17: not valid JSON"):
        table.rows[:32]


def test_types_that_change_late_stay_as_they_are(tmp_path: Path, settings: Settings) -> None:
    rows: list[dict[str, Any]] = [{"n": n} for n in range(5000)]
    rows[4321] = {"n": "many", "late": [1]}
    table = written(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows), settings)
    assert list(table.rows) == rows
    assert table.columns == columns_of(rows[:SAMPLE_ROWS]) == ("n",)
    with_cells = written(tmp_path / "a.csv", "n\n" + "\n".join(str(row["n"]) for row in rows), settings)
    assert [row["n"] for row in with_cells.rows] == [str(row["n"]) for row in rows]


def test_one_enormous_line_is_one_bad_row_and_is_not_read(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as out:
        out.write('{"a": "first"}\n{"a": "')
        for _ in range(100):
            out.write("x" * 1_000_000)
        out.write('"}\n{"a": "last"}\n')
    tracemalloc.start()
    table = open_source(str(path), settings=settings)
    found = table.rows.read(0, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found[0], found[2], peak < 30_000_000) == ({"a": "first"}, {"a": "last"}, True)
    assert str(found[1]).startswith("a.jsonl, line 2: one row is 95 MB long; at most 64 MB are read.")
    monkeypatch.setattr(spans, "LARGEST_ROW", 1000)
    monkeypatch.setattr(spans, "READ_AT_ONCE", 500)
    for name, content in {
        "b.json": json.dumps([{"a": "first"}, {"a": "x" * 2000}, {"a": "last"}]),
        "b.csv": f'a\nfirst\n"{"x" * 2000}"\nlast\n',
        "b.txt": f"first\n{'x' * 2000}\nlast\n",
    }.items():
        other = written(tmp_path / name, content, settings).rows.read(0, 3)
        assert [isinstance(row, DataError) for row in other] == [False, True, False], name


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
@pytest.mark.parametrize("how", ["appended", "replaced", "shortened", "removed"])
def test_a_file_that_changes_is_never_read_through_an_old_index(
    name: str, how: str, tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / name
    lines = [json.dumps({"a": f"row {n}"}) for n in range(50)]
    content = f"[{','.join(lines)}]" if name == "a.json" else "\n".join(["h,i"] * (name == "a.csv") + lines)
    if name == "a.csv":
        content = "a\n" + "\n".join(f"row {n}" for n in range(50))
    table = written(path, content, settings)
    assert not table.changed() and table.rows[49]
    if how == "appended":
        with path.open("a") as out:
            out.write("\n" + lines[0])
    elif how == "replaced":
        (tmp_path / "new").write_text(content.replace("row", "now"))
        (tmp_path / "new").replace(path)
    elif how == "shortened":
        path.write_text(content[: len(content) // 2])
    else:
        path.unlink()
    assert table.changed()
    for look in (lambda: table.rows[0], lambda: table.rows.read(10, 20), lambda: list(table.rows)):
        with pytest.raises(DataError, match=f"{name} has changed since it was opened"):
            look()


def test_the_identity_is_of_the_content_and_of_how_it_is_read(tmp_path: Path, settings: Settings) -> None:
    content = "a,b;c\n1,2;3\n"
    tables = [
        written(tmp_path / "a.csv", content, settings),
        written(tmp_path / "b.csv", content, settings),
        written(tmp_path / "a.csv", content, settings, delimiter=";"),
        written(tmp_path / "a.csv", content + "4,5;6\n", settings),
    ]
    found = [table.identity for table in tables[:3:2]]
    assert tables[1].identity == found[0] != found[1]
    assert tables[3].identity not in found


def test_a_source_that_changed_before_it_was_hashed_has_no_identity(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_source, "ALWAYS_HASHED", 0)  # as for a large file
    table = written(tmp_path / "a.jsonl", '{"a": 1}\n', settings)
    (tmp_path / "a.jsonl").write_text('{"a": 2, "b": 3}\n')
    with pytest.raises(DataError, match="has changed since it was opened"):
        assert table.identity


def test_threads_may_read_at_once(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"n": n} for n in range(20_000)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=700)
    for name in ("a.jsonl", "a.parquet"):
        table = open_source(str(tmp_path / name), settings=settings)
        wrong: list[int] = []

        def look(first: int, table: Table = table, wrong: list[int] = wrong) -> None:
            for start in range(first, 20_000, 1700):
                if table.rows.read(start, min(start + 300, 20_000)) != rows[start : start + 300]:
                    wrong.append(start)

        threads = [threading.Thread(target=look, args=(first,)) for first in range(0, 1700, 170)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


TABLE = "question{0}answer{0}note\n" + "".join(f"what, {n}?{{0}}it is {n}; so{{0}}\n" for n in range(20))


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_the_delimiter_is_found_and_said(delimiter: str, tmp_path: Path, settings: Settings) -> None:
    content = "question,answer,note\n" if delimiter == "," else TABLE.format(delimiter)
    if delimiter == ";":
        content = content.replace("; so", " so")
    table = written(tmp_path / "a.csv", content, settings)
    assert (table.columns, len(table.rows)) == (("question", "answer", "note"), 20)
    shown = "tab" if delimiter == "\t" else delimiter
    assert [str(note) for note in table.notes] == [
        f"a.csv: cells are separated by {shown}, as its header and first rows show. "
        "Another separator can be set in data.delimiter."
    ]


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("a.csv", "text\none; two\nthree; four, five\n", ("text",)),
        ("a.csv", "a,b\n1;2,3\n4;5,6\n", ("a", "b")),
        ("a.tsv", "a,b\tc\n1,2\t3\n", ("a,b", "c")),
        ("a.csv", '"a;b",c\n"1;2",3\n', ("a;b", "c")),
        ("a.csv", 'a;b\n"x\ny;z";1\n"w,w,w";2\n', ("a", "b")),
        ("a.csv", "a;b\n1,5;2,5\n3,5;4,5\n", ("a", "b")),
    ],
)
def test_a_delimiter_is_what_fits_the_rows(
    name: str, content: str, columns: tuple[str, ...], tmp_path: Path, settings: Settings
) -> None:
    assert written(tmp_path / name, content, settings).columns == columns


@pytest.mark.parametrize("delimiter", [";", "semicolon", "Semicolon"])
def test_a_delimiter_may_be_set(delimiter: str, tmp_path: Path, settings: Settings) -> None:
    table = written(tmp_path / "a.csv", "a,b;c\n1,2;3\n", settings, delimiter=delimiter)
    assert list(table.rows) == [{"a,b": "1,2", "c": "3"}] and not table.notes
    with pytest.raises(DataError, match=r"separated by ',', not by ';'"):
        written(tmp_path / "b.csv", "a,b\n1,2\n", settings, delimiter=delimiter)
    for wrong in ('"', "\n", "", ':"', "a\x1f"):
        with pytest.raises(DataError, match=r"data\.delimiter is"):
            written(tmp_path / "a.csv", "a,b\n1,2\n", settings, delimiter=wrong)


def test_a_column_without_a_name_is_noted(tmp_path: Path, settings: Settings) -> None:
    table = written(tmp_path / "a.csv", ",a,\n0,x,y\n", settings)
    assert list(table.rows) == [{"column 1": "0", "a": "x", "column 3": "y"}]
    assert [str(note) for note in table.notes] == [
        "a.csv: the header has no name for column 1, 3; it is called by its number."
    ]


def test_text_is_one_row_a_line(tmp_path: Path, settings: Settings) -> None:
    table = written(tmp_path / "a.txt", "\ufeffone\r\n\r\n  two\u2028still two\rthree\n", settings)
    assert [row["text"] for row in table.rows] == ["one", "  two\u2028still two", "three"]
    assert table.columns == ("text",) and [table.where(n) for n in range(3)] == ["1", "2 (line 3)", "3 (line 4)"]
