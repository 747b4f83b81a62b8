"""A million rows, about 1 GB of JSON lines: how soon the first rows are there, how fast all are, in what memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = 1_000_000
SENTENCE = "The trainer reads these words and the mask says which of them count. 训练器看到的就是预览。\n"
LOOK = """
import json, sys, time
sys.path.insert(0, ".")
from pathlib import Path
import numpy  # the library's own size is not the data's
from studio.data.sources import open_source
from studio.settings import Settings

def memory(what):
    line = next(line for line in open("/proc/self/status") if line.startswith(what))
    return int(line.split()[1]) / 1024

folder = Path(sys.argv[1])
settings = Settings(mode="local", workspace=folder, cache=folder)
before, began = memory("VmRSS"), time.perf_counter()
table = open_source(str(folder / "rows.jsonl"), settings=settings)
first = table.rows[:32]
opened, opened_memory = time.perf_counter() - began, memory("VmHWM") - before
began = time.perf_counter()
sound = 0
for start in range(0, len(table.rows), 512):
    found = table.rows.read(start, min(start + 512, len(table.rows)))
    sound += sum(type(row) is dict for row in found)
parsed = time.perf_counter() - began
began = time.perf_counter()
for index in range(0, len(table.rows), 5003):
    table.rows[index]
single = (time.perf_counter() - began) / (len(table.rows) / 5003)
began = time.perf_counter()
table.identity
hashed = time.perf_counter() - began
print(json.dumps(dict(
    rows=len(table.rows), first=len(first), sound=sound, columns=table.columns, opened=opened,
    opened_memory=opened_memory, parsed=parsed, single=single, hashed=hashed, memory=memory("VmHWM") - before,
)))
"""


@pytest.mark.benchmark
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not say how much memory was used")
def test_a_million_rows_open_at_once_in_little_memory(tmp_path: Path, figure: Callable[[str], None]) -> None:
    path = tmp_path / "rows.jsonl"
    draw = random.Random(0)
    answers = [json.dumps(" ".join(draw.choices(SENTENCE.split(" "), k=120)), ensure_ascii=False) for _ in range(500)]
    try:
        with path.open("w", encoding="utf-8") as out:
            for n in range(ROWS):
                out.write(f'{{"instruction": "Question {n}?", "input": "", "output": {answers[n % 500]}}}\n')
        size = path.stat().st_size
        with path.open("rb") as warm:  # into the page cache, as a file that was just written or downloaded is
            while warm.read(1 << 24):
                pass
        done = subprocess.run(
            [sys.executable, "-c", LOOK, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
    finally:
        path.unlink(missing_ok=True)
    found = json.loads(done.stdout)
    figure(
        f"{ROWS:,} rows, {size / 1e9:.2f} GB of JSON lines: open and 32 rows {found['opened']:.2f} s "
        f"(+{found['opened_memory']:.0f} MB); all rows parsed at {found['parsed'] / ROWS * 1e6:.1f} µs each; "
        f"one row anywhere {found['single'] * 1e6:.0f} µs; hash {found['hashed']:.1f} s; peak +{found['memory']:.0f} MB"
    )
    assert (found["rows"], found["sound"], found["first"]) == (ROWS, ROWS, 32)
    assert found["opened"] < 1.0 and found["opened_memory"] < 100
    assert found["parsed"] / ROWS < 12e-6 and found["memory"] < 150
