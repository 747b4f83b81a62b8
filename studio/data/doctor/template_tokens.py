"""A chat template whose control tokens the vocabulary does not have. Reads no text of rows."""

from __future__ import annotations

from studio.data.doctor.base import Check, Chunk, Context, Finding, Lever, Marks, Positions, View, marked
from studio.errors import DataError


class TemplateTokens(Check):
    """Control tokens that fall apart cost tokens in every turn, and the model has never seen them as borders."""

    name = "template_tokens"

    def applies(self, context: Context) -> bool:
        return context.dataset_type != "tokenized"

    def look(self, chunk: Chunk, context: Context) -> Marks:
        """Conversations; plain text is written without the template."""
        if not context.template_pieces:
            return {}
        return {"position": chunk.mark([row for row, roles in enumerate(chunk.reading.roles) if roles])}

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        positions = view.within(marked(marks))
        if not len(positions):
            return []
        sentence = DataError(
            "The chat template writes control tokens that this vocabulary does not have: {tokens}. They fall into "
            "pieces in every row. Choose the model's own template, or add the tokens "
            "(model.add_template_tokens: true).",
            tokens=", ".join(f"{text} ({count})" for text, count in view.context.template_pieces),
        )
        label = DataError("Add these tokens to the vocabulary")
        return [self.found(sentence, positions, [Lever.of(label, {"model.add_template_tokens": True})])]

    def flagged(self, marks: Marks, view: View) -> Positions:
        """None: it is not the rows' fault."""
        import numpy as np

        return np.empty(0, dtype=np.int64)
