"""Repeated values are made once however often a file names them, and rows that are too large are never made."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.data import scan as scanning
from studio.data.corpus import open_corpus
from studio.data.sources import open_source
from studio.data.sources.readers import arrow_rows
from studio.data.sources.readers.arrow_values import row_sizes, rows_of
from studio.errors import DataError
from studio.settings import ROOT, Settings


def arrays() -> dict[str, Any]:
    """An array of each kind that repeats values or holds such, with nulls."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = pa.array(["a", "bb", None, "a", "ccc"]).dictionary_encode()
    pairs = pa.StructArray.from_arrays([words, words], ["x", "y"], mask=pa.array([False, True, False, False, True]))
    nulls = pa.array([False, True, False])
    return {
        "plain": pa.array([{"a": [1, None], "b": b"x"}, None]),
        "dictionary": words,
        "dictionary of lists": pa.DictionaryArray.from_arrays(
            pa.array([1, 0, 1, None]), pa.ListArray.from_arrays(pa.array([0, 2, 5]), words)
        ),
        "no words": pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int32()), pa.array([], pa.string())),
        "runs": pc.run_end_encode(pa.array(["a", "a", None, "b", "b"])),
        "list": pa.ListArray.from_arrays(pa.array([0, 2, 2, 5]), words, mask=nulls),
        "large list": pa.LargeListArray.from_arrays(pa.array([0, 1, 5], pa.int64()), words),
        "fixed list": pa.FixedSizeListArray.from_arrays(pa.concat_arrays([words, words.slice(0, 1)]), 2, mask=nulls),
        "list of structs": pa.ListArray.from_arrays(pa.array([0, 2, 5]), pairs),
        "struct": pairs,
        "map": pa.MapArray.from_arrays(pa.array([0, 2, 5]), pa.array(list("abcde")).dictionary_encode(), words),
        "views": pa.array(["a", "x" * 50, None], pa.string_view()),
        "numbers": pa.array([1.5, None]),
        "nothing": pa.nulls(3),
        "extension": pa.array([b"0" * 16, None], pa.uuid()),
    }


@pytest.mark.parametrize("name", arrays())
def test_values_are_those_of_pyarrow_in_every_slice(name: str) -> None:
    import pyarrow as pa

    array = arrays()[name]
    for start in range(len(array)):
        for count in range(len(array) - start + 1):
            part = pa.table({"v": array.slice(start, count)})
            assert rows_of(part) == [{"v": value} for value in array.slice(start, count).to_pylist()]
            sizes = row_sizes(part).tolist()
            assert len(sizes) == count and all(size >= 8 for size in sizes)
            assert sizes == row_sizes(pa.table({"v": array})).tolist()[start : start + count]


def test_the_size_of_a_row_counts_every_repetition() -> None:
    import pyarrow as pa

    words = pa.DictionaryArray.from_arrays(pa.array([0] * 30), ["x" * 1000])
    lists = pa.ListArray.from_arrays(pa.array([0, 10, 30]), words)
    few, many = row_sizes(pa.table({"v": lists})).tolist()
    assert 10_000 < few < 11_000 and 20_000 < many < 22_000
    shared = rows_of(pa.table({"v": lists}))[1]["v"]
    assert all(one is shared[0] for one in shared)


def test_what_states_a_billion_values_and_holds_none_is_measured_in_little_memory() -> None:
    import pyarrow as pa

    most = 10**9
    nothing = pa.nulls(most)
    run = pa.RunEndEncodedArray.from_arrays(pa.array([most], pa.int64()), pa.array(["xy"]))
    bounds = pa.array([0, most], pa.int64())
    for values, each in ((nothing, 8), (run, 10), (pa.StructArray.from_arrays([nothing], ["n"]), 72)):
        array = pa.LargeListArray.from_arrays(bounds, values)
        assert most * each <= int(row_sizes(pa.table({"v": array}))[0]) < most * each + 100
    assert int(row_sizes(pa.table({"v": pa.FixedSizeListArray.from_arrays(nothing, most)}))[0]) > most


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_row_that_is_too_large_is_one_damaged_row(
    name: str, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr(arrow_rows, "LARGEST_ROW", 2 * 1024**2)
    counts = [3, 0, 400, 2, 500]
    words = pa.DictionaryArray.from_arrays(pa.array([0] * sum(counts), pa.int32()), ["word " * 2000])
    ends = [sum(counts[:number]) for number in range(len(counts) + 1)]
    table = pa.table({"n": range(5), "texts": pa.ListArray.from_arrays(pa.array(ends, pa.int32()), words)})
    if name.endswith("parquet"):
        pq.write_table(table, tmp_path / name)
    else:
        with pa.ipc.new_file(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
    opened = open_source(str(tmp_path / name), settings=settings)
    found = opened.rows.read(0, 5)
    assert [isinstance(row, DataError) for row in found] == [False, False, True, False, True]
    assert str(found[2]).startswith(f"{name}, row 3: the row unpacks to 3 MB; at most 2 MB are read.")
    assert isinstance(found[0], dict) and found[0]["texts"] == ["word " * 2000] * 3
    assert opened.rows.read(1, 2) == [{"n": 1, "texts": []}] and isinstance(opened.rows.read(4, 5)[0], DataError)


def test_a_type_that_is_not_read_is_a_sentence(tmp_path: Path, settings: Settings) -> None:
    import pyarrow as pa

    kinds, places = pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32())
    union = pa.UnionArray.from_dense(kinds, places, [pa.array(["x"]), pa.array([1])])
    table = pa.table({"u": union})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match=r"row 1: a value cannot be read \(values of the type dense_union"):
        open_source(str(tmp_path / "a.arrow"), settings=settings)


def test_chunks_are_smaller_where_rows_are_larger(run_config: Callable[..., RunConfig], settings: Settings) -> None:
    def rows_at_once(sizes: list[int]) -> int:
        config = run_config([{"text": "x" * size} for size in sizes])
        making: Any = scanning._Making
        pipeline: Any = type("Pipeline", (), {"corpus": open_corpus(config, settings)})
        return int(making(pipeline, None, None, progress=None, cancelled=None, of=len(sizes))._rows_at_once())

    assert rows_at_once([10]) == rows_at_once([1000] * 300) == scanning.CHUNK_ROWS
    assert rows_at_once([100_000] * 40) == pytest.approx(scanning.CHUNK_BYTES / 100_000, abs=1)
    assert rows_at_once([scanning.CHUNK_BYTES] * 3) == 1
    uneven = [1000] * 64
    random.Random(1).shuffle(uneven)
    assert rows_at_once([scanning.CHUNK_BYTES // 2, *uneven]) == scanning.FEW_ROWS


OPENED = """
import sys
from pathlib import Path
from studio.data.sources import open_source
from studio.settings import Settings
folder = Path(sys.argv[1])
table = open_source(str(folder / "bomb.parquet"), settings=Settings(mode="local", workspace=folder, cache=folder))
rows = table.rows.read(0, 600)
assert len({id(row["answer"]) for row in rows}) == 1 and len(rows[599]["answer"]) == 2_000_000
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not say how much memory was used")
def test_a_dictionary_of_one_long_text_is_read_in_little_memory(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    answers = pa.DictionaryArray.from_arrays(pa.array([0] * 600, pa.int32()), ["word " * 400_000])
    pq.write_table(pa.table({"question": ["q"] * 600, "answer": answers}), tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 200_000
    done = subprocess.run(
        [sys.executable, "-c", OPENED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 300_000  # kB
