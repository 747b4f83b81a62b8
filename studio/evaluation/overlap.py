"""How much of a reference an answer has: ROUGE, BLEU and exact match, 0 to 100, in English, Chinese and mixed text.

Sources: `rouge_score` (Lin 2004), `sacrebleu` (Post 2018). Chinese is cut into words by `jieba` before both.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.config.evaluation import Metric

# Han characters and the marks among them, which no space divides.
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_UNSPACED = re.compile(r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003134f]+")
_WORD = re.compile(r"[a-z0-9]+")


def overlap(answers: Sequence[str], references: Sequence[str], *, metrics: Iterable[Metric]) -> dict[str, float]:
    """Figures over all answers: means of each answer's, and BLEU of all of them together."""
    if not answers:
        return {}
    found: dict[str, float] = {}
    for metric in metrics:
        found |= SCORES[metric](answers, references)
    return {name: round(value, 4) for name, value in found.items()}


def rouge(answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """F1 over shared words, pairs of words, and the longest common sequence of words."""
    from rouge_score.rouge_scorer import RougeScorer

    names = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(names, tokenizer=_Words())
    every = [scorer.score(target, answer) for answer, target in zip(answers, references, strict=True)]
    return {name: 100 * sum(one[name].fmeasure for one in every) / len(every) for name in names}


def bleu(answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Corpus BLEU-4 as sacrebleu reckons it by default."""
    import sacrebleu

    given, wanted = [spaced(one) for one in answers], [spaced(one) for one in references]
    return {"bleu": float(sacrebleu.corpus_bleu(given, [wanted]).score)}


def exact_match(answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """The share of answers that are the reference, but for white space."""
    same = [one.split() == other.split() for one, other in zip(answers, references, strict=True)]
    return {"exact_match": 100 * sum(same) / len(same)}


SCORES: dict[Metric, Callable[[Sequence[str], Sequence[str]], dict[str, float]]] = {
    "rouge": rouge,
    "bleu": bleu,
    "exact_match": exact_match,
}


def spaced(text: str) -> str:
    """The text with spaces between the words and marks of its Chinese parts; the rest as it is."""
    return _UNSPACED.sub(lambda part: f" {' '.join(_cut(part[0]))} ", text)


def words(text: str) -> list[str]:
    """Words alone, in lower case: of Latin text as rouge_score has them, of Chinese jieba's."""
    return [word for piece in spaced(text).lower().split() for word in _HAN.findall(piece) + _WORD.findall(piece)]


class _Words:
    """What rouge_score takes for a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def _cut(text: str) -> list[str]:
    return [word for word in _jieba()(text) if not word.isspace()]


@cache
def _jieba() -> Callable[[str], list[str]]:
    """jieba's cut; its dictionary takes a second, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pkg_resources, and of the package's own source on a newer Python
        import jieba
    jieba.setLogLevel(logging.WARNING)
    cut: Callable[[str], list[str]] = jieba.lcut
    return cut
