"""Data sets of the Hub: subset, split and slice, from a Hub of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from small_data_hub import serve

from studio.data.sources.hub import HubRows, leave_undecoded
from studio.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
CARD = """---
configs:
- config_name: main
  default: true
  data_files:
  - {split: train, path: main/train.jsonl}
  - {split: test, path: main/test.jsonl}
- config_name: other
  data_files: other/*.jsonl
---
"""
FILES = {
    "README.md": CARD.encode(),
    "main/train.jsonl": b"".join(b'{"n": %d, "turns": [{"role": "user"}]}\n' % n for n in range(40)),
    "main/test.jsonl": b'{"n": 100, "turns": []}\n{"n": 101, "turns": []}\n',
    "other/a.jsonl": b'{"m": 7}\n',
}
ASKED = [
    ("someone/rows", "train"),
    ("someone/rows", "train[:5%]+test"),
    ("someone/rows", "train[-2:]"),
    ("someone/rows:other", "train"),
    ("someone/rows", "elsewhere"),
    ("someone/rows:nosuch", "train"),
    ("someone/rows", "train[5"),
    ("someone/nothing", "train"),
]
CODE = """
import json, sys
sys.path.insert(0, ".")
from studio.data.sources import open_source
from studio.errors import DataError
from studio.settings import read_settings
settings = read_settings(workspace=sys.argv[1])
told = []
for source, split in json.loads(sys.argv[2]):
    try:
        table = open_source(source, split=split, settings=settings)
        again = open_source(source, split=split, settings=settings)
        rows = table.rows.read(0, len(table.rows))
        told.append([rows, table.columns, table.identity, again is table, table.rows[0] == rows[0], table.changed()])
    except DataError as error:
        told.append(str(error))
print(json.dumps(told))
"""


def test_subset_split_and_slice(tmp_path: Path) -> None:
    with serve("someone/rows", FILES) as address:
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(tmp_path), json.dumps(ASKED)],
            cwd=ROOT,
            env={**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
    whole, mixed, last, other, *errors = json.loads(done.stdout)
    train = [{"n": n, "turns": [{"role": "user"}]} for n in range(40)]
    test = [{"n": 100, "turns": []}, {"n": 101, "turns": []}]
    for found, rows, columns in (
        (whole, train, ["n", "turns"]),
        (mixed, train[:2] + test, ["n", "turns"]),
        (last, train[-2:], ["n", "turns"]),
        (other, [{"m": 7}], ["m"]),
    ):
        assert found[:2] == [rows, columns] and found[3:] == [True, True, False]
    assert len({found[2] for found in (whole, mixed, last, other)}) == 4
    split, subset, broken, missing = errors
    assert "someone/rows could not be read" in split and "['train', 'test']" in split
    assert "someone/rows:nosuch could not be read" in subset and "['main', 'other']" in subset
    assert "data.split is 'train[5'" in broken
    assert "There is no data set someone/nothing on the Hub" in missing


def test_images_are_not_decoded_and_a_row_that_fails_is_one_damaged_row() -> None:
    from datasets import Dataset, Features, Image, Json, List, Value

    broken = {"bytes": b"no image", "path": None}
    features = Features(
        {"t": Value("string"), "i": Image(), "s": List({"i": Image(), "j": Json()}), "m": List(Image())}
    )
    columns = {"t": ["a", "b"], "i": [broken, None], "s": [[{"i": broken, "j": {"k": 1}}], []], "m": [[broken], []]}
    made = Dataset.from_dict(columns, features=features)
    found = HubRows(made, "someone/rows").read(0, 2)
    assert isinstance(found[0], DataError) and str(found[0]).startswith("someone/rows, row 1: a value cannot be read")
    assert found[1] == {"t": "b", "i": None, "s": [], "m": []}
    leave_undecoded(made)
    assert HubRows(made, "someone/rows").read(0, 2) == [
        {"t": "a", "i": broken, "s": [{"i": broken, "j": {"k": 1}}], "m": [broken]},
        {"t": "b", "i": None, "s": [], "m": []},
    ]
