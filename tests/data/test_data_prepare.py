"""Every row is accounted for: trained, held out, left out and said, or refused by number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_tokenizer import make_tokenizer

from studio.config import DataConfig, RunConfig
from studio.data.corpus import open_corpus, split_positions
from studio.data.prepare import Prepared
from studio.data.prepare import prepare as prepare_with
from studio.data.token_text import token_texts
from studio.errors import ConfigError, DataError
from studio.settings import Settings

Make = Callable[..., RunConfig]


def alpaca(count: int) -> list[dict[str, Any]]:
    return [{"instruction": f"q{number}", "input": "", "output": f"a{number}"} for number in range(count)]


def prepare(config: RunConfig, settings: Settings) -> Prepared:
    return prepare_with(config, settings=settings, tokenizer=make_tokenizer())


def answers(rows: Any) -> list[str]:
    """The trained text of each row of a trainer's data set."""
    tokenizer = make_tokenizer()
    return [tokenizer.decode([label for label in row["labels"] if label != -100]) for row in rows]


def test_split_is_seeded_ordered_and_complete(run_config: Make, settings: Settings) -> None:
    data = prepare(run_config(alpaca(50)), settings)
    assert (len(data.index), len(data.eval_index)) == (45, 5)
    assert sorted((*data.index, *data.eval_index)) == list(range(50))
    assert list(data.index) == sorted(data.index)
    assert f"a{data.index[7]}" in answers(data.train)[7]
    assert data.eval is not None and f"a{data.eval_index[1]}" in answers(data.eval)[1]
    assert list(prepare(run_config(alpaca(50)), settings).eval_index) == list(data.eval_index)
    assert list(prepare(run_config(alpaca(50), training={"seed": 7}), settings).eval_index) != list(data.eval_index)


@pytest.mark.parametrize("total", [1, 2, 3, 10])
@pytest.mark.parametrize("fraction", [0, 0.01, 0.5, 0.99])
def test_training_rows_never_run_out(total: int, fraction: float) -> None:
    train, held_out = split_positions(total, data=DataConfig(eval_fraction=fraction), seed=1)
    assert len(train) and len(train) + len(held_out) == total
    assert not set(train) & set(held_out)
    assert bool(len(held_out)) == (fraction > 0 and total > 1)


def test_one_row_and_most_rows(run_config: Make, settings: Settings) -> None:
    one = prepare(run_config(alpaca(1)), settings)
    assert (list(one.index), one.eval) == ([0], None)
    few = prepare(run_config(alpaca(50), data={"max_train_rows": 10}), settings)
    assert max(*few.index, *few.eval_index) == 9
    held = prepare(run_config(alpaca(50), data={"eval_fraction": 0.5, "max_eval_rows": 3}), settings)
    assert (len(held.index), len(held.eval_index)) == (47, 3)


def test_shuffled_rows_are_the_same_rows_in_another_order(run_config: Make, settings: Settings) -> None:
    config = run_config(alpaca(50), data={"shuffle": True, "max_train_rows": 20, "eval_fraction": 0})
    corpus = open_corpus(config, settings)
    rows = [int(one) for one in corpus.row]
    assert len(set(rows)) == 20 and rows != sorted(rows) and max(rows) > 20
    assert [row["instruction"] for row in corpus.raw(range(20))] == [f"q{row}" for row in rows]  # type: ignore[index]
    assert corpus.where(0) == str(rows[0] + 1)
    data = prepare(config, settings)
    assert [text.startswith(f"a{row}") for text, row in zip(answers(data.train), rows, strict=True)] == [True] * 20


def test_mixed_sources_keep_their_formats_and_names(tmp_path: Path, run_config: Make, settings: Settings) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"question": "x", "answer": "from the other"}\n' * 30)
    mix = [{"source": str(other), "weight": 3}]
    config = run_config(alpaca(30), data={"mix": mix, "eval_fraction": 0.2})
    corpus = open_corpus(config, settings)
    share = float(np.mean(corpus.part == 1))
    assert 0.6 < share < 0.9 and len(corpus.parts) == 2
    assert {one.mapped.format for one in corpus.parts} == {"alpaca", "prompt-completion"}
    first = int(np.flatnonzero(corpus.part == 1)[0])
    assert corpus.where(first) == f"other.jsonl {corpus.row[first] + 1}"
    data = prepare(config, settings)
    texts = answers(data.train)
    assert any("from the other" in text for text in texts) and any(text.startswith("a") for text in texts)


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


def test_good_rows_are_kept_by_choice_and_the_others_named(
    tmp_path: Path, run_config: Make, settings: Settings
) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_text('{"text": "one"}\n{"text": "two"}\n{"text": ""}\n{"text": "thr')
    with pytest.raises(DataError, match=r"2 of 4 rows cannot be used.*data\.bad_rows: skip"):
        prepare(run_config(path, data={"eval_fraction": 0}), settings)
    kept = prepare(run_config(path, data={"eval_fraction": 0, "bad_rows": "skip"}), settings)
    assert list(kept.index) == [0, 1]
    assert any("line 4" in note or "Rows: 4" in note for note in kept.notes)
    assert any("is empty" in note for note in kept.notes)


