"""Every row is accounted for: trained, held out, left out and said, or refused by number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_tokenizer import make_tokenizer

from studio.config import DataConfig, RunConfig
from studio.data.prepare import prepare, split_rows
from studio.data.preview import tokenize
from studio.data.token_text import token_texts
from studio.errors import ConfigError, DataError
from studio.settings import Settings

Make = Callable[..., RunConfig]


def alpaca(count: int) -> list[dict[str, Any]]:
    return [{"instruction": f"q{number}", "input": "", "output": f"a{number}"} for number in range(count)]


def test_split_is_seeded_ordered_and_complete(run_config: Make, settings: Settings) -> None:
    data = prepare(run_config(alpaca(50)), settings)
    assert (len(data.train_index), len(data.eval_index)) == (45, 5)
    assert sorted((*data.train_index, *data.eval_index)) == list(range(50))
    assert data.train_index == tuple(sorted(data.train_index))
    assert data.train["completion"][7][0]["content"] == f"a{data.train_index[7]}"
    assert data.eval is not None and data.eval["completion"][1][0]["content"] == f"a{data.eval_index[1]}"
    assert prepare(run_config(alpaca(50)), settings).eval_index == data.eval_index
    assert prepare(run_config(alpaca(50), training={"seed": 7}), settings).eval_index != data.eval_index


@pytest.mark.parametrize("total", [1, 2, 3, 10])
@pytest.mark.parametrize("fraction", [0, 0.01, 0.5, 0.99])
def test_training_rows_never_run_out(total: int, fraction: float) -> None:
    train, held_out = split_rows(total, data=DataConfig(eval_fraction=fraction), seed=1)
    assert train and len(train) + len(held_out) == total
    assert bool(held_out) == (fraction > 0 and total > 1)


def test_one_row_and_most_rows(run_config: Make, settings: Settings) -> None:
    one = prepare(run_config(alpaca(1)), settings)
    assert (one.train_index, one.eval) == ((0,), None)
    few = prepare(run_config(alpaca(50), data={"max_train_rows": 10}), settings)
    assert max(*few.train_index, *few.eval_index) == 9


def test_all_bad_rows_are_counted_and_named_together(run_config: Make, settings: Settings) -> None:
    rows = alpaca(200)
    for number in (3, 8, 11):
        rows[number]["output"] = ""
    with pytest.raises(DataError, match=r"3 of 200 rows.*'output' is empty\. Rows: 4, 9, 12 \(counting from 1\)"):
        prepare(run_config(rows), settings)
    rows[150]["output"] = None
    for row in rows[:20]:
        row["output"] = ""
    with pytest.raises(DataError, match=r"21 of 200.*Rows: 1, 2, 3, 4, 5, \+15 .*1 more have other faults"):
        prepare(run_config(rows), settings)


def test_bad_rows_are_named_by_line_too(tmp_path: Path, run_config: Make, settings: Settings) -> None:
    path = tmp_path / "gaps.jsonl"
    path.write_text('{"text": "a"}\n\n\n{"text": ""}\n')
    with pytest.raises(DataError, match=r"Rows: 2 \(line 4\)"):
        prepare(run_config(path), settings)


def test_plain_text_and_conversations_do_not_mix(run_config: Make, settings: Settings) -> None:
    turns = [{"role": "user", "content": "q"}], [{"role": "assistant", "content": "a"}]
    rows = [{"prompt": "p", "completion": "c"}, {"prompt": turns[0], "completion": turns[1]}]
    with pytest.raises(DataError, match=r"1 of 2 rows.*mixes plain text and conversations.*Rows: 2"):
        prepare(run_config(rows), settings)


def test_nothing_left_to_train_is_a_sentence(run_config: Make, settings: Settings) -> None:
    rows = [{"messages": [{"role": "user", "content": "q"}]}] * 3
    with pytest.raises(DataError, match=r"no row is left to train on.*Rows: 1, 2, 3 \(3 in all\)"):
        prepare(run_config(rows), settings)


def test_eval_source_has_the_same_format(tmp_path: Path, run_config: Make, settings: Settings) -> None:
    other = tmp_path / "eval.csv"
    other.write_text("instruction,output\nq,a\nr,b\n")
    data = prepare(run_config(alpaca(20), data={"eval_source": str(other)}), settings)
    assert len(data.train) == 20 and data.eval is not None and data.eval_table is not None
    assert data.eval["completion"][1] == [{"role": "assistant", "content": "b"}]
    assert tokenize(data, method=run_config(alpaca(1)).method, tokenizer=make_tokenizer(), max_length=64).eval
    other.write_text("instruction,reply\nq,a\n")
    with pytest.raises(DataError, match=r"eval.csv has no column 'output'"):
        prepare(run_config(alpaca(20), data={"eval_source": str(other)}), settings)
    with pytest.raises(ConfigError, match=r"same as data\.source"):
        path = run_config(alpaca(20)).data.source
        prepare(run_config(path, data={"eval_source": path}), settings)


def test_starter_rows_are_ready(settings: Settings) -> None:
    data = prepare(RunConfig(), settings)
    assert data.mapped.format == "messages" and len(data.train) > 100 and not data.notes


@pytest.mark.parametrize("text", ["a 中👩‍👩‍👧 \ufffd\ufffd b\u0301 مر\u200d", "\ufffd", "", "𝔘" * 9, "<|im_start|>é"])
def test_token_texts_join_to_the_text(text: str) -> None:
    tokenizer = make_tokenizer()
    ids = tokenizer(text)["input_ids"]
    texts = token_texts(ids, tokenizer)
    assert "".join(texts) == text and len(texts) == len(ids)


def test_token_texts_of_broken_characters_are_shown_not_lost() -> None:
    tokenizer = make_tokenizer()
    ids = tokenizer("中x中")["input_ids"]
    assert token_texts([*ids[:2], *ids[3:]], tokenizer) == ["\ufffd", "", "x", "中", "", ""]


def test_token_texts_of_byte_fallback() -> None:
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "▁Hi", *(f"<0x{byte:02X}>" for byte in "中".encode()), "!"]
    raw = Tokenizer(
        models.BPE(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], byte_fallback=True)
    )
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw)
    assert token_texts([1, 2, 3, 4, 5], tokenizer) == [" Hi", "中", "", "", "!"]
