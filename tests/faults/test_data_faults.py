"""Broken, hostile and odd data, as a user meets it: one sentence with file and place, nothing lost, nothing silent."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.settings import ROOT

GOOD = '{"question": "q", "answer": "a"}\n'


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "empty": ("a.jsonl", "", "no rows"),
    "an empty list": ("a.json", "[]", "no rows"),
    "only a header": ("a.csv", "question,answer\n", "no rows"),
    "doubled header": ("a.csv", "answer,answer\nx,y\n", "in the header twice"),
    "a web page": ("a.jsonl", "<!DOCTYPE html>\n<html><body>404</body></html>\n", "HTML"),
    "a pointer": (
        "a.jsonl",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n",
        "LFS",
    ),
    "no text": ("a.jsonl", b"\x00\x01\x02" * 400, "NUL"),
    "not a parquet file": ("a.parquet", "question,answer\n", "Parquet"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_one_sentence(name: str, say: Any, tmp_path: Path) -> None:
    file, content, part = BROKEN[name]
    told = say("check", write(tmp_path / file, content))
    assert told.code == 2 and not told.face["ok"]
    assert len(told.face["errors"]) == 1 and part in told.face["errors"][0] and "a." in told.face["errors"][0]


ROWS: dict[str, tuple[str, str, str]] = {
    "cut": ("a.jsonl", GOOD * 3 + '{"question": "q", "ans', "line 4"),
    "doubled keys": ("a.jsonl", GOOD * 2 + '{"question": "q", "answer": "a", "answer": "b"}\n' + GOOD, "line 3"),
    "deep": ("a.jsonl", GOOD + '{"question": "q", "answer": ' + "[" * 5000 + "]" * 5000 + "}\n" + GOOD, "line 2"),
    "no number": ("a.jsonl", GOOD + '{"question": "q", "answer": NaN}\n' + GOOD, "line 2"),
    "ragged": ("a.csv", 'question,answer\nq,a\n"quoted, and\non two lines",a\nq,a,b\nq,a\n', "line 5"),
    "null": ("a.jsonl", GOOD + '{"question": "q", "answer": null}\n' + GOOD, "Rows: 2"),
    "empty": ("a.jsonl", GOOD + '{"question": "q", "answer": ""}\n' + GOOD, "Rows: 2"),
    "missing": ("a.jsonl", GOOD + '{"question": "q"}\n' + GOOD, "Rows: 2"),
    "not UTF-8": ("a.jsonl", "", "line 2"),
    "another type": ("a.jsonl", GOOD + '{"question": "q", "answer": 7}\n' + GOOD, "Rows: 2"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_broken_row_is_named_and_the_others_kept_by_choice(name: str, say: Any, tmp_path: Path) -> None:
    file, content, place = ROWS[name]
    path = write(tmp_path / file, content or GOOD.encode() + b'{"question": "q", "answer": "\xff"}\n' + GOOD.encode())
    told = say("check", path, "--eval_fraction", 0)
    assert told.code == 2 and "1 of " in told.sentence and place in told.sentence
    assert "data.bad_rows: skip" in told.sentence
    kept = say("check", path, "--eval_fraction", 0, "--set", "data.bad_rows=skip")
    assert kept.code == 0
    assert any(place in finding["text"] for finding in kept.face["findings"])


def test_a_run_records_the_choice_and_tells_what_it_left_out(say: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "cut.jsonl", GOOD * 4 + '{"question": "q", "ans')
    told = say(
        "train", path, "--set", "data.bad_rows=skip", "--max_steps", 2, "--eval_strategy", "no", "--save_strategy", "no"
    )
    assert told.code == 0
    folder = tmp_path / "workspace" / "runs" / told.face["run_id"]
    assert "bad_rows: skip" in (folder / "run.yaml").read_text(encoding="utf-8")
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any(event["kind"] == "warning" and "line 5" in event["message"] for event in events)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n\n"])
def test_marks_and_line_ends_change_no_row(encoding: str, newline: str, say: Any, tmp_path: Path) -> None:
    clean = "".join(f'{{"question": "问 {n}", "answer": "答 {n}"}}\n' for n in range(12))
    one = say("preview", write(tmp_path / "clean.jsonl", clean))
    other = say("preview", write(tmp_path / "odd.jsonl", clean.replace("\n", newline).encode(encoding)))
    assert (one.code, other.code) == (0, 0)
    assert one.face["rows"] == other.face["rows"] and one.face["digest"] == other.face["digest"]


def test_all_rows_too_long_stops_check_and_train(say: Any, tmp_path: Path) -> None:
    row = json.dumps({"question": "word " * 80, "answer": "a"}) + "\n"
    path = write(tmp_path / "long.jsonl", row * 8)
    for verb in ("check", "train"):
        told = say(verb, path, "--max_length", 64)
        assert told.code == 2 and "64" in told.sentence and "8 " in told.sentence
    assert not list((tmp_path / "workspace" / "runs").glob("*")), "no run is begun"


def test_one_row_trains(say: Any, tmp_path: Path) -> None:
    told = say("train", write(tmp_path / "one.jsonl", GOOD), "--max_steps", 2, "--save_strategy", "no")
    assert told.code == 0 and told.face["steps"] == 2


def test_a_column_that_turns_to_text_late_keeps_its_text(say: Any, tmp_path: Path) -> None:
    path = tmp_path / "late.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(3000):
            file.write(json.dumps({"question": "q", "answer": "a", "score": number if number < 2900 else "n/a"}) + "\n")
    told = say("check", path)
    rows = told.face["report"]["rows"]
    assert told.code == 0 and rows["train"] + rows["eval"] == 3000


@pytest.mark.slow
def test_one_line_of_100_mb_is_named(say: Any, tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.write(GOOD * 3 + '{"question": "q", "answer": "' + "x" * 100_000_000 + '"}\n' + GOOD)
    told = say("check", path, "--eval_fraction", 0)
    assert told.code == 2 and "line 4" in told.sentence
    assert say("check", path, "--eval_fraction", 0, "--set", "data.bad_rows=skip").code == 0


def measured(path: Path, workspace: Path) -> tuple[int, str, float]:
    """(exit code, what was said, most megabytes) of `check` in a process of its own."""
    # Not the resource module: what it tells of a process that was forked begins with the parent's memory.
    script = (
        "import re, sys\nfrom pathlib import Path\nfrom studio.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "check", "--source", str(path), "--workspace", str(workspace)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stderr, int(done.stdout.split()[-1]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is told otherwise there")
def test_a_gzip_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(300):
            file.write(bytes(1_000_000))
    code, said, most = measured(path, tmp_path / "workspace")
    assert code == 2 and "bomb.jsonl.gz" in said and "Traceback" not in said and most < 500


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is told otherwise there")
def test_a_parquet_bomb_is_refused_by_its_footer(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "bomb.parquet"
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000_000, pa.int32()), pa.array(["x" * 1000]))
    pq.write_table(pa.table({"text": words}), path)
    assert path.stat().st_size < 4_000_000
    code, said, most = measured(path, tmp_path / "workspace")
    assert code == 2 and "bomb.parquet" in said and "Traceback" not in said and most < 500


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is told otherwise there")
def test_long_texts_that_a_small_file_repeats_are_looked_at_a_few_at_a_time(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, count = tmp_path / "long.parquet", 32
    answers = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), ["word text " * 200_000])
    pq.write_table(pa.table({"question": ["q"] * count, "answer": answers}), path)
    code, said, most = measured(path, tmp_path / "workspace")
    assert code == 0 and "Traceback" not in said and most < 1800


LATE: dict[str, tuple[str, str, str]] = {
    "lines": ("a.jsonl", '{"question": "q"\n' * 1001, GOOD * 30),
    "a list": ("a.json", "[" + '{"question": "q" 1},\n' * 1001, ",".join([GOOD] * 30) + "]"),
    "cells": ("a.csv", "question,answer\n" + "q,a,b\n" * 101, "q,a\n" * 30),
    "quotes": ("a.csv", "question,answer\n" + 'q,"open\n' * 2001, "q,a\n" * 30),
}


@pytest.mark.parametrize("name", LATE)
def test_good_rows_after_a_bad_beginning_are_kept_by_choice(name: str, say: Any, tmp_path: Path) -> None:
    file, broken, good = LATE[name]
    path, count = write(tmp_path / file, broken + good), broken.count("\n") - file.endswith("csv")
    told = say("check", path, "--eval_fraction", 0)
    assert told.code == 2 and f"{count} of {count + 30} rows cannot be used" in told.sentence
    told = say("check", path, "--eval_fraction", 0, "--set", "data.bad_rows=skip")
    assert told.code == 0 and told.face["plan"]["rows"] == 30


def test_a_folder_with_a_broken_link_keeps_its_other_rows_by_choice(say: Any, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    write(folder / "a.jsonl", GOOD * 4)
    (folder / "b.jsonl").symlink_to(folder / "gone.jsonl")
    told = say("check", folder, "--eval_fraction", 0)
    assert told.code == 2 and "1 of 5 rows" in told.sentence and "b.jsonl is a link to" in told.sentence
    assert say("check", folder, "--eval_fraction", 0, "--set", "data.bad_rows=skip").code == 0


def test_mix_weights_beyond_all_bounds_are_a_mix_or_a_sentence(say: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", GOOD * 9)
    for weight, code in (("1e308", 0), ("1e-308", 2)):
        mix = ("--set", f"data.mix=[{{source: {path}, weight: {weight}}}]", "--set", "data.mix_strategy=all_exhausted")
        told = say("check", path, *mix, "--set", "data.mix_weight=1e308")
        assert told.code == code and (not code or "rows would come out of the mixed sources" in told.sentence)


def test_train_is_not_offered_where_no_row_is_left(say: Any, desk: Any, tmp_path: Path) -> None:
    row = json.dumps({"question": "word " * 80, "answer": "a"}) + "\n"
    path = write(tmp_path / "long.jsonl", row * 8)
    form: dict[str, Any] = {"data": {"source": str(path)}, "training": {"max_length": 64}}
    told = say("check", path, "--max_length", 64).sentence
    answer = desk.press("check", "tabs.train", **form)[-1]
    offered = {getattr(one, "elem_id", None): value for one, value in answer.items()}
    assert offered["start"]["interactive"] is False and "8" in told and "64" in told
    assert told.removeprefix("check: ")[:30] in repr(answer), (told, answer)
    form["training"] = {"max_length": 512}
    answer = desk.press("check", "tabs.train", **form)[-1]
    assert next(value for one, value in answer.items() if one.elem_id == "start")["interactive"] is True


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_one_row_with_a_share_held_out_trains(share: float, say: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "one.jsonl", GOOD)
    told = say("train", path, "--max_steps", 1, "--save_strategy", "no", "--eval_fraction", share)
    assert told.code == 0 and told.face["steps"] == 1
