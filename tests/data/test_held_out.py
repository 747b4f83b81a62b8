"""Rows held out are never trained on: not where mixing repeats them, nor where a source is named twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.config.files import anchor, build
from studio.data.corpus import Corpus, open_corpus
from studio.data.tools_file import tools_of
from studio.errors import ConfigError, DataError
from studio.settings import Settings

Make = Callable[..., RunConfig]


def written(path: Path, name: str, count: int) -> str:
    path.write_text("".join(json.dumps({"question": f"{name}{n}", "answer": "a"}) + "\n" for n in range(count)))
    return str(path)


def texts(corpus: Corpus, positions: Any) -> set[str]:
    return {str(row["question"]) for row in corpus.raw([int(one) for one in positions]) if isinstance(row, dict)}


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("max_train_rows", [None, 60])
def test_a_repeated_row_is_on_one_side(
    shuffle: bool, max_train_rows: int | None, tmp_path: Path, run_config: Make, settings: Settings
) -> None:
    one, two = written(tmp_path / "one.jsonl", "a", 80), written(tmp_path / "two.jsonl", "b", 7)
    data = {"mix": [{"source": two}], "mix_strategy": "all_exhausted", "eval_fraction": 0.3, "shuffle": shuffle}
    corpus = open_corpus(run_config(one, data={**data, "max_train_rows": max_train_rows}), settings)
    trained, held = texts(corpus, corpus.train), texts(corpus, corpus.eval)
    assert trained and held and not trained & held
    assert len(held) == len(corpus.eval), "each row is evaluated on once"
    assert any(text.startswith("b") for text in trained)


def test_a_source_mixed_with_itself_is_on_one_side(tmp_path: Path, run_config: Make, settings: Settings) -> None:
    one = written(tmp_path / "one.jsonl", "a", 40)
    corpus = open_corpus(run_config(one, data={"mix": [{"source": one}], "eval_fraction": 0.2}), settings)
    assert texts(corpus, corpus.eval) and not texts(corpus, corpus.train) & texts(corpus, corpus.eval)


def test_a_mixed_source_cannot_be_the_validation_source(tmp_path: Path, run_config: Make, settings: Settings) -> None:
    one, two = written(tmp_path / "one.jsonl", "a", 9), written(tmp_path / "two.jsonl", "b", 9)
    with pytest.raises(ConfigError, match="trained on too"):
        open_corpus(run_config(one, data={"mix": [{"source": two}], "eval_source": two}), settings)
    sliced = {"mix": [{"source": two, "split": "train[:5]"}], "eval_source": two, "eval_split": "train[5:]"}
    corpus = open_corpus(run_config(one, data=sliced), settings)
    assert not texts(corpus, corpus.train) & texts(corpus, corpus.eval)


@pytest.mark.parametrize(
    "data",
    [
        {"split": "train[:20]", "mix": [{"source": "ONE", "split": "train[10:30]"}]},
        {"mix": [{"source": "ONE", "split": "train[10:30]"}]},
        {"split": "train[:30]+train[:30]"},
        {"mix": [{"source": "ONE "}]},
        {"mix": [{"source": "LINK"}]},
        {"mix": [{"source": "FOLDER"}]},
    ],
    ids=str,
)
def test_a_row_under_two_names_is_on_one_side(
    data: dict[str, Any], tmp_path: Path, run_config: Make, settings: Settings
) -> None:
    one = many_names(tmp_path)
    named = json.loads(json.dumps(data).replace("ONE", one).replace("LINK", f"{tmp_path}/link.jsonl")
                       .replace("FOLDER", str(tmp_path / "folder")))  # fmt: skip
    corpus = open_corpus(run_config(one, data={"eval_fraction": 0.3, **named}), settings)
    assert texts(corpus, corpus.eval) and not texts(corpus, corpus.train) & texts(corpus, corpus.eval)
    assert len(texts(corpus, corpus.eval)) == len(corpus.eval)


def many_names(folder: Path) -> str:
    """A file of forty rows in a folder of its own, and a link to it outside."""
    (folder / "folder").mkdir()
    one = written(folder / "folder" / "one.jsonl", "a", 40)
    (folder / "link.jsonl").symlink_to(one)
    return one


@pytest.mark.parametrize("named", ["./folder/one.jsonl", "link.jsonl", "folder/", "folder/../folder/one.jsonl"])
def test_trained_rows_are_no_validation_rows_under_any_name(
    named: str, tmp_path: Path, run_config: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = many_names(tmp_path)
    monkeypatch.chdir(tmp_path)
    for source, held in ((one, named), (named, one)):
        with pytest.raises(ConfigError, match="trained on too"):
            open_corpus(run_config(source, data={"eval_source": held}), settings)


def test_a_copy_elsewhere_is_another_file_which_the_doctor_compares(
    tmp_path: Path, run_config: Make, settings: Settings
) -> None:
    one, two = written(tmp_path / "one.jsonl", "a", 9), written(tmp_path / "two.jsonl", "a", 9)
    assert len(open_corpus(run_config(one, data={"eval_source": two}), settings).eval) == 9


def test_a_folder_called_starter_is_not_the_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "starter").mkdir()
    monkeypatch.chdir(tmp_path)
    assert anchor(build({})).data.source == "starter"
    assert anchor(build({"data": {"source": "./starter"}})).data.source == str(tmp_path / "starter")


@pytest.mark.parametrize("source", ["tools\0.json", "~nobody-of-this-name/tools.json"])
def test_a_path_of_tools_that_is_none_is_a_sentence(source: str, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot|Cannot|not a path"):
        tools_of(source, settings)
    with pytest.raises(DataError, match="not a regular file"):
        tools_of(str(tmp_path), settings)
