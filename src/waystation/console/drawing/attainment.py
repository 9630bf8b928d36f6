"""The attainment curve: share restored in time over capital, its chosen point, and stops that move the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from waystation.console.drawing.scale import Scale

LEFT, RIGHT, TOP, FOOT = 48.0, 640.0, 20.0, 290.0
STOPS = 24
LABEL_W, LINE = 150.0, 15.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A point on or beside the curve, with its words; the chosen one is filled."""

    capital: float
    share: float
    words: str
    chosen: bool = False


def attainment(
    points: Sequence[tuple[float, float]], floor: float, marks: Sequence[Mark], target: float | None, said: str
) -> SafeString:
    """`points` are (capital, share) rising; below `floor` no plan is allowed. A stop of the axis is a link."""
    most = max([c for c, _ in points] + [m.capital for m in marks] + [1.0])
    low = _low([s for _, s in points] + [m.share for m in marks] + ([target] if target is not None else []))
    x, y = Scale(0.0, most * 1.02, LEFT, RIGHT), Scale(low, 1.0, FOOT, TOP)
    line = "L".join(f"{x(c)} {y(s)}" for c, s in points)
    parts = [
        _rows(y, low),
        _columns(x, most),
        _not_allowed(x, floor),
        format_html('<path class="p1" d="M{}"/>', line),
        _target(y, target),
        _stops(x, y, floor, points, most),
        format_html_join("", "{}", ((_mark(x, y, m, at),) for m, at in zip(marks, _labels(y, marks), strict=True))),
    ]
    inner = format_html_join("", "{}", ((p,) for p in parts))
    return format_html('<svg class="fig" viewBox="0 0 720 326" role="group" aria-label="{}">{}</svg>', said, inner)


def _low(shares: Sequence[float]) -> float:
    """The foot of the axis: a whole tenth below everything shown, 0 when half or less is."""
    least = min(shares)
    return 0.0 if least <= 0.5 else int(least * 10) / 10.0 - (0.1 if least * 10 == int(least * 10) else 0.0)


def _rows(y: Scale, low: float) -> SafeString:
    step = 0.1 if low >= 0.4 else 0.2
    count = round((1.0 - low) / step)
    rows = [(y(low + n * step), f"{(low + n * step) * 100:.0f}{' %' if n == count else ''}") for n in range(count + 1)]
    return format_html_join(
        "",
        '<path class="grid" d="M{1} {0}H{2}"/><text class="ax" x="{3}" y="{4}" text-anchor="end">{5}</text>',
        ((at, LEFT, RIGHT, LEFT - 8, at + 4, text) for at, text in rows),
    )


def _columns(x: Scale, most: float) -> SafeString:
    step = _round_step(most / 5.0)
    at = [n * step for n in range(int(most / step) + 1)]
    ticks = format_html_join(
        "", '<text class="ax" x="{}" y="{}" text-anchor="middle">{}</text>', ((x(v), FOOT + 16, money(v)) for v in at)
    )
    name = '<text class="ax" x="{}" y="{}" text-anchor="end">capital in stock</text>'
    return format_html("{}{}", ticks, format_html(name, RIGHT, FOOT + 32))


def _round_step(rough: float) -> float:
    size = 1.0
    while size * 10.0 <= rough:
        size *= 10.0
    return next(size * f for f in (1.0, 2.0, 5.0, 10.0) if size * f >= rough)


def money(value: float) -> str:
    """An amount of money, in thousands from ten thousand on."""
    return f"{value / 1000:g} k" if value >= 10_000 else f"{value:.0f}"


def _not_allowed(x: Scale, floor: float) -> SafeString:
    width = round(x(floor) - LEFT, 1)
    if width <= 0:
        return SafeString("")
    words = '<text class="lb2" x="{}" y="{}" text-anchor="middle">below class floors</text>' if width > 110 else ""
    box = format_html(
        '<rect x="{}" y="{}" width="{}" height="{}" fill="url(#greyhatch)"><title>{}</title></rect>',
        *(LEFT, TOP, width, FOOT - TOP, "below the classes' floors: not allowed"),
    )
    return format_html("{}{}", box, format_html(words, LEFT + width / 2, FOOT - 14) if words else "")


def _target(y: Scale, target: float | None) -> SafeString:
    if target is None:
        return SafeString("")
    drawn = '<path class="lim" d="M{0} {1}H{2}"/><text class="lb2" x="{3}" y="{4}">{5}</text>'
    return format_html(drawn, LEFT, y(target), RIGHT, RIGHT + 6, y(target) + 4, f"at most {target:.1%}")


def _stops(x: Scale, y: Scale, floor: float, points: Sequence[tuple[float, float]], most: float) -> SafeString:
    """Invisible columns over the curve: each is a link to the budget under it, by pointer and by keyboard."""
    width = (most - floor) / STOPS
    if width <= 0.0:
        return SafeString("")
    rows = []
    for n in range(STOPS):
        budget = round(floor + (n + 1) * width + 0.5)
        left, right = x(floor + n * width), x(floor + (n + 1) * width)
        words = f"Budget {budget}: at most {_share_at(points, budget):.1%}"
        rows.append((budget, words, left, TOP, round(right - left, 1), FOOT - TOP, right, y(_share_at(points, budget))))
    return format_html_join(
        "",
        '<a class="stop" href="?budget={0}" aria-label="{1}"><title>{1}</title><rect fill="transparent" x="{2}" '
        'y="{3}" width="{4}" height="{5}"/><circle class="f-3" cx="{6}" cy="{7}" r="1.8"/></a>',
        rows,
    )


def _share_at(points: Sequence[tuple[float, float]], budget: float) -> float:
    """The curve at a budget, on the chord between its points."""
    for (a, low), (b, high) in pairwise(points):
        if a <= budget <= b and b > a:
            return low + (high - low) * (budget - a) / (b - a)
    return points[-1][1] if budget > points[-1][0] else points[0][1]


def _labels(y: Scale, marks: Sequence[Mark]) -> list[float]:
    """The height of each mark's words, in the order of the marks: beside it, and below the words above."""
    wanted = [y.clamp(mark.share) + (18.0 if mark.chosen else 4.0) for mark in marks]
    found, last = list(wanted), -LINE
    for n in sorted(range(len(marks)), key=lambda n: wanted[n]):
        found[n] = last = max(wanted[n], last + LINE)
    over = max(0.0, max(found, default=0.0) - FOOT + 4.0)
    return [at - over for at in found]


def _mark(x: Scale, y: Scale, mark: Mark, words_y: float) -> SafeString:
    at_x, at_y = x.clamp(mark.capital), y.clamp(mark.share)
    anchor, text_x = ("end", at_x - 9) if at_x + LABEL_W > RIGHT else ("start", at_x + 9)
    css = "f-ink" if mark.chosen else "f-surface st-ink"
    line = format_html('<path class="grid" d="M{0} {1}V{2}"/>', at_x, at_y, FOOT) if mark.chosen else ""
    return format_html(
        '{}<circle class="{}" stroke-width="1.6" cx="{}" cy="{}" r="5"/>'
        '<text class="{} halo" x="{}" y="{}" text-anchor="{}">{}</text>',
        *(line, css, at_x, at_y, "lb" if mark.chosen else "lb2", text_x, round(words_y, 1), anchor),
        mark.words,
    )
