"""One figure of a run as stretches of consecutive values, however many come. Knows nothing of logs."""

from __future__ import annotations

import math
from typing import Any

Item = list[Any]  # [where its line begins, what is kept of it]


def finite(value: object) -> float | None:
    """A finite number; anything else (a NaN is written as text) is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


class _Stretch:
    """The lowest and the highest of consecutive values, with what was kept of each."""

    __slots__ = ("begin", "count", "end", "high", "low", "most", "top", "total", "under")

    def __init__(self, at: int, step: int, value: float, item: Any) -> None:
        self.begin = self.end = at
        self.top = step  # the largest step
        self.under = self.most = value
        self.low = self.high = [at, item]
        self.total, self.count = value, 1

    def join(self, other: _Stretch) -> None:
        self.end, self.top = other.end, max(self.top, other.top)
        if other.under < self.under:
            self.under, self.low = other.under, other.low
        if other.most > self.most:
            self.most, self.high = other.most, other.high
        self.total += other.total
        self.count += other.count


class Track:
    """At most `room` stretches, each of `width` values but the last; when they are full, two become one."""

    def __init__(self, room: int) -> None:
        self.room, self.width, self.seen = room, 1, 0
        self._stretches: list[_Stretch] = []

    def add(self, at: int, step: int, value: float, item: Any) -> None:
        """A value whose line begins at byte `at`, and what to keep of it. Lines read before are passed over."""
        if at < self.seen:
            return
        last = self._stretches[-1] if self._stretches else None
        if last is None or last.count >= self.width:
            if len(self._stretches) >= self.room:
                self._halve()
                self.add(at, step, value, item)
                return
            self._stretches.append(_Stretch(at, step, value, item))
            return
        last.end = at
        last.total += value
        last.count += 1
        if step > last.top:
            last.top = step
        if value < last.under:
            last.under, last.low = value, [at, item]
        if value > last.most:
            last.most, last.high = value, [at, item]

    def cut(self, step: int, at: int) -> None:
        """Let go of stretches with a later step. They are to be added anew from `seen` on, else nothing before `at`."""
        self.seen = at
        for number, one in enumerate(self._stretches):
            if one.top > step:
                self.seen = one.begin
                del self._stretches[number:]
                return

    def stretches(self, most: int) -> list[tuple[int, Item, Item, float]]:
        """At most `most`: (where its last line begins, lowest, highest, mean)."""
        size = math.ceil(len(self._stretches) / max(1, most)) or 1
        return [
            (one.end, one.low, one.high, one.total / one.count)
            for one in (_joined(self._stretches[at : at + size]) for at in range(0, len(self._stretches), size))
        ]

    def _halve(self) -> None:
        self.width *= 2
        self._stretches = [_joined(self._stretches[at : at + 2]) for at in range(0, len(self._stretches), 2)]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        slots = _Stretch.__slots__
        rows = [[getattr(one, name) for name in slots] for one in self._stretches]
        return {"room": self.room, "width": self.width, "seen": self.seen, "stretches": rows}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Track:
        """From JSON; ValueError, TypeError or LookupError where it is not one."""
        made = cls(max(2, int(data["room"])))
        made.width, made.seen = max(1, int(data["width"])), int(data["seen"])
        for row in data["stretches"][: made.room]:
            told = dict(zip(_Stretch.__slots__, row, strict=True))
            one = _Stretch(int(told["begin"]), int(told["top"]), float(told["under"]), None)
            one.end, one.most = int(told["end"]), float(told["most"])
            one.total, one.count = float(told["total"]), max(1, int(told["count"]))
            one.low, one.high = _item(told["low"]), _item(told["high"])
            made._stretches.append(one)
        return made


def _joined(parts: list[_Stretch]) -> _Stretch:
    """Several as a new one, which leaves them as they are."""
    one = _Stretch(parts[0].begin, parts[0].top, 0.0, None)
    for name in _Stretch.__slots__:
        setattr(one, name, getattr(parts[0], name))
    for part in parts[1:]:
        one.join(part)
    return one


def _item(data: Any) -> Item:
    at, kept = data
    if isinstance(kept, list):
        return [int(at), [finite(value) for value in kept]]
    return [int(at), dict(kept)]
