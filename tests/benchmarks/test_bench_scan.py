"""A look at every row against the tokenizer alone, on the same rows and cores; and what a million rows take."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from studio.config import RunConfig
from studio.config.files import build
from studio.data.corpus import open_corpus
from studio.data.pipeline import Pipeline
from studio.data.prepare import report_of, scan_of
from studio.data.preview import preview
from studio.model.load import load_tokenizer
from studio.settings import ROOT, Settings

ROWS, ROUNDS = 20_000, 3
GOAL = 0.8  # of the tokenizer's own throughput
MILLION = 1_000_000
LOOKED_AT = int(os.environ.get("TUNEFORK_BENCH_ROWS", "50000"))  # of the million; all of them take minutes
FIRST_PREVIEW, GROWTH = 1.5, 300  # seconds, MB


@pytest.fixture
def both_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tokenizer's threads, as the command line and the page have them."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    yield


def write_rows(path: Path, count: int, *, words_a_row: int = 150) -> None:
    """Rows of real words in random order, none a copy of another."""
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    chance = random.Random(5)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            said = chance.choices(words, k=words_a_row + chance.randrange(20))
            row = {"instruction": f"{number} {' '.join(said[:20])}", "output": " ".join(said[20:])}
            file.write(json.dumps(row) + "\n")


def config_of(path: Path, model: str) -> RunConfig:
    return build({"data": {"source": str(path)}, "model": {"model_name_or_path": model}})


@pytest.mark.benchmark
@pytest.mark.usefixtures("both_cores")
@pytest.mark.parametrize(
    "model", [pytest.param("starter", marks=pytest.mark.thorough), pytest.param("smollm2", marks=pytest.mark.slow)]
)
def test_a_look_at_every_row_keeps_the_tokenizers_pace(
    model: str, tmp_path: Path, settings: Settings, figure: Callable[[str], None]
) -> None:
    path = tmp_path / "rows.jsonl"
    write_rows(path, ROWS)
    config = config_of(path, model)
    tokenizer = load_tokenizer(config.model, settings)
    corpus = open_corpus(config, settings)
    pipeline = Pipeline(corpus, method=config.method, tokenizer=tokenizer)
    texts = [one.texts[0] for one in pipeline.work(range(ROWS)).encoded if one is not None]
    assert len(texts) == ROWS
    alone, looked, tokens = [], [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for start in range(0, ROWS, 512):
            tokenizer(texts[start : start + 512], add_special_tokens=False)
        alone.append(time.perf_counter() - began)
        shutil.rmtree(settings.scans_dir, ignore_errors=True)
        began = time.perf_counter()
        found = scan_of(config, settings=settings, tokenizer=tokenizer)
        report_of(config, found)
        looked.append(time.perf_counter() - began)
        tokens = int(found.facts.length.sum())
    share = statistics.median(alone) / statistics.median(looked)
    seconds, plain = statistics.median(looked), statistics.median(alone)
    figure(
        f"look at every row, {model}: {ROWS:,} rows of {tokens / ROWS:.0f} tokens in {seconds:.2f} s, "
        f"the tokenizer alone {plain:.2f} s: {share:.2f} of its pace ({os.cpu_count()} cores)"
    )
    assert share >= GOAL


@pytest.mark.slow
@pytest.mark.benchmark
@pytest.mark.usefixtures("both_cores")
def test_a_million_rows(tmp_path: Path, settings: Settings, figure: Callable[[str], None]) -> None:
    """First preview at once, in little memory; the look goes on behind it (here: for a share of the rows)."""
    path = tmp_path / "million.jsonl"
    write_rows(path, MILLION)
    small = tmp_path / "small.jsonl"
    write_rows(small, 64)
    warm = config_of(small, "starter")
    tokenizer = load_tokenizer(warm.model, settings)
    preview(warm, settings=settings, tokenizer=tokenizer)
    scan_of(warm, settings=settings, tokenizer=tokenizer)
    process, config = psutil.Process(), config_of(path, "starter")
    before = process.memory_info().rss
    began = time.perf_counter()
    shown = preview(config, settings=settings, tokenizer=tokenizer)
    first = time.perf_counter() - began
    assert shown.of == 900_000 and len(shown.rows) == 4
    most = [0]

    def progress(done: int, total: int) -> None:
        most[0] = max(most[0], process.memory_info().rss)

    some = config.model_copy(update={"data": config.data.model_copy(update={"max_train_rows": LOOKED_AT})})
    began = time.perf_counter()
    found = scan_of(some, settings=settings, tokenizer=tokenizer, progress=progress)
    looked = time.perf_counter() - began
    report = report_of(some, found)
    most[0] = max(most[0], process.memory_info().rss)
    grown = (most[0] - before) / 1e6
    figure(
        f"{MILLION:,} rows, {path.stat().st_size / 1e9:.2f} GB: first preview {first:.2f} s, {LOOKED_AT:,} looked "
        f"at in {looked:.0f} s ({report.tokens / looked:,.0f} tokens a second), memory +{grown:.0f} MB"
    )
    assert first < FIRST_PREVIEW and grown < GROWTH
