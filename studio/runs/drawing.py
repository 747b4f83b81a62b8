"""One figure of a run as an inline SVG picture: raw faint, smoothed strong, evaluations as rings. Reads no file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from studio.runs.series import Point, smoothed

WIDTH, HEIGHT = 620, 210
LEFT, RIGHT, TOP, BOTTOM = 54, 10, 10, 24
SMOOTHING = 0.9
Place = Callable[[float, float], tuple[float, float]]  # (step, value) -> where it is drawn


def picture(logged: Sequence[Point], evaluated: Sequence[Point], *, label: str, smooth: bool = True) -> str:
    """The figure over its steps; `label` is what a reader who does not see it is told."""
    everything = [*logged, *evaluated]
    low, high = min(point.value for point in everything), max(point.value for point in everything)
    room = (high - low) * 0.07 or abs(high) * 0.05 or 1.0
    low, high = (0.0 if 0 <= low < room * 2 else low - room), high + room
    start, end = min(0, everything[0].step), max(point.step for point in everything)

    def at(step: float, value: float) -> tuple[float, float]:
        x = LEFT + (step - start) / ((end - start) or 1) * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [_grid(ticks(low, high, 4), ticks(start, end, 6), at)]
    raw = [at(point.step, point.value) for point in logged]
    if len(raw) > 1:
        strong = [at(point.step, value) for point, value in smoothed(list(logged), SMOOTHING)]
        parts += [_line(raw, "raw"), _line(strong, "smooth")] if smooth else [_line(raw, "smooth")]
    elif raw:
        parts.append(f'<circle class="dot" cx="{raw[0][0]}" cy="{raw[0][1]}" r="2"/>')
    rings = [at(point.step, point.value) for point in evaluated]
    if not raw and len(rings) > 1:
        parts.append(_line(rings, "raw"))
    parts += [f'<circle class="ring" cx="{x}" cy="{y}" r="3.5"/>' for x, y in rings]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from low to high, about `count` of them."""
    rough = (high - low) / count or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    size = next((factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.75), 10 * power)
    first = math.ceil(low / size - 1e-9)
    return [float(f"{number * size:.12g}") for number in range(first, math.floor(high / size + 1e-9) + 1)]


def figure(value: float) -> str:
    """A number as people read it."""
    size = abs(value)
    for large, letter in ((1e9, "G"), (1e6, "M")):
        if size >= large:
            return f"{value / large:.3g} {letter}" if size < 1e15 else f"{value:.3g}"
    if size and size < 1e-3:
        return f"{value:.3g}"
    return f"{value:,.0f}" if size >= 100 and value == int(value) else f"{value:.4g}"


def _grid(across: Sequence[float], along: Sequence[float], place: Place) -> str:
    parts = []
    for value in across:
        y = place(0, value)[1]
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="y" x="{LEFT - 7}" y="{y + 3.5}">{figure(value)}</text>')
    for step in along:
        if step == int(step):
            x = min(place(step, 0)[0], WIDTH - RIGHT - 8)
            parts.append(f'<text class="x" x="{x}" y="{HEIGHT - 6}">{int(step):,}</text>')
    return "".join(parts)


def _line(places: Sequence[tuple[float, float]], kind: str) -> str:
    return f'<path class="{kind}" d="M{"L".join(f"{x:g} {y:g}" for x, y in places)}"/>'
