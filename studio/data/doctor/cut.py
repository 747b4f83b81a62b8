"""Answers that `max_length` cuts off, in rows the trainer keeps. Judges lengths only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.data.doctor.base import Check, Context, Finding, Lever, Marks, Positions, View
from studio.data.doctor.curve import intact, lost, subset
from studio.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Cut(Check):
    """Trained tokens beyond `max_length`: the model learns answers that stop in the middle."""

    name = "cut"

    def applies(self, context: Context) -> bool:
        return context.dataset_type != "prompt-only"

    def conclude(self, marks: Marks, view: View) -> list[Finding]:
        import numpy as np

        positions = view.within(self.flagged(marks, view))
        if not len(positions) or view.max_length is None:
            return []
        gone, exact = lost(subset(view.facts, positions), view.max_length, view.method, view.truncation_mode)
        order = np.argsort(-gone, kind="stable")
        details = {
            "limit": view.max_length, "count": len(positions), "rows": view.total,
            "tokens": int(gone.sum()), "most": int(gone.max(initial=0)),
        }  # fmt: skip
        if exact:
            sentence = DataError(
                "max_length {limit} cuts the answer in {count} of {rows} rows: {tokens} supervised tokens are lost, "
                "{most} in the worst row.",
                **details,
            )
        else:
            sentence = DataError(
                "max_length {limit} cuts the answers in {count} of {rows} rows: up to {tokens} supervised tokens are "
                "lost, up to {most} in the worst row.",
                **details,
            )
        levers = (*longer(view), *self.leave_out(positions, view))
        return [self.found(sentence, positions[order], levers)]

    def flagged(self, marks: Marks, view: View) -> Positions:
        import numpy as np

        whole = intact(view.facts, view.max_length, view.method, view.truncation_mode)
        return np.flatnonzero(view.survives & ~whole)


def longer(view: View) -> tuple[Lever, ...]:
    """Raise `max_length` to what keeps all answers whole, and to what keeps 99 % of them, where that is less."""
    import numpy as np

    need = _needed(view)
    if view.max_length is None or not len(need):
        return ()
    most = view.context.most_positions or int(need.max())
    every, nearly = int(min(need.max(), most)), int(np.quantile(need, 0.99, method="higher"))
    made = []
    if every > view.max_length:
        share = float((need <= every).mean())
        label = (
            DataError("max_length {length} keeps all whole", length=every)
            if share == 1
            else DataError("max_length {length}, this model's most", length=every)
        )
        made.append(Lever.of(label, {"training.max_length": every}))
    if view.max_length < nearly < every * 0.9:
        label = DataError("max_length {length} keeps 99 % whole", length=nearly)
        made.append(Lever.of(label, {"training.max_length": nearly}))
    return tuple(made)


def _needed(view: View) -> npt.NDArray[np.int64]:
    """The least length at which each row in use keeps all it has to train."""
    import numpy as np

    facts = subset(view.facts, np.flatnonzero(view.used & view.usable))
    ends = facts.last if view.truncation_mode == "keep_start" else facts.length
    return ends.max(axis=1, initial=0).astype(np.int64)
