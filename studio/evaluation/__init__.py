"""How good answers are, from texts alone. A new evaluator is a class here and a line in EVALUATORS."""

from __future__ import annotations

from studio.evaluation.base import Evaluator
from studio.evaluation.bleu import Bleu
from studio.evaluation.exact_match import ExactMatch
from studio.evaluation.rouge import Rouge

# The order is that of the form.
EVALUATORS: dict[str, Evaluator] = {one.name: one for one in (Rouge(), Bleu(), ExactMatch())}

__all__ = ["EVALUATORS", "Evaluator"]
