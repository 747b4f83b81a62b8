"""What each `max_length` would cost: rows cut, rows dropped, tokens kept. Asks the method, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from studio.data.doctor.base import View
    from studio.methods import Method
    from studio.methods.base import LaneFacts

    Mask = npt.NDArray[np.bool_]
    Keeps = Callable[[LaneFacts, int], Mask]

SHORTEST = 8  # the least max_length there is
POINTS = 96
Window = Literal["start", "end", "all", "nothing"]


@dataclass(frozen=True)
class Curve:
    """For each length in `at`: training rows that lose trained tokens but are kept, rows dropped, tokens kept."""

    at: npt.NDArray[np.int64]
    cut: npt.NDArray[np.int64]
    dropped: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]

    def as_json(self) -> dict[str, list[int]]:
        return {name: [int(one) for one in getattr(self, name)] for name in ("at", "cut", "dropped", "tokens")}


def curve(view: View) -> Curve:
    """The figures at up to a hundred lengths, among them the one that is set. Each is exact."""
    import numpy as np

    facts = subset(view.facts, view.train[view.usable[view.train]])
    rows = len(facts.length)
    longest = facts.length.max(axis=1, initial=0)
    at = grid(int(longest.max(initial=SHORTEST)), also=view.max_length)
    if not rows:
        return Curve(at, *(np.zeros(len(at), dtype=np.int64) for _ in range(3)))
    mode = view.truncation_mode
    lives = _least(facts, at, lambda some, limit: view.method.survives(some, max_length=limit, truncation_mode=mode))
    whole = _least(facts, at, lambda some, limit: intact(some, limit, view.method, mode))
    kept, uncut = _up_to(lives, len(at)), _up_to(np.maximum(whole, lives), len(at))
    return Curve(
        at=at, cut=kept - uncut, dropped=rows - kept, tokens=_tokens(facts, at, lives, window(view.method, mode))
    )


def intact(facts: LaneFacts, limit: int | None, method: Method, mode: str) -> Mask:
    """Which rows keep every trained token at a length."""
    import numpy as np

    if limit is None:
        return np.ones(len(facts.length), dtype=bool)
    kind = window(method, mode)
    if kind == "start":
        fits = facts.last <= limit
    elif kind == "end":
        fits = facts.length - np.minimum(facts.first, facts.length) <= limit
    elif kind == "all":
        fits = np.ones_like(facts.length, dtype=bool)
    else:
        return method.survives(facts, max_length=limit, truncation_mode=mode)
    return np.asarray(fits.all(axis=1))


def window(method: Method, mode: str) -> Window:
    """Which part of a lane that is too long the method keeps, found out by showing it one."""
    from studio.methods.base import Lane

    limit = SHORTEST
    probe = Lane(ids=list(range(2 * limit)), spans=(0, 2 * limit))
    shown = method.shown(probe, max_length=limit, truncation_mode=mode)
    kinds: dict[tuple[int, int], Window] = {(0, limit): "start", (limit, 2 * limit): "end", (0, 2 * limit): "all"}
    return kinds.get((int(shown[0]), int(shown[1])), "nothing")


def lost(facts: LaneFacts, limit: int, method: Method, mode: str) -> tuple[npt.NDArray[np.int64], bool]:
    """Trained tokens that each row loses at a length, and whether that is exact: it is where each lane's trained
    tokens are one stretch; else it is the most it can be."""
    import numpy as np

    kind = window(method, mode)
    if kind not in ("start", "end"):
        return np.zeros(len(facts.length), dtype=np.int64), True
    beyond = facts.last - limit if kind == "start" else facts.length - limit - facts.first
    gone = np.clip(beyond, 0, facts.supervised).astype(np.int64)
    stretch = np.maximum(facts.last - facts.first, 0) == facts.supervised
    return gone.sum(axis=1), bool(stretch[gone > 0].all())


def unpredicted(
    facts: LaneFacts, limit: int | None, method: Method, mode: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Trained tokens at which a packed piece of a row begins, which are not in the loss, and of which rows that is
    exact: of those whose trained tokens are one stretch; of the others it is the most it can be. Shapes: (rows,)."""
    import numpy as np

    found = method.begins(facts.length[:, 0].astype(np.int64), max_length=limit, truncation_mode=mode)
    if found is None:
        return np.zeros(len(facts.length), dtype=np.int64), np.ones(len(facts.length), dtype=bool)
    offset, step = found
    first, last, supervised = (one[:, 0].astype(np.int64) for one in (facts.first, facts.last, facts.supervised))
    # begins are offset, offset + step, ...: those before the end, less those before the first trained token
    before_last, before_first = (np.maximum(-((offset - edge) // step), 0) for edge in (last, first))
    counts = np.where(supervised > 0, before_last - before_first, 0)
    return counts, (counts == 0) | (last - first == supervised)


def kept_lengths(view: View, facts: LaneFacts) -> npt.NDArray[np.int64]:
    """Each lane's length in training."""
    import numpy as np

    whole = facts.length.astype(np.int64)
    if view.max_length is None or window(view.method, view.truncation_mode) == "all":
        return whole
    return np.minimum(whole, view.max_length)


def subset(facts: LaneFacts, rows: npt.NDArray[Any]) -> LaneFacts:
    """The facts of some rows."""
    return replace(
        facts, length=facts.length[rows], supervised=facts.supervised[rows],
        first=facts.first[rows], last=facts.last[rows],
    )  # fmt: skip


def grid(longest: int, *, also: int | None = None) -> npt.NDArray[np.int64]:
    """Rising lengths from 8 to the longest row, as close at hand as a pointer can tell apart."""
    import numpy as np

    longest = max(longest, SHORTEST)
    even = np.linspace(SHORTEST, longest, POINTS // 2)
    dense = np.geomspace(SHORTEST, longest, POINTS // 2)
    points = np.unique(np.concatenate([np.rint(even), np.rint(dense), [SHORTEST, longest]]).astype(np.int64))
    if also is not None and also >= SHORTEST:
        points = np.union1d(points, [also])
    return points


def _least(facts: LaneFacts, at: npt.NDArray[np.int64], keeps: Keeps) -> npt.NDArray[np.int64]:
    """For each row the first place in `at` whose length keeps it; len(at) where none does. By halving: a row that is
    kept at a length is kept at every longer one."""
    import numpy as np

    found = np.full(len(facts.length), len(at), dtype=np.int64)
    waiting = [(np.arange(len(facts.length)), 0, len(at))]
    while waiting:
        rows, low, high = waiting.pop()
        if low == high or not len(rows):
            found[rows] = low
            continue
        middle = (low + high) // 2
        kept = keeps(subset(facts, rows), int(at[middle]))
        waiting += [(rows[kept], low, middle), (rows[~kept], middle + 1, high)]
    return found


def _up_to(places: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """How many rows have reached their place, at each of `count` places."""
    import numpy as np

    return np.cumsum(np.bincount(places, minlength=count + 1)[:count])


def _tokens(
    facts: LaneFacts, at: npt.NDArray[np.int64], lives: npt.NDArray[np.int64], kind: Window
) -> npt.NDArray[np.int64]:
    """Tokens of the rows that are kept, each lane cut to the length."""
    import numpy as np

    found = np.zeros(len(at) + 1, dtype=np.float64)
    capped = np.zeros(len(at) + 1, dtype=np.int64)
    for lane in facts.length.astype(np.int64).T:
        whole = lives if kind == "all" else np.maximum(np.searchsorted(at, lane), lives)
        found += np.bincount(whole, weights=lane, minlength=len(at) + 1)[: len(at) + 1]
        capped += np.bincount(lives, minlength=len(at) + 1)[: len(at) + 1]
        capped -= np.bincount(whole, minlength=len(at) + 1)[: len(at) + 1]
    return np.rint(np.cumsum(found)).astype(np.int64)[:-1] + np.cumsum(capped)[:-1] * at
