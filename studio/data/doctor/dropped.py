"""Rows that the trainer drops at this `max_length`, as the method itself says. Judges lengths only."""

from __future__ import annotations

from studio.data.doctor.base import Check, Finding, Lever, Marks, Positions, View
from studio.data.doctor.cut import longer
from studio.errors import DataError


class Dropped(Check):
    """Rows of which nothing trained is left within `max_length`; blocking where no other row is."""

    name = "dropped"

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        import numpy as np

        positions = view.within(self.flagged(marks, view))
        if not len(positions):
            return []
        order = np.argsort(-view.facts.length[positions].max(axis=1), kind="stable")
        levers: tuple[Lever, ...] = (*longer(view), *self.leave_out(positions, view))
        details = {"limit": view.max_length, "count": len(positions), "rows": view.total}
        if not view.survives[view.train].any():
            sentence = DataError(
                "0 of {rows} rows keep a trainable token at max_length {limit}. "
                "Raise training.max_length, or choose rows whose prompts are shorter.",
                limit=view.max_length,
                rows=view.total,
            )
            return [self.found(sentence, positions[order], levers, severity="blocking")]
        if view.truncation_mode == "drop":
            sentence = DataError(
                "The trainer drops {count} of {rows} rows as longer than max_length {limit}.", **details
            )
        else:
            sentence = DataError(
                "The trainer drops {count} of {rows} rows: nothing to train is left within max_length {limit}.",
                **details,
            )
        return [self.found(sentence, positions[order], levers)]

    def flagged(self, marks: Marks, view: View) -> Positions:
        import numpy as np

        has_answer = view.facts.supervised.any(axis=1)  # those without are the business of `untrained`
        if view.context.dataset_type == "prompt-only":
            has_answer = view.usable
        return np.flatnonzero(has_answer & view.usable & ~view.survives)
