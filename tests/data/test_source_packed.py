"""Compressed and UTF-16 text files: the same rows, unpacked once, and never more than a sound file can hold."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from studio.data.sources import open_source, unpack
from studio.errors import DataError
from studio.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
ROWS = [{"prompt": f"héllo {n}", "completion": "你好 " * n} for n in range(300)]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """With a cache of the test's own."""
    return replace(settings, cache=tmp_path / "cache")


def zstd(content: bytes) -> bytes:
    import pyarrow as pa

    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


LINES = [(row["prompt"], row["completion"]) for row in ROWS]
CONTENTS = {
    "a.jsonl.gz": gzip.compress(JSONL),
    "two members.jsonl.gz": gzip.compress(JSONL[:5000]) + gzip.compress(JSONL[5000:]),
    "a.jsonl.zst": zstd(JSONL),
    "a.ndjson.ZST": zstd(JSONL),
    "a.json.gz": gzip.compress(json.dumps(ROWS).encode()),
    "a.csv.gz": gzip.compress("".join(f"{a},{b}\n" for a, b in [("prompt", "completion"), *LINES]).encode()),
    "a.tsv.zst": zstd("".join(f"{a}\t{b}\n" for a, b in [("prompt", "completion"), *LINES]).encode()),
    "utf-16 within.jsonl.gz": gzip.compress(JSONL.decode().encode("utf-16")),
    "utf-16.jsonl": JSONL.decode().encode("utf-16"),
    "utf-32.json": json.dumps(ROWS, ensure_ascii=False).encode("utf-32"),
}
GZIP = CONTENTS["a.jsonl.gz"]


@pytest.mark.parametrize("name", CONTENTS)
def test_the_same_rows_however_they_are_packed(
    name: str, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "PIECE", 1001)  # pieces end within characters
    path = tmp_path / name
    path.write_bytes(CONTENTS[name])
    table = open_source(str(path), settings=settings)
    assert list(table.rows) == ROWS
    assert (table.name, table.size_bytes, len(table.identity)) == (name, path.stat().st_size, 64)


def test_text_lines_are_unpacked_too(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"one\n\n two \r\nthree"))
    table = open_source(str(path), settings=settings)
    assert list(table.rows) == [{"text": "one"}, {"text": " two "}, {"text": "three"}]
    assert [str(note) for note in table.notes] == ["a.txt.gz: one row a line; blank lines, passed over: 1."]


def test_a_file_is_unpacked_once_for_each_version(tmp_path: Path, settings: Settings) -> None:
    from studio.data.sources import file as file_source

    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(CONTENTS["a.jsonl.gz"])
    first = open_source(str(path), settings=settings)
    copies = {one: one.stat().st_ino for one in (settings.cache / "sources").iterdir() if not one.suffix}
    file_source._tables.clear()
    again = open_source(str(path), settings=settings)
    assert {one: one.stat().st_ino for one in copies} == copies and len(copies) == 1
    assert first is not again and first.rows[7] == again.rows[7] == ROWS[7]
    path.write_bytes(gzip.compress(JSONL * 2))
    assert first.changed() and len(open_source(str(path), settings=settings).rows) == 600
    assert first.rows[299] == ROWS[299]  # the rows it was opened with, from their own copy


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("cut.jsonl.gz", CONTENTS["a.jsonl.gz"][:-20], r"damaged or not whole"),
        ("cut.jsonl.zst", CONTENTS["a.jsonl.zst"][:-20], r"damaged or not whole"),
        ("damaged.jsonl.gz", GZIP[:200] + b"xxxx" + GZIP[204:], r"damaged or not whole"),
        ("no.jsonl.gz", b'{"a": 1}', r"damaged or not whole.*gzip"),
        ("no.jsonl.zst", b'{"a": 1}', r"damaged or not whole"),
        ("empty.jsonl.gz", gzip.compress(b""), r"holds no rows"),
        ("nothing.jsonl.gz", b"", r"holds no rows"),
        ("line.jsonl.gz", gzip.compress(b'{"a": 1}\n\n{"a": \n'), r"line.jsonl.gz, line 3: not valid JSON"),
    ],
)
def test_what_is_wrong_is_named(name: str, content: bytes, sentence: str, tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        list(open_source(str(path), settings=settings).rows)
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_a_full_disk_is_said_before_it_is_full(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "KEPT_FREE", 2**60)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(CONTENTS["a.jsonl.gz"])
    with pytest.raises(DataError, match=r"more than there is room for.*TUNEFORK_CACHE"):
        open_source(str(path), settings=settings)


def test_old_copies_are_forgotten(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jsonl.gz", "a.jsonl.zst"):
        (tmp_path / name).write_bytes(CONTENTS[name])
        open_source(str(tmp_path / name), settings=settings)
        monkeypatch.setattr(unpack, "KEPT_FOR", -10)
    copies = [one for one in (settings.cache / "sources").iterdir() if not one.suffix]
    assert len(copies) == 1


BOMB = """
import sys
sys.path.insert(0, ".")
from pathlib import Path
from studio.data.sources import open_source
from studio.errors import DataError
from studio.settings import Settings
folder = Path(sys.argv[1])
try:
    open_source(str(folder / sys.argv[2]), settings=Settings(mode="local", workspace=folder, cache=folder / "cache"))
except DataError as error:
    print(error)
peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not say how much memory was used")
@pytest.mark.parametrize("name", ["bomb.jsonl.gz", "bomb.jsonl.zst"])
def test_a_bomb_is_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    zeros = bytes(300_000_000)
    (tmp_path / name).write_bytes(gzip.compress(zeros, 1) if name.endswith(".gz") else zstd(zeros))
    assert (tmp_path / name).stat().st_size < 2_000_000
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(tmp_path), name], cwd=ROOT, capture_output=True, text=True, check=True
    )
    sentence, megabytes = done.stdout.strip().splitlines()
    assert "times its size; that much is not unpacked" in sentence
    assert int(megabytes) < 300
    assert not [one for one in (tmp_path / "cache").rglob("*") if one.is_file()]
