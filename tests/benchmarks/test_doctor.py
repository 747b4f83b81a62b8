"""What all looks of the doctor cost beside the tokenizer, and how long a report of a million rows takes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.config.files import build
from studio.data.corpus import open_corpus
from studio.data.doctor import CHECKS
from studio.data.doctor.base import Context, View
from studio.data.doctor.report import build_report
from studio.data.pipeline import Pipeline
from studio.data.scan import CHUNK_ROWS, facts_of
from studio.methods import METHODS
from studio.methods.base import LaneFacts
from studio.model.load import load_tokenizer
from studio.settings import Settings

ROWS, ROUNDS = 2048, 4
GOAL = 0.15  # of the time that the tokenizer takes for the same rows in one thread: whatever machine this is
BYTES = 100  # a row, of all marks
SYLLABLES = ("ba", "cor", "del", "fin", "gra", "ho", "in", "lo", "mer", "nu", "pa", "ris", "so", "tan", "ver")
CHINESE = "训练器看到的就是预览里显示的内容每一行都会被检查一遍没有任何遗漏"


def write_rows(path: Path, kind: str) -> None:
    chance = random.Random(7)

    def text(count: int) -> str:
        if kind == "chinese":
            return "".join(chance.choice(CHINESE) for _ in range(count)) + "。"
        return " ".join("".join(chance.choices(SYLLABLES, k=chance.choice((1, 1, 2)))) for _ in range(count))

    rows = ({"instruction": text(40), "output": text(80)} for _ in range(ROWS))
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.benchmark
@pytest.mark.parametrize("kind", ["english", "chinese"])
def test_all_looks_cost_little_beside_the_tokenizer(
    kind: str, tmp_path: Path, settings: Settings, figure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    path = tmp_path / "rows.jsonl"
    write_rows(path, kind)
    config = build({"data": {"source": str(path), "eval_fraction": 0}})
    tokenizer = load_tokenizer(config.model, settings)
    corpus = open_corpus(config, settings)
    context = Context.of(
        tokenizer, method=config.method, dataset_type=corpus.renderer.how.dataset_type, format="alpaca"
    )
    pipeline = Pipeline(corpus, method=config.method, tokenizer=tokenizer)
    best, tokens, size = dict.fromkeys(CHECKS, 1e9), 0, 0
    best["read"] = 1e9
    worked = [pipeline.work(range(start, start + CHUNK_ROWS)) for start in range(0, ROWS, CHUNK_ROWS)]
    texts = [one.texts[0] for some in worked for one in some.encoded if one is not None]
    alone = 1e9
    for _ in range(ROUNDS):
        began = time.thread_time()
        tokenizer(texts, add_special_tokens=False)
        alone = min(alone, time.thread_time() - began)
        spent = dict.fromkeys(best, 0.0)
        tokens = size = 0
        for some in worked:
            _, chunk = facts_of(some, lanes=1)
            began = time.thread_time()  # what others do on these cores meanwhile is not the doctor's
            assert chunk.text.data and chunk.reading.texts
            spent["read"] += time.thread_time() - began
            for name, check in CHECKS.items():
                began = time.thread_time()
                marks = check.look(chunk, context)
                spent[name] += time.thread_time() - began
                size += sum(one.nbytes for one in marks.values())
            tokens += len(chunk.ids)
        best = {name: min(one, spent[name]) for name, one in best.items()}
    took = 1e6 * sum(best.values()) / tokens * 200
    dearest = ", ".join(f"{name} {1e6 * best[name] / tokens * 200:.1f}" for name in sorted(best, key=best.get)[:-5:-1])
    share = sum(best.values()) / alone
    figure(
        f"doctor, {kind}: {took:.1f} µs a row of 200 tokens ({dearest}), {share:.3f} of the tokenizer's time, "
        f"{size / ROWS:.0f} bytes a row kept"
    )
    assert share < GOAL and size / ROWS < BYTES


@pytest.mark.benchmark
def test_a_report_of_a_million_rows(figure: Callable[[str], None]) -> None:
    """Concluding again for another max_length is what dragging the line and a click on Apply cost."""
    count = 1_000_000
    chance = np.random.default_rng(0)
    length = chance.lognormal(5, 0.6, (count, 1)).astype(np.int32) + 10
    first = (length * 0.3).astype(np.int32)
    facts = LaneFacts(length=length, supervised=length - first, first=first, last=length)
    marks = {name: {} for name in CHECKS}
    marks["duplicates"] = {
        "row_print": chance.integers(0, 2**63, count).astype(np.uint64),
        "row_kind": np.zeros(count, dtype=np.int8),
        "row_near": np.arange(count),
    }
    marks["scripts"] = {"row_script": np.ones(count, dtype=np.int8)}
    method = METHODS["sft"]()
    context = Context(method=method, dataset_type="prompt-completion", format="messages", vocabulary=2**20)
    rows = np.arange(count)
    view = View(
        facts=facts, train=rows[:-1000], eval=rows[-1000:], method=method, context=context, marks=marks,
        max_length=512, batch_size=8,
    )  # fmt: skip
    began = time.thread_time()
    report = build_report(marks, view)
    whole = time.thread_time() - began
    began = time.thread_time()
    build_report(marks, replace(view, max_length=int(report.curve.at[40])), before=report)
    again = time.thread_time() - began
    figure(f"report of {count:,} rows: {whole:.2f} s, again at another max_length {again:.2f} s")
    assert whole < 3 and again < 2
