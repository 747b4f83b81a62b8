"""More ways in which data and tokenizers go wrong: stand-ins, torn CSV and JSON, late types, missing tokens."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.settings import ASSETS

GOOD = '{"question": "q", "answer": "a"}\n'
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
PAGE = "<!DOCTYPE html>\n<html><body>Sign in</body></html>\n"
SKIP = ("--set", "data.bad_rows=skip")
SHORT = ("--max_steps", 2, "--save_strategy", "no")


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".jsonl.gz", ".csv.zst"])
@pytest.mark.parametrize(("content", "part"), [(POINTER, "Git LFS pointer"), (PAGE, "web page (HTML)")])
def test_what_a_download_left_instead_of_the_file_is_named(
    suffix: str, content: str, part: str, say: Any, tmp_path: Path
) -> None:
    told = say("check", write(tmp_path / f"rows{suffix}", content))
    assert told.code == 2 and part in told.sentence and f"rows{suffix}" in told.sentence


WHOLE: dict[str, tuple[str, str | bytes, tuple[str, ...]]] = {
    "page after a mark": ("a.jsonl", b"\xef\xbb\xbf\n\n <html>", ("web page",)),
    "page after a comment": ("a.jsonl", "<!-- saved -->\n" + PAGE, ("web page",)),
    "xlsx": ("a.csv", b"PK\x03\x04" + bytes(600), ("Excel workbook", "save the sheet as CSV")),
    "xls": ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ("Excel workbook", "save the sheet as CSV")),
    "GBK": ("a.csv", "question,answer\n你好,世界\n问,答\n".encode("gbk"), ("line 2", "0xC4", "UTF-8")),
    "UTF-16 without a mark": ("a.csv", "question,answer\nq,a\n".encode("utf-16-le"), ("UTF-16", "Save it as UTF-8")),
    "blank lines": ("a.jsonl", "\n\n  \n", ("no rows",)),
    "an empty list in an object": ("a.json", '{"data": []}', ("no rows",)),
    "header of TSV": ("a.tsv", "question\tanswer\n", ("no rows",)),
    "doubled header, but for a blank": ("a.csv", "answer, answer\nx,y\n", ("'answer'", "in the header twice")),
    "columns of two lengths": ("a.json", '{"question": ["a", "b"], "answer": ["c"]}', ("question 2", "answer 1")),
    "only depth": ("a.json", "[" * 200_000, ("line 1", "nested too deeply")),
    "no row is sound": ("a.jsonl", '{"question": "q", "answer": null}\n' * 3, ("3 of 3", "'answer'", "Rows: 1, 2, 3")),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_with_nothing_to_read_says_why(name: str, say: Any, tmp_path: Path) -> None:
    file, content, parts = WHOLE[name]
    told = say("check", write(tmp_path / file, content))
    assert told.code == 2 and "a." in told.sentence
    assert all(part in told.sentence for part in parts), told.sentence


ROW = '{"question": "q", "answer": "a"}'
TORN: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "comma in a list": ("a.json", f'[\n{ROW},\n{{"question": "q" "answer": "a"}},\n{ROW}]', ("line 3", "column 18")),
    "cut list": ("a.json", f'[\n{ROW},\n{ROW},\n{{"question": "q", "ans', ("line 4", "column 19")),
    "number in a list": ("a.json", f"[\n{ROW},\n42,\n{ROW}]", ("line 3", "row 2")),
    "list in the lines": ("a.jsonl", GOOD + "[1, 2]\n" + GOOD, ("line 2", "list")),
    "key doubled within": ("a.jsonl", GOOD + ROW[:-1] + ', "m": {"k": 1, "k": 2}}\n' + GOOD, ("line 2", "'k'")),
    "half a character": ("a.jsonl", GOOD + '{"question": "q", "answer": "\\ud83d"}\n' + GOOD, ("line 2", "\\ud83d")),
    "endless number": ("a.jsonl", GOOD + ROW[:-1] + f', "n": {"9" * 6000}}}\n' + GOOD, ("line 2", "too many digits")),
    "open quote": ("a.csv", 'question,answer\nq,a\nq,"never closed\nq,a\n', ("line 3", "double quotes")),
    "junk after a quote": ("a.csv", 'question,answer\nq,a\n"q" x,a\nq,a\n', ("line 3", "double quotes")),
    "too few cells": ("a.tsv", "question\tanswer\nq\ta\nq\nq\ta\n", ("line 3", "1 cells where the header has 2")),
    "number": ("a.jsonl", GOOD * 5 + '{"question": "q", "answer": 7}\n' + GOOD, ("'answer'", "Rows: 6")),
    "object": ("a.jsonl", GOOD * 5 + '{"question": "q", "answer": {"k": 1}}\n' + GOOD, ("'answer'", "Rows: 6")),
    "null": ("a.jsonl", GOOD * 2 + '{"question": null, "answer": "a"}\n' + GOOD, ("'question'", "Rows: 3")),
}


@pytest.mark.parametrize("name", TORN)
def test_one_torn_row_is_placed_and_the_rest_is_kept(name: str, say: Any, tmp_path: Path) -> None:
    file, content, parts = TORN[name]
    path = write(tmp_path / file, content)
    told = say("check", path, "--eval_fraction", 0)
    assert told.code == 2 and "1 of " in told.sentence and "data.bad_rows: skip" in told.sentence
    assert all(part in told.sentence for part in parts), told.sentence
    kept = say("check", path, "--eval_fraction", 0, *SKIP)
    assert kept.code == 0 and kept.face["plan"]["rows"] >= 1
    assert any(all(part in finding["text"] for part in parts) for finding in kept.face["findings"])


def test_quoted_cells_are_the_text_they_hold(say: Any, tmp_path: Path) -> None:
    rows = 'question,answer\r\n"a, b","say ""hi""\nto all"\r\nNA,2024-01-02\r\n"007","1e5"\r\n'
    clean = [("a, b", 'say "hi"\nto all'), ("NA", "2024-01-02"), ("007", "1e5")]
    lines = "".join(json.dumps({"question": one, "answer": two}) + "\n" for one, two in clean)
    told = [say("preview", write(tmp_path / file, text)) for file, text in (("a.csv", rows), ("a.jsonl", lines))]
    assert [one.code for one in told] == [0, 0] and told[0].face["digest"] == told[1].face["digest"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_and_line_ends_change_no_row_of_csv(encoding: str, say: Any, tmp_path: Path) -> None:
    clean = "question,answer\n" + "".join(f"问 {n},答 {n}\n" for n in range(12))
    odd = clean.replace("\n", "\r\n\r\n").encode(encoding)
    told = [say("preview", write(tmp_path / file, text)) for file, text in (("a.csv", clean), ("b.csv", odd))]
    assert [one.code for one in told] == [0, 0] and told[0].face["digest"] == told[1].face["digest"]


def test_the_choice_to_skip_covers_several_faults(say: Any, tmp_path: Path) -> None:
    bad = '{"question": "q"}\n{"question": "q", "answer": ""}\n{"question"\n'
    path = write(tmp_path / "many.jsonl", GOOD * 4 + bad)
    told = say("check", path)
    assert told.code == 2 and "3 of 7" in told.sentence and "2 more have other faults" in told.sentence
    told = say("train", path, *SHORT, *SKIP, "--eval_strategy", "no", "--eval_fraction", 0)
    folder = tmp_path / "workspace" / "runs" / told.face["run_id"]
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    said = " ".join(event["message"] for event in events if event["kind"] == "warning")
    assert told.code == 0 and all(f"Rows: {number}" in said for number in (5, 6, 7))
    assert next(event for event in events if event["kind"] == "started")["rows"] == 4


@pytest.mark.parametrize("more", [(), ("--set", "method.packing=true"), ("--set", "training.max_length=32")])
def test_one_row_passes_the_check_too(more: tuple[str, ...], say: Any, tmp_path: Path) -> None:
    told = say("check", write(tmp_path / "one.jsonl", GOOD), *more)
    assert told.code == 0 and told.face["plan"]["rows"] == 1 and told.face["plan"]["eval_rows"] == 0


def test_one_preference_pair_trains(say: Any, tmp_path: Path) -> None:
    pair = '{"prompt": "q", "chosen": "yes", "rejected": "no"}\n'
    told = say("train", write(tmp_path / "pair.jsonl", pair), *SHORT, "--set", "method.type=dpo")
    assert told.code == 0 and told.face["steps"] == 2


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The starter without the token that pads and without its chat template."""
    folder = tmp_path / "bare"
    shutil.copytree(ASSETS / "starter", folder, ignore=shutil.ignore_patterns("*.py", "*.md", "*.jinja", "__pycache__"))
    path = folder / "tokenizer_config.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    del facts["pad_token"]
    path.write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_a_tokenizer_that_cannot_pad_trains_plain_text(bare: Path, say: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "text.jsonl", "".join(f'{{"text": "{"word " * n}"}}\n' for n in range(1, 7)))
    told = say("train", path, *SHORT, "--model_name_or_path", bare, "--eval_strategy", "no")
    assert told.code == 0 and told.face["steps"] == 2 and told.face["metrics"]["loss"] > 0


