"""Scores against known values: of the literature's examples, of the libraries' own defaults, and worked by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from studio.errors import RunFailed
from studio.evaluation import EVALUATORS, Evaluator
from studio.evaluation.scores import scores
from studio.evaluation.words import spaced, words

EVERY = tuple(EVALUATORS)
FOX = "the quick brown fox jumps over the lazy dog"


def test_what_is_the_same_scores_100_and_what_shares_nothing_0() -> None:
    same = scores([FOX, "今天天气很好，我们去公园。"], [FOX, "今天天气很好，我们去公园。"], metrics=EVERY)
    assert same == pytest.approx({"rouge1": 100, "rouge2": 100, "rougeL": 100, "bleu": 100, "exact_match": 100})
    none = scores(["alpha beta gamma delta"], [FOX], metrics=EVERY)
    assert none["rouge1"] == none["rougeL"] == none["exact_match"] == 0 and none["bleu"] == 0
    assert scores([], [], metrics=EVERY) == {}
    assert scores([""], [FOX], metrics=EVERY) == pytest.approx(dict.fromkeys(none, 0))


def test_english_is_scored_as_the_libraries_score_it() -> None:
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    answers = ["The cat sat on the mat.", "Dogs don't bark at 3,000 cats!"]
    references = ["A cat sat on a mat, quietly.", "Dogs do not bark at 3,000 cats."]
    found = scores(answers, references, metrics=EVERY)
    plain = RougeScorer(["rouge1", "rouge2", "rougeL"])
    for name in ("rouge1", "rouge2", "rougeL"):
        own = [plain.score(other, one)[name].fmeasure for one, other in zip(answers, references, strict=True)]
        assert found[name] == pytest.approx(50 * sum(own), abs=1e-3)
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(answers, [references]).score, abs=1e-3)


def test_rouge_by_hand() -> None:
    """Lin 2004: police killed the gunman / police kill the gunman; three of four words shared, one pair of three."""
    found = scores(["police kill the gunman"], ["police killed the gunman"], metrics=("rouge",))
    assert found == pytest.approx({"rouge1": 75, "rouge2": 100 / 3, "rougeL": 75}, abs=1e-3)
    turned = scores(["the gunman kill police"], ["police killed the gunman"], metrics=("rouge",))
    assert (turned["rouge1"], turned["rougeL"]) == (75, 50)


def test_chinese_is_cut_into_words_by_jieba() -> None:
    assert words("我来到北京清华大学") == ["我", "来到", "北京", "清华大学"]  # jieba's own example
    assert spaced("我来到北京清华大学。").split() == ["我", "来到", "北京", "清华大学", "。"]
    # words: 我 来到 北京 清华大学 / 我 来到 上海 清华大学: three of four, one pair of three
    found = scores(["我来到上海清华大学"], ["我来到北京清华大学"], metrics=EVERY)
    assert found["rouge1"] == 75 and found["rougeL"] == 75
    assert found["rouge2"] == pytest.approx(100 / 3, abs=1e-3)
    # BLEU: precisions 3/4, 1/3, then none of 2 and 1, which are smoothed to 1/4 and 1/4
    assert found["bleu"] == pytest.approx(100 * (3 / 4 * 1 / 3 * 1 / 4 * 1 / 4) ** 0.25, abs=1e-3)
    assert found["exact_match"] == 0


def test_mixed_text_keeps_its_latin_words_whole() -> None:
    assert words("请用Python3写一个Hello World程序")[:2] == ["请", "用"]
    assert {"python3", "hello", "world", "程序"} <= set(words("请用Python3写一个Hello World程序"))
    assert spaced("plain English, as it was.") == "plain English, as it was."


def test_exact_match_minds_white_space_alone() -> None:
    found = scores(["Paris\n", "paris", "Lyon"], [" Paris", "Paris", "Lyon"], metrics=("exact_match",))
    assert found["exact_match"] == pytest.approx(200 / 3, abs=1e-3)


def test_nothing_is_imported_or_said_before_it_is_needed() -> None:
    import subprocess
    import sys

    code = (
        "import sys, studio.evaluation.scores as one\n"
        "assert not {'jieba', 'sacrebleu', 'rouge_score', 'nltk'} & set(sys.modules)\n"
        "one.scores(['今天天气很好'], ['天气很好'], metrics=('rouge', 'bleu', 'exact_match'))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "" and done.stderr == ""


class Odd(Evaluator):
    name = "odd"
    figures = ("odd",)
    gives: object = None

    def score(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        if self.gives is None:
            raise KeyError("no reason")
        return self.gives  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        (None, "The evaluator odd failed (KeyError: 'no reason'). Mend it"),
        ({"odd": float("nan")}, "The evaluator odd gave {'odd': nan}. It must give a finite number for each of its"),
        ({}, "The evaluator odd gave {}."),
        ({"odd": 1.0, "even": 2.0}, "The evaluator odd gave {'odd': 1.0, 'even': 2.0}."),
    ],
)
def test_an_evaluator_of_somebody_else_that_fails_is_named(
    gives: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = Odd()
    monkeypatch.setitem(EVALUATORS, "odd", odd)
    odd.gives = gives
    with pytest.raises(RunFailed) as told:
        scores(["a"], ["a"], metrics=("odd",))
    assert str(told.value).startswith(said)
    odd.gives = {"odd": 1}
    assert scores(["a"], ["a"], metrics=("odd", "exact_match")) == {"odd": 1.0, "exact_match": 100.0}
