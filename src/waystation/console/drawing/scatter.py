"""How long a door stood open against what the temperature rose by: one dot for each opening that was measured."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from waystation.console.reader import degrees_between

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 344, 180, 40.0, 12.0, 150.0


def scatter(points: Sequence[tuple[float, float]], words: str) -> SafeString:
    """An SVG of (seconds open, degrees Celsius risen); `words` say it to those who do not see it."""
    most_s = max((s for s, _ in points), default=0.0) or 1.0
    low, high = min(0.0, *(c for _, c in points), 0.0), max(0.5, *(c for _, c in points), 0.5)

    def x(seconds: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 10) * seconds / most_s, 1)

    def y(rise_c: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (rise_c - low) / (high - low), 1)

    dots = format_html_join("", '<circle class="opening" cx="{}" cy="{}" r="3"/>', ((x(s), y(c)) for s, c in points))
    labels = [
        (LEFT - 4, y(high) + 4, "end", degrees_between(high)),
        (LEFT - 4, y(0.0) + 4, "end", degrees_between(0.0)),
    ]
    labels += [(WIDTH - 10, BOTTOM + 18, "end", f"{most_s / 60:.0f} min open"), (LEFT, BOTTOM + 18, "start", "0")]
    told = format_html_join("", '<text class="ax" x="{}" y="{}" text-anchor="{}">{}</text>', labels)
    line = format_html('<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"/>', LEFT, y(0.0), WIDTH - 10, y(0.0))
    return format_html(
        '<svg class="fig dots" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>',
        *(WIDTH, HEIGHT, words, line, dots, told),
    )
