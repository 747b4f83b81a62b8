"""How long a change of mapping, template, max_length or loss setting takes to become tokens."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.config.files import build
from studio.data.preview import preview
from studio.model.load import load_tokenizer
from studio.settings import Settings

ROUNDS = 15
WORDS = "The trainer reads these words and the mask says which of them count. 训练器看到的就是预览。 "
CHANGES = (
    {},
    {"training": {"max_length": 256}},
    {"method": {"completion_only_loss": False}},
    {"method": {"assistant_only_loss": True}},
    {"data": {"columns": {"system": "note"}}},
    {"model": {"chat_template": "chatml"}},
)


@pytest.mark.benchmark
def test_a_preview_follows_a_change_within_300_ms(
    tmp_path: Path, settings: Settings, figure: Callable[[str], None]
) -> None:
    """4 rows of about 1,000 tokens in a file of 1,000 rows, every kind of change, libraries and tokenizer warm."""
    path = tmp_path / "rows.jsonl"
    row = {"instruction": WORDS * 8, "input": "", "output": WORDS * 8, "note": "Be brief."}
    path.write_text("".join(json.dumps({**row, "input": str(n)}, ensure_ascii=False) + "\n" for n in range(1000)))
    times: list[float] = []
    for turn in range(ROUNDS + 1):
        for change in CHANGES:
            data = {"source": str(path), **change.get("data", {})}
            config = build({**change, "data": data})
            began = time.perf_counter()
            tokenizer = load_tokenizer(config.model, settings)
            made = preview(config, settings=settings, tokenizer=tokenizer, rows=4)
            if turn:  # the first turn warms imports and caches
                times.append(1000 * (time.perf_counter() - began))
            assert len(made.rows) == 4
    tokens = sum(lane.kept for row in made.rows for lane in row.lanes)
    median, worst = statistics.median(times), max(times)
    figure(f"preview of 4 rows ({tokens} tokens): median {median:.0f} ms, worst {worst:.0f} ms of {len(times)}")
    assert median < 300
