"""The indexes over bytes find the same rows as the plain parsers do over the whole text, wherever chunks end."""

from __future__ import annotations

import csv
import io
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from studio.data.sources import Table, open_source
from studio.data.sources.readers import json_structure, lines, records
from studio.errors import DataError
from studio.settings import Settings

PIECES = ['"', "\\", "{", "}", "[", "]", ",", ":", "a", "é", "你", "\n", "\u2028", '\\"', "\\\\", "\x85", "😀"]


@pytest.fixture(params=[7, 64, 1 << 20], ids=["7 bytes", "64 bytes", "usual"])
def chunked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks so small that everything crosses their borders, and two threads for the smallest file."""
    for module in (lines, records, json_structure):
        monkeypatch.setattr(module, "CHUNK", request.param)
    if request.param < 1000:
        monkeypatch.setattr(lines, "ALONE", 20)


def text_of(draw: random.Random, most: int = 12) -> str:
    return "".join(draw.choices(PIECES, k=draw.randrange(most)))


def value_of(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randrange(6 if depth < 3 else 4)
    if kind == 4:
        return [value_of(draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind == 5:
        return {text_of(draw) + str(n): value_of(draw, depth + 1) for n in range(draw.randrange(4))}
    return (text_of(draw), draw.random(), None, draw.randrange(99))[kind]


def written(path: Path, content: str | bytes, settings: Settings, **options: Any) -> Table:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_source(str(path), settings=settings, **options)


def read(table: Table) -> list[Any]:
    return [str(row) if isinstance(row, DataError) else row for row in table.rows.read(0, len(table.rows))]


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_of_objects_is_cut_where_json_cuts_it(
    tmp_path: Path, settings: Settings, seed: int, indent: int | None
) -> None:
    draw = random.Random(seed)
    rows = [{"a": text_of(draw), "b": value_of(draw)} for _ in range(draw.randrange(1, 12))]
    ascii_only = bool(seed % 2)
    path = tmp_path / "a.json"
    assert read(written(path, json.dumps(rows, indent=indent, ensure_ascii=ascii_only), settings)) == rows
    around = {"x": value_of(draw), "data": rows, "y": text_of(draw)}
    assert read(written(path, json.dumps(around, indent=indent, ensure_ascii=ascii_only), settings)) == rows
    columns = {"a": [row["a"] for row in rows], "b": [row["a"] for row in rows[::-1]]}
    expected = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    assert read(written(path, json.dumps(columns, indent=indent, ensure_ascii=ascii_only), settings)) == expected


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("seed", range(12))
def test_lines_are_those_of_the_whole_text(tmp_path: Path, settings: Settings, seed: int) -> None:
    draw = random.Random(seed)
    ends = draw.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]])
    content, rows = draw.choice(["", "\ufeff"]), []
    number = 1
    for _ in range(draw.randrange(1, 15)):
        for _ in range(draw.choice([0, 0, 0, 1, 3])):
            content += draw.choice(["", " ", "\t ", " " * 9]) + draw.choice(ends)
            number += 1
        row = {"a": text_of(draw), "n": number}
        content += draw.choice(["", "  "]) + json.dumps(row, ensure_ascii=False) + draw.choice(ends)
        rows.append(row)
        number += 1
    content += draw.choice(["", " ", ends[0]])
    if "\r" in ends and "\n" in ends:  # a CR and the LF of a blank line after it are one end of line
        content = content.replace("\r\n", "\n")
        content = content.replace("\n", "\r\n") if "\r\n" in ends else content
        rows = []
        for number, line in enumerate(content.lstrip("\ufeff").encode().splitlines(), start=1):
            if line.strip():
                rows.append({**json.loads(line), "n": number})
    table = written(tmp_path / "a.jsonl", content, settings)
    found = read(table)
    assert [row["a"] for row in found] == [row["a"] for row in rows]
    numbers = [index + 1 for index in range(len(rows))] if table.lines is None else list(table.lines)
    assert numbers == [row["n"] for row in rows]


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("delimiter", [",", "\t", "¦"])
def test_records_are_those_of_csv(tmp_path: Path, settings: Settings, seed: int, delimiter: str) -> None:
    draw = random.Random(seed)
    out = io.StringIO()
    terminator = draw.choice(["\n", "\r\n", "\r"])
    quoting = csv.QUOTE_ALL if terminator == "\r" else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter=delimiter, lineterminator=terminator, quoting=quoting)
    writer.writerow(["a", "b", "c"])
    ends = ["", "\r\n", '""', delimiter]
    rows = [[text_of(draw) + draw.choice(ends) for _ in "abc"] for _ in range(draw.randrange(1, 9))]
    for row in rows:
        if draw.random() < 0.2:
            out.write(terminator)
        writer.writerow(row)
    table = written(tmp_path / "a.csv", out.getvalue(), settings, delimiter=delimiter)
    assert [list(row.values()) for row in read(table)] == rows
    whole = out.getvalue().encode()
    for index in range(len(rows)):
        assert table.lines is not None
        start = int(table.rows.marks[index])  # type: ignore[attr-defined]
        assert table.lines[index] == len(whole[:start].splitlines()) + 1


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("seed", range(25))
def test_stray_quotes_cost_their_own_lines(tmp_path: Path, settings: Settings, seed: int) -> None:
    """What `csv` itself makes of each line, where no sound cell runs over lines."""
    draw = random.Random(seed)
    lines_ = ["a,b"]
    for n in range(30):
        kinds = [f"{n},x", f'"{n}","x, y"', f'{n}"5,x', f'"{n},x', f'"{n}"x,y', f"{n},x,y", f'{n},""']
        lines_.append(draw.choice(kinds))
    found = read(written(tmp_path / "a.csv", "\n".join(lines_), settings))
    sound = [row for row in found if isinstance(row, dict)]
    for line in lines_[1:]:
        try:
            cells = next(csv.reader([line], strict=True))
        except csv.Error:
            continue
        if len(cells) == 2:
            assert dict(zip("ab", cells, strict=True)) in sound
    assert all("line" in row for row in found if isinstance(row, str))


def test_many_damaged_records_cost_no_more_than_as_many_sound_ones(tmp_path: Path, settings: Settings) -> None:
    began = time.perf_counter()
    content = "a,b\n" + '"open,1\n"x"y,2\nz,3\n' * 5_000
    table = written(tmp_path / "a.csv", content, settings)
    found = table.rows.read(0, len(table.rows))
    assert time.perf_counter() - began < 10
    assert [row for row in found if isinstance(row, dict)] == [{"a": "z", "b": "3"}] * 5_000 and len(found) == 15_000


def test_damaged_json_never_fails_otherwise_than_by_a_sentence(tmp_path: Path, settings: Settings) -> None:
    draw = random.Random(0)
    rows = [{"a": text_of(draw), "b": value_of(draw)} for _ in range(6)]
    forms = [
        json.dumps(rows), json.dumps({"v": 1, "data": rows}, indent=1), json.dumps({"a": ["x", "y"], "b": [1, 2]}),
        "\n".join(map(json.dumps, rows)), 'a,b\n1,"2\n3"\n4,5\n',
    ]  # fmt: skip
    opened = 0
    for turn in range(600):
        content = bytearray(forms[turn % len(forms)].encode())
        for _ in range(draw.randrange(1, 4)):
            place = draw.randrange(len(content))
            put = draw.choice([b'"', b"{", b"]", b"\\", b"\n", b"\xff", b",", b""])
            content[place : place + draw.randrange(3)] = put
        name = ("a.json", "a.json", "a.json", "a.jsonl", "a.csv")[turn % len(forms)]
        try:
            table = written(tmp_path / name, bytes(content), settings)
            found = table.rows.read(0, len(table.rows))
        except DataError:
            continue
        opened += 1
        assert all(isinstance(row, dict | DataError) for row in found)
        assert [table.where(index) for index in range(len(found))]
    assert opened > 200
