"""All findings and figures of a run's rows as one report, for the page and for `check --json`. Looks at no row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from studio.data.doctor import CHECKS
from studio.data.doctor.base import SEVERITIES, Finding, Marks, Positions, View
from studio.data.doctor.curve import Curve, curve, intact, kept_lengths, lost, subset, unpredicted
from studio.data.doctor.figures import edges, histogram, packed, padded

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WEIGHTS = {"blocking": 10_000.0, "warning": 100.0, "note": 1.0}
EXAMPLES = 20  # rows of each order in the JSON face


@dataclass(frozen=True)
class Padding:
    """What random batches of training rows cost: `share` of the area is padding, to be expected, not estimated."""

    batch_size: int
    share: float


@dataclass(frozen=True)
class Packing:
    """What packing would make of the same rows: blocks of max_length, and the share of them that is tokens of rows.

    `exact` is False where only some of very many rows were reckoned.
    """

    blocks: int
    efficiency: float
    exact: bool


@dataclass(frozen=True)
class Report:
    """`fine` names the checks that apply and found nothing. Figures are of the training rows; `length` and
    `supervised` of each (by their place in `train`), lanes taken together.

    `kept_supervised` is exact unless `about` is set: then rows with several answers are cut, and it is the least.
    """

    findings: tuple[Finding, ...]
    fine: tuple[str, ...]
    train: Positions
    eval_rows: int
    usable: int
    dropped: int
    cut: int
    tokens: int
    supervised: int
    kept_tokens: int
    kept_supervised: int
    about: bool
    length: npt.NDArray[np.int64]
    supervised_by_row: npt.NDArray[np.int64]
    over: npt.NDArray[np.int64]
    max_length: int | None
    truncation_mode: str
    curve: Curve
    padding: Padding
    packing: Packing | None
    where: Callable[[int], str]

    @property
    def blocking(self) -> bool:
        """Whether something stands that a run must not start with."""
        return any(one.severity == "blocking" for one in self.findings)

    def order_worst(self, count: int) -> list[int]:
        """Positions with the severest and then the most findings first; only rows with one that not all rows have."""
        import numpy as np

        score: dict[int, float] = {}
        for finding in self.findings:
            if finding.count >= max(len(self.train), 2):
                continue
            weight = WEIGHTS[finding.severity]
            for place, position in enumerate(finding.positions[: max(count, 1000)]):
                score[int(position)] = score.get(int(position), 0.0) + weight - place * 1e-6
        positions = np.array(sorted(score, key=lambda one: (-score[one], one)), dtype=np.int64)
        return [int(one) for one in positions[:count]]

    def order_longest(self, count: int) -> list[int]:
        return _first(self.train, -self.length, count)

    def order_shortest(self, count: int) -> list[int]:
        """Of the rows with tokens."""
        some = self.length > 0
        return _first(self.train[some], self.length[some], count)

    def order_truncated(self, count: int) -> list[int]:
        """Rows that lose most tokens to `max_length` first; rows that lose none are not among them."""
        some = self.over > 0
        return _first(self.train[some], -self.over[some], count)

    def as_json(self) -> dict[str, Any]:
        """The stable face of `check --json`."""
        import numpy as np

        borders = edges(int(self.length.max(initial=0)))
        some = self.length > 0
        return {
            "rows": {
                "train": len(self.train), "eval": self.eval_rows, "usable": self.usable,
                "dropped": self.dropped, "cut": self.cut,
            },
            "tokens": {
                "total": self.tokens, "supervised": self.supervised, "kept": self.kept_tokens,
                "kept_supervised": self.kept_supervised, "about": self.about,
            },
            "length": {
                "longest": int(self.length.max(initial=0)),
                "median": int(np.median(self.length[some])) if some.any() else 0,
                "max_length": self.max_length,
                "truncation_mode": self.truncation_mode,
            },
            "histogram": {
                "edges": borders,
                "total": histogram(self.length[some], borders),
                "supervised": histogram(self.supervised_by_row[some], borders),
            },
            "curve": self.curve.as_json(),
            "padding": {"batch_size": self.padding.batch_size, "share": round(self.padding.share, 6)},
            "packing": None if self.packing is None else {
                "blocks": self.packing.blocks, "efficiency": round(self.packing.efficiency, 6),
                "exact": self.packing.exact,
            },
            "findings": [one.as_json(self.where) for one in self.findings],
            "fine": list(self.fine),
            "blocking": self.blocking,
            "orders": {
                "worst": self.order_worst(EXAMPLES), "longest": self.order_longest(EXAMPLES),
                "shortest": self.order_shortest(EXAMPLES), "truncated": self.order_truncated(EXAMPLES),
            },
        }  # fmt: skip


def build_report(marks: dict[str, Marks], view: View, *, before: Report | None = None) -> Report:
    """Conclude every check. `before` is an earlier report on the same rows, whose curve is taken over."""
    left = _left(marks, view)
    findings, fine = _findings(marks, view, left)
    view = left
    facts = subset(view.facts, view.train)
    kept = kept_lengths(view, facts)
    alive = view.survives[view.train]
    gone, exact = (None, True)
    if view.max_length is not None:
        gone, exact = lost(subset(facts, alive), view.max_length, view.method, view.truncation_mode)
    begun, sure = unpredicted(subset(facts, alive), view.max_length, view.method, view.truncation_mode)
    supervised = facts.supervised.astype("int64").sum(axis=1)
    whole = intact(facts, view.max_length, view.method, view.truncation_mode)
    widest, sequences = kept.max(axis=1, initial=0)[alive], facts.length.shape[1]
    return Report(
        findings=findings,
        fine=fine,
        train=view.train,
        eval_rows=len(view.eval),
        usable=int(view.usable[view.train].sum()),
        dropped=int((view.usable[view.train] & ~alive).sum()),
        cut=int((alive & ~whole).sum()),
        tokens=int(facts.length.sum(dtype="int64")),
        supervised=int(supervised.sum()),
        kept_tokens=int(kept[alive].sum()),
        kept_supervised=int(supervised[alive].sum()) - (0 if gone is None else int(gone.sum())) - int(begun.sum()),
        about=not (exact and sure.all()),
        length=facts.length.max(axis=1, initial=0).astype("int64"),
        supervised_by_row=supervised,
        over=(facts.length - kept).sum(axis=1),
        max_length=view.max_length,
        truncation_mode=view.truncation_mode,
        curve=before.curve if before is not None and _same(before, view) else curve(view),
        padding=_padding(widest, int(kept[alive].sum()), view.batch_size, sequences),
        packing=_packing(widest, view),
        where=view.where,
    )


def _left(marks: dict[str, Marks], view: View) -> View:
    """The view without the rows that `data.filters` leaves out."""
    import numpy as np

    left = view.usable.copy()
    for name in set(view.filters) & set(CHECKS):
        left[CHECKS[name].flagged(marks.get(name, {}), view)] = False
    if (left | ~view.usable).all():
        return view
    gone = view.usable & ~left
    train, held_out = (np.asarray(some[~gone[some]]) for some in (view.train, view.eval))
    return replace(view, train=train, eval=held_out)


def _findings(marks: dict[str, Marks], view: View, left: View) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """What each check says of the rows that are left; one whose rows are left out still says which, as a note."""
    found: list[Finding] = []
    fine: list[str] = []
    for name, check in CHECKS.items():
        if not check.applies(view.context):
            continue
        if name in view.filters:
            mine = check.conclude(marks.get(name, {}), view)
            found.extend(replace(one, severity="note", levers=()) for one in mine)
            continue
        mine = check.conclude(marks.get(name, {}), left)
        found.extend(mine)
        if not mine:
            fine.append(name)
    order = {severity: number for number, severity in enumerate(SEVERITIES)}
    return tuple(sorted(found, key=lambda one: order[one.severity])), tuple(fine)


def _same(before: Report, view: View) -> bool:
    """Whether an earlier curve still holds, and has the length that is set among its points."""
    import numpy as np

    known = view.max_length is None or view.max_length in before.curve.at
    return known and before.truncation_mode == view.truncation_mode and np.array_equal(before.train, view.train)


def _padding(widest: npt.NDArray[np.int64], tokens: int, batch_size: int, sequences: int) -> Padding:
    """Lanes of a row are padded together, as the preference trainers batch them."""
    area = padded(widest, batch_size) * sequences if len(widest) else 0.0
    return Padding(batch_size, 1 - tokens / area if area else 0.0)


def _packing(lengths: npt.NDArray[np.int64], view: View) -> Packing | None:
    """None where there is no length to pack to, and for methods that cannot pack."""
    if view.max_length is None or not len(lengths) or "packing" not in view.method.knobs():
        return None
    strategy = str(getattr(view.method, "packing_strategy", "bfd"))
    count, exact = packed(lengths, view.max_length, strategy)
    return Packing(round(count), float(lengths.sum()) / (count * view.max_length), exact)


def _first(positions: Positions, by: npt.NDArray[np.int64], count: int) -> list[int]:
    """The positions with the least `by`; those alike in their order."""
    import numpy as np

    if len(by) > 4 * count:
        limit = np.partition(by, count - 1)[count - 1] if count else by.min()
        some = np.flatnonzero(by <= limit)
        positions, by = positions[some], by[some]
    return [int(one) for one in positions[np.argsort(by, kind="stable")][:count]]
