"""A figure as a band with its mean, such as a forecast and what nine in ten cases keep; one axis for all rows."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from waystation.console.drawing.scale import Scale

WIDTH = 184.0


def interval(low: float, mean: float, high: float, most: float, said: str = "") -> SafeString:
    """From 0 to `most` over the width; the band from `low` to `high`, a line at the mean; `said` tells it in words."""
    x = Scale(0.0, max(most, 1e-9), 0.0, WIDTH - 4.0)
    said = said or f"{mean:.1f} expected, {low:.0f} to {high:.0f} in nine of ten cases"
    return format_html(
        '<svg class="spark band" viewBox="0 0 184 16" role="img" aria-label="{}"><path class="grid" d="M0 15.5H184"/>'
        '<rect class="f-3" x="{}" y="4" width="{}" height="8"/><rect class="f-ink" x="{}" y="2" width="2" '
        'height="12"/></svg>',
        *(said, x.clamp(low), round(max(2.0, x.clamp(high) - x.clamp(low)), 1), x.clamp(mean)),
    )
