"""A small line of the last hours beside a row: limit dashed, gaps hatched, the end marked with the state."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from waystation.console.drawing.scale import Scale

WIDTH, HEIGHT = 120.0, 34.0


def spark(
    points: Sequence[tuple[float, float]],
    start_s: float,
    end_s: float,
    limits: Sequence[float],
    state: str,
    hold_s: float,
) -> SafeString:
    """`points` are (Unix seconds, degrees Celsius) in order; `state` is out, risk, unp or non."""
    if not points:
        empty = format_html('<rect width="{}" height="30" y="2" fill="url(#hatch)"/>', 120)
        return format_html('<svg class="spark" viewBox="0 0 120 34" aria-hidden="true">{}</svg>', empty)
    values = [v for _, v in points]
    near = min(limits, key=lambda c: min(abs(c - values[-1]), 1e9), default=None)
    shown = [*values, *([near] if near is not None else [])]
    x = Scale(start_s, end_s, 2, WIDTH - 6)
    y = Scale(min(shown) - 0.5, max(shown) + 0.5, HEIGHT - 4, 4)
    limit = format_html('<path class="lim" d="M0 {}H120"/>', y(near)) if near is not None else ""
    pieces, gaps = _pieces(points, end_s, hold_s)
    hatched = format_html_join(
        "",
        '<rect x="{}" y="2" width="{}" height="30" fill="url(#hatch)"/>',
        ((x.clamp(a), round(max(x.clamp(b) - x.clamp(a), 0.5), 1)) for a, b in gaps),
    )
    lines = format_html_join(
        "", '<path class="p1" d="M{}"/>', (("L".join(f"{x.clamp(a)} {y(v)}" for a, v in piece),) for piece in pieces)
    )
    at_s, value = points[-1]
    end = format_html(
        '<circle class="f-{}" cx="{}" cy="{}" r="2.6"/>', "ink" if state == "non" else state, x.clamp(at_s), y(value)
    )
    return format_html(
        '<svg class="spark" viewBox="0 0 120 34" aria-hidden="true">{}{}{}{}</svg>', limit, hatched, lines, end
    )


def _pieces(
    points: Sequence[tuple[float, float]], end_s: float, hold_s: float
) -> tuple[list[list[tuple[float, float]]], list[tuple[float, float]]]:
    pieces, gaps = [[points[0]]], []
    for before, after in pairwise(points):
        if after[0] - before[0] > hold_s:
            gaps.append((before[0] + hold_s, after[0]))
            pieces.append([after])
        else:
            pieces[-1].append(after)
    if end_s - points[-1][0] > hold_s:
        gaps.append((points[-1][0] + hold_s, end_s))
    return pieces, gaps