def test_a_tokenizer_without_template_trains_conversations(bare: Path, say: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", GOOD * 6)
    for verb in ("check", "train"):
        told = say(verb, path, *SHORT, "--model_name_or_path", bare, "--eval_strategy", "no")
        assert told.code == 0, told.sentence
    chosen = ("--set", "model.chat_template=chatml", "--eval_strategy", "no")
    told = say("train", path, *SHORT, "--model_name_or_path", bare, *chosen)
    assert told.code == 0 and told.face["steps"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_row_400_001_is_found(suffix: str, say: Any, tmp_path: Path) -> None:
    """In JSON its number is a fault of a column in use; in CSV every cell is text, and one cell too many is a fault."""
    path = tmp_path / f"late{suffix}"
    head, row, late = {
        ".jsonl": ("", '{"text": "t"}\n', '{"text": 7}\n'),
        ".csv": ("text,score\n", "t,1\n", "t,1,n/a\n"),
    }[suffix]
    write(path, head + row * 400_000 + late + row)
    told = say("check", path, "--eval_fraction", 0)
    assert told.code == 2 and "1 of 400,002" in told.sentence.replace("400002", "400,002") and "400001" in told.sentence


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of a file there")
def test_tokens_that_find_no_room_are_one_sentence(say: Any, tmp_path: Path) -> None:
    import resource

    path = write(tmp_path / "rows.jsonl", GOOD * 800)
    say("check", write(tmp_path / "other.jsonl", GOOD * 8))  # what libraries write at their first import is there
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, before[1]))
    try:
        told = say("check", path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told.code == 2 and "scans" in told.sentence and "another workspace" in told.sentence
    assert say("check", path).code == 0, "with room again, it goes on"
