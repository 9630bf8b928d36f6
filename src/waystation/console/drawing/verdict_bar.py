"""The verdict bar: height repeats the verdict. Proven is a thin line, not proven half and hatched, out is full."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from waystation.console.drawing.scale import Scale

# kinds of telemetry.rules.verdict.Kind as integers: proven, guard, gap, low, high
_PROVEN, _OUT = (0,), (3, 4)


def verdict_bar(timeline: Sequence[tuple[float, float, int]], x: Scale, top: float, height: float = 28) -> SafeString:
    """The stretches of a verdict on a time axis."""
    return format_html_join("", "{}", ((_stretch(*stretch, x, top, height),) for stretch in timeline))


def _stretch(start_s: float, end_s: float, kind: int, x: Scale, top: float, height: float) -> SafeString:
    left, width = x.clamp(start_s), round(max(x.clamp(end_s) - x.clamp(start_s), 0.6), 1)
    if kind in _PROVEN:
        h = round(height * 0.2, 1)
        return format_html(
            '<rect class="f-ok" x="{}" y="{}" width="{}" height="{}"/>', left, top + height - h, width, h
        )
    if kind in _OUT:
        return format_html('<rect class="f-out" x="{}" y="{}" width="{}" height="{}"/>', left, top, width, height)
    h = round(height * 0.62, 1)
    y = round(top + height - h, 1)
    return format_html(
        '<rect x="{}" y="{}" width="{}" height="{}" fill="url(#hatch)"/><path class="f-unp" d="M{} {}h{}v1.5h-{}z"/>',
        *(left, y, width, h, left, y, width, width),
    )