def test_bad_rows_are_named_by_line_too(tmp_path: Path, run_config: Make, settings: Settings) -> None:
    path = tmp_path / "gaps.jsonl"
    path.write_text('{"text": "a"}\n\n\n{"text": ""}\n')
    with pytest.raises(DataError, match=r"Rows: 2 \(line 4\)"):
        prepare(run_config(path), settings)


def test_a_filter_leaves_out_what_its_check_flags(run_config: Make, settings: Settings) -> None:
    rows = [*alpaca(20), *alpaca(3)]
    with pytest.raises(ConfigError, match=r"data\.filters names 'duplikates'.*the nearest is duplicates"):
        prepare(run_config(rows, data={"filters": ["duplikates"]}), settings)
    data = prepare(run_config(rows, data={"filters": ["duplicates"], "eval_fraction": 0}), settings)
    assert list(data.filtered["duplicates"]) == [20, 21, 22]
    assert list(data.index) == list(range(20))


def test_nothing_left_to_train_is_a_sentence(run_config: Make, settings: Settings) -> None:
    rows = [{"messages": [{"role": "user", "content": "q"}]}] * 3
    with pytest.raises(DataError, match=r"no row is left to train on.*Rows: 1, 2, 3 \(3 in all\)"):
        prepare(run_config(rows), settings)


def test_all_rows_too_long_is_a_sentence(run_config: Make, settings: Settings) -> None:
    rows = [{"instruction": "word " * 40, "output": "a"}] * 8
    with pytest.raises(DataError, match="0 of 8 rows keep a trainable token at max_length 16"):
        prepare(run_config(rows, training={"max_length": 16}), settings)


def test_eval_source_has_the_same_format(tmp_path: Path, run_config: Make, settings: Settings) -> None:
    other = tmp_path / "eval.csv"
    other.write_text("instruction,output\nq,a\nr,b\n")
    data = prepare(run_config(alpaca(20), data={"eval_source": str(other)}), settings)
    assert len(data.index) == 20 and data.eval is not None
    assert [text[0] for text in answers(data.eval)] == ["a", "b"]
    assert data.corpus.where(int(data.eval_index[1])) == "eval.csv 2 (line 3)"
    other.write_text("instruction,reply\nq,a\n")
    with pytest.raises(DataError, match=r"eval.csv has no column 'output'"):
        prepare(run_config(alpaca(20), data={"eval_source": str(other)}), settings)


@pytest.mark.parametrize(
    ("trained", "judged", "shared"),
    [("train", "train", True), ("train[:80%]", "train[80%:]", False), ("train[:90%]", "train[80%:]", True)],
)
def test_validation_rows_are_never_trained_on(
    trained: str, judged: str, shared: bool, run_config: Make, settings: Settings
) -> None:
    path = run_config(alpaca(20)).data.source
    config = run_config(path, data={"split": trained, "eval_source": path, "eval_split": judged})
    if shared:
        with pytest.raises(ConfigError, match="are trained on too"):
            prepare(config, settings)
    else:
        data = prepare(config, settings)
        assert (len(data.index), len(data.eval_index)) == (16, 4)


def test_starter_rows_are_ready(settings: Settings) -> None:
    from studio.model.load import load_tokenizer

    config = RunConfig()
    data = prepare_with(config, settings=settings, tokenizer=load_tokenizer(config.model, settings))
    assert data.corpus.renderer.mapped.format == "messages" and len(data.train) > 100 and not data.notes


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


def test_another_reward_looks_at_the_references_again(run_config: Make, settings: Settings) -> None:
    rows = [{"prompt": f"q{number}"} for number in range(6)]
    free = run_config(rows, method={"type": "grpo", "reward_funcs": "length"}, data={"eval_fraction": 0})
    assert len(prepare(free, settings).train) == 6
    bound = run_config(rows, method={"type": "grpo", "reward_funcs": ["exact_match"]}, data={"eval_fraction": 0})
    with pytest.raises(DataError, match="reference"):
        prepare(bound, settings)
    assert len(prepare(free, settings).train) == 6


def test_prompts_reach_the_trainer_as_they_are(run_config: Make, settings: Settings) -> None:
    talk = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why 👩‍👩‍👧?", "name": "ann"}]
    rows = [{"prompt": talk if number % 2 else talk[1:], "answer": f"a{number}"} for number in range(6)]
    config = run_config(rows, method="grpo", data={"eval_fraction": 0})
    data = prepare(config, settings)
    assert [row["prompt"] for row in data.train] == [row["prompt"] for row in rows], "no key is added, none is lost"
    assert [row["reference"] for row in data.train] == [row["answer"] for row in rows]
