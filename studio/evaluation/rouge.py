"""ROUGE: how many words, pairs of words and longest sequences of words are shared. Source: Lin 2004, `rouge_score`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.evaluation.base import Evaluator
from studio.evaluation.words import words


class Rouge(Evaluator):
    """F1 over shared words, pairs of words and the longest common sequence of words; means of all answers, 0 to 100."""

    name: ClassVar[str] = "rouge"
    figures: ClassVar[tuple[str, ...]] = ("rouge1", "rouge2", "rougeL")

    def score(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(list(self.figures), tokenizer=_Words())
        every = [scorer.score(target, answer) for answer, target in zip(answers, references, strict=True)]
        return {name: 100 * sum(one[name].fmeasure for one in every) / len(every) for name in self.figures}


class _Words:
    """What rouge_score takes for a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)
