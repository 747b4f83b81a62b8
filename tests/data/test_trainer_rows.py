"""The files a trainer reads: written when a run begins, used again, mended when damaged; and what a cut leaves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_tokenizer import make_tokenizer

from studio.config import RunConfig
from studio.data import tokens
from studio.data.prepare import Prepared
from studio.data.prepare import prepare as prepare_with
from studio.settings import Settings

Make = Callable[..., RunConfig]
TURNS = [
    {"role": "user", "content": "hello to the cat"}, {"role": "assistant", "content": "the cat said hello"},
    {"role": "user", "content": "who?"}, {"role": "assistant", "content": "the other cat, who are you? " * 3},
]  # fmt: skip


def prepare(config: RunConfig, settings: Settings) -> Prepared:
    return prepare_with(config, settings=settings, tokenizer=make_tokenizer())


def files(settings: Settings) -> list[Path]:
    return sorted(settings.scans_dir.glob("*/rows-*"))


def alpaca(count: int) -> list[dict[str, Any]]:
    return [{"instruction": f"q{n}", "output": "the cat said hello " * (n % 5 + 1)} for n in range(count)]


def test_a_check_writes_no_rows_and_a_run_writes_them_once(run_config: Make, settings: Settings) -> None:
    data = prepare(run_config(alpaca(30)), settings)
    assert data.supervised > 0 and not files(settings)
    data.write()
    assert len(files(settings)) == 2
    written = {path: path.stat().st_mtime_ns for path in files(settings)}
    for other in ({"method": {"packing_strategy": "bfd"}}, {"training": {"learning_rate": 1e-5}}):
        prepare(run_config(alpaca(30), **other), settings).write()
    assert {path: path.stat().st_mtime_ns for path in files(settings)} == written
    prepare(run_config(alpaca(30), training={"max_length": 20}), settings).write()
    assert len(files(settings)) == 4


def test_what_a_loss_is_set_to_writes_nothing_anew(run_config: Make, settings: Settings) -> None:
    pairs = [{"prompt": f"q{n}", "chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(12)]
    for beta in (0.1, 0.2):
        data = prepare(run_config(pairs, method={"type": "dpo", "beta": beta}, data={"eval_fraction": 0}), settings)
        assert len(data.train) == 12
    assert len(files(settings)) == 1


def test_a_damaged_file_of_rows_is_written_again(run_config: Make, settings: Settings) -> None:
    config = run_config(alpaca(30), data={"eval_fraction": 0})
    good = prepare(config, settings).train[:]
    (path,) = files(settings)
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[: len(whole) // 2], b"x" * len(whole)):
        path.unlink()  # what is mapped stays as it is
        path.write_bytes(damaged)
        assert prepare(config, settings).train[:] == good


def test_old_files_of_rows_make_room(run_config: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "KEPT_ROWS", 2)
    for limit in (20, 21, 22, 23):
        prepare(run_config(alpaca(9), data={"eval_fraction": 0}, training={"max_length": limit}), settings).write()
    assert len(files(settings)) == 4, "a run of today may be reading them"
    for path in files(settings):
        os.utime(path, (1, 1))
    prepare(run_config(alpaca(9), data={"eval_fraction": 0}, training={"max_length": 24}), settings).write()
    assert len(files(settings)) == 3


@pytest.mark.parametrize("mode", ["keep_start", "keep_end", "drop"])
@pytest.mark.parametrize(
    "method",
    [{}, {"assistant_only_loss": True}, {"packing": True}, {"packing": True, "packing_strategy": "wrapped"},
     {"packing": True, "packing_strategy": "bfd_split"}, {"completion_only_loss": False}],
    ids=str,
)  # fmt: skip
def test_the_figures_are_those_of_the_rows_a_trainer_is_given(
    method: dict[str, Any], mode: str, run_config: Make, settings: Settings
) -> None:
    rows = [{"messages": TURNS[: 2 + 2 * (n % 2)]} for n in range(8)]
    for limit in (12, 30, 200):
        sections = {"data": {"eval_fraction": 0}, "training": {"max_length": limit, "truncation_mode": mode}}
        config = run_config(rows, method=method, **sections)
        try:
            data = prepare(config, settings)
        except Exception as error:
            assert "0 of 8 rows keep" in str(error), error
            continue
        given = list(data.train)
        assert data.total == sum(len(row["input_ids"]) for row in given)
        trained = sum(label != -100 for row in given for label in row["labels"])
        strategy = method.get("packing_strategy", "bfd") if method.get("packing") else "wrapped"
        every = {"bfd": 10**9, "bfd_split": limit}.get(strategy)  # first tokens of a piece: its collator masks them
        begins = sum(label != -100 for row in given for label in row["labels"][::every]) if every else 0
        assert data.supervised == trained - begins
        whole = data.scan.facts.length[data.index, 0]
        cut = [len(row["input_ids"]) < length for row, length in zip(given, whole, strict=True)]
        assert data.truncated == sum(cut)


def test_prompts_are_never_cut(run_config: Make, settings: Settings) -> None:
    rows = [{"prompt": "the cat said hello " * 20, "answer": "a"}] * 3
    data = prepare(run_config(rows, method="grpo", data={"eval_fraction": 0}, training={"max_length": 16}), settings)
    assert data.truncated == 0 and data.total == int(data.lengths.sum()) > 48
