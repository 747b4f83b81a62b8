"""Parquet and Arrow: rows are unpacked in parts when they are looked at, and nothing large before it is checked."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from studio.data.sources import open_source
from studio.data.sources.readers import arrow, arrow_rows, parquet
from studio.errors import DataError
from studio.settings import Settings

ROWS = [{"prompt": "héllo", "completion": "你好"}, {"prompt": "2", "completion": 'line\nbreak\u2028 "quoted"'}]
MANY = [{"n": n, "text": f"row {n} " * (n % 40), "turns": [{"role": "user", "content": str(n)}]} for n in range(3000)]


def test_parquet_rows_are_made_when_looked_at(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a=b" / "[x]*.parquet"  # neither a partition nor a pattern
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    table = open_source(str(path), settings=settings)
    assert (list(table.rows), table.columns, len(table.rows)) == (ROWS, ("prompt", "completion"), 2)
    assert (table.rows[-1], table.rows[:1]) == (ROWS[1], ROWS[:1])
    with pytest.raises(IndexError):
        table.rows[2]


def test_a_parquet_bomb_is_refused_from_its_footer(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "bomb.parquet"
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000_000, pa.int8()), ["text " * 100])
    pq.write_table(pa.table({"text": one}), path)
    assert path.stat().st_size < 2_000_000
    with pytest.raises(DataError, match="20,000,000 rows"):
        open_source(str(path), settings=settings)


def test_repeated_text_in_parquet_is_not_unpacked(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "repeated.parquet"
    text, count = "text " * 20_000, 200_000  # 20 GB if every row had its own copy
    column = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), [text])
    pq.write_table(pa.table({"text": column}), path, store_schema=False)
    before = pa.total_allocated_bytes()
    table = open_source(str(path), settings=settings)
    assert (len(table.rows), table.rows[count - 1]) == (count, {"text": text})
    assert pa.total_allocated_bytes() - before < 100_000_000


def test_parquet_messages(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": None}]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert list(open_source(str(tmp_path / "a.parquet"), settings=settings).rows) == rows


def write_arrow(rows: list[Any], path: Path, *, kind: str, size: int, compression: str | None = None) -> None:
    import pyarrow as pa

    table = pa.Table.from_pylist(rows)
    options = pa.ipc.IpcWriteOptions(compression=compression)
    make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    with path.open("wb") as out, make(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=size)


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_arrow_files_and_streams(tmp_path: Path, settings: Settings, kind: str, compression: str | None) -> None:
    path = tmp_path / "a.arrow"
    write_arrow(MANY, path, kind=kind, size=700, compression=compression)
    table = open_source(str(path), settings=settings)
    assert table.columns == ("n", "text", "turns")
    assert list(table.rows) == MANY
    assert (table.rows[2999], table.rows[650:750]) == (MANY[2999], MANY[650:750])


def test_arrow_with_a_dictionary(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa

    path = tmp_path / "a.arrow"
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 1, 1], pa.int8()), ["yes", "no"])
    with path.open("wb") as out, pa.ipc.new_file(out, pa.schema([("label", column.type)])) as writer:
        writer.write_table(pa.table({"label": column}), max_chunksize=2)
    assert [row["label"] for row in open_source(str(path), settings=settings).rows] == ["yes", "no", "yes", "no", "no"]


def test_what_an_arrow_batch_unpacks_to_is_known_before(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.arrow"
    write_arrow([{"text": "a" * 4_000_000}] * 4, path, kind="file", size=4, compression="zstd")
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(arrow, "LARGEST_BATCH", 8_000_000)
    with pytest.raises(DataError, match=r"one batch unpacks to 15 MB"):
        open_source(str(path), settings=settings)
    monkeypatch.setattr(arrow, "MOST_BYTES", 10_000_000)
    with pytest.raises(DataError, match=r"unpacks to 4 rows"):
        open_source(str(path), settings=settings)


@pytest.mark.parametrize("name", ["a.arrow", "a.parquet"])
def test_a_damaged_file_is_a_sentence_wherever_the_damage_is(tmp_path: Path, settings: Settings, name: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(MANY[:50]), path, compression="zstd")
    else:
        write_arrow(MANY[:50], path, kind="stream", size=20)
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        damage = bytes(255 - byte for byte in content[place : place + 8])
        path.write_bytes(content[:place] + damage + content[place + 8 :])
        try:
            table = open_source(str(path), settings=settings)
            found = table.rows.read(0, len(table.rows))
        except DataError:
            continue
        assert all(isinstance(row, dict | DataError) for row in found)
    for place in range(0, len(content), 301):
        path.write_bytes(content[:place])
        if name.endswith("parquet") or place < 200:
            with pytest.raises(DataError):
                open_source(str(path), settings=settings)


def test_a_large_row_group_is_read_in_parts_in_any_order(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr(parquet, "PART_BYTES", 20_000)
    monkeypatch.setattr(arrow_rows, "KEPT_BYTES", 60_000)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(MANY), path, row_group_size=2000, use_dictionary=False, compression="none")
    table = open_source(str(path), settings=settings)
    assert list(table.rows) == MANY
    for start in (2900, 0, 1990, 10, 500, 499, 2500, 1000):
        assert table.rows[start : start + 60] == MANY[start : start + 60]


def test_parquet_text_that_is_no_text_is_a_damaged_row(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    broken = pa.array([b"fine", b"caf\xe9", b"fine"]).view(pa.string())
    pq.write_table(pa.table({"text": broken}), path, store_schema=False)
    found = open_source(str(path), settings=settings).rows.read(0, 3)
    assert (found[0], found[2]) == ({"text": "fine"}, {"text": "fine"})
    assert isinstance(found[1], DataError) and "row 2" in str(found[1])


def test_a_changed_parquet_file_is_not_read_on(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(MANY), path, row_group_size=1000)
    table = open_source(str(path), settings=settings)
    assert table.rows[0] == MANY[0]
    pq.write_table(pa.Table.from_pylist(MANY[::-1]), path, row_group_size=1000)
    assert table.changed()
    with pytest.raises(DataError, match="has changed since it was opened"):
        table.rows[2500]


def test_two_columns_of_one_name(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa

    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    (tmp_path / "a.arrow").write_bytes(out.getvalue())
    with pytest.raises(DataError, match="two columns have the same name"):
        open_source(str(tmp_path / "a.arrow"), settings=settings)
