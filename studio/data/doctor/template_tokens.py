"""A chat template whose control tokens the vocabulary does not have. Looks at no row."""

from __future__ import annotations

from studio.data.doctor.base import Check, Context, Finding, Marks, Positions, View
from studio.errors import DataError


class TemplateTokens(Check):
    """Control tokens that fall apart cost tokens in every turn, and the model has never seen them as borders."""

    name = "template_tokens"

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        import numpy as np

        pieces = view.context.template_pieces
        conversational = view.context.dataset_type != "tokenized" and bool(len(view.train))
        if not pieces or not conversational:
            return []
        sentence = DataError(
            "The chat template writes control tokens that this vocabulary does not have: {tokens}. They fall into "
            "pieces in every row. Choose the model's own template, or add the tokens (model.add_template_tokens: true).",
            tokens=", ".join(f"{text} ({count})" for text, count in pieces),
        )
        positions: Positions = np.flatnonzero(view.used & view.usable)
        return [self.found(sentence, positions)]

    def applies(self, context: Context) -> bool:
        return context.dataset_type != "tokenized"

    def flagged(self, marks: Marks, view: View) -> Positions:
        import numpy as np

        return np.empty(0, dtype=np.int64)
