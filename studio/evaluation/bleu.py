"""BLEU: how many sequences of one to four words are shared. Source: Post 2018, `sacrebleu`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from studio.evaluation.base import Evaluator
from studio.evaluation.words import spaced


class Bleu(Evaluator):
    """Corpus BLEU-4 of all answers together, as sacrebleu reckons it by default, 0 to 100."""

    name: ClassVar[str] = "bleu"
    figures: ClassVar[tuple[str, ...]] = ("bleu",)

    def score(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        import sacrebleu

        given, wanted = [spaced(one) for one in answers], [spaced(one) for one in references]
        return {"bleu": float(sacrebleu.corpus_bleu(given, [wanted]).score)}
