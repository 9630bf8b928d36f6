"""Small rows of marks beside a name: an allowance used, events on a line, a row of outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from waystation.console.drawing.scale import Scale

WIDTH = 184.0
ALL = 132.0  # where the whole allowance stands; beyond it the bar is ink
DOTS = 12


def allowance_bar(used: float | None) -> SafeString:
    """How much of an allowance is used; the line is all of it. Unknown is hatched."""
    if used is None:
        return _svg(format_html('<rect x="0" y="4" width="{}" height="9" fill="url(#hatch)"/>', WIDTH))
    end = min(used * ALL, WIDTH)
    over = max(0.0, end - ALL)
    return _svg(
        format_html(
            '<rect class="f-sunk" x="0" y="4" width="{}" height="9" rx="1"/><rect class="f-3" x="0" y="4" width="{}" '
            'height="9"/><rect class="f-ink" x="{}" y="4" width="{}" height="9"/>'
            '<path class="st-ink" stroke-width="1.5" d="M{} 0V16"/>',
            *(WIDTH, round(min(end, ALL), 1), ALL, round(over, 1), ALL),
        )
    )


def event_line(at: Sequence[datetime], start: datetime, end: datetime) -> SafeString:
    """One bar for each event of a period."""
    x = Scale(start.timestamp(), end.timestamp(), 0, WIDTH - 4)
    bars = format_html_join(
        "",
        '<rect class="f-out" x="{}" y="2" width="3.1" height="13"/>',
        ((round(x.clamp(a.timestamp()), 1),) for a in at),
    )
    return _svg(format_html('<path class="grid" d="M0 15.5H184"/>{}', bars))


def span_line(spans: Sequence[tuple[datetime, datetime]], start: datetime, end: datetime) -> SafeString:
    """Stretches of a period in which nothing was carried, hatched."""
    x = Scale(start.timestamp(), end.timestamp(), 0, WIDTH)
    drawn = []
    for a, b in spans:
        left = round(x.clamp(a.timestamp()), 1)
        drawn.append((left, round(max(x.clamp(b.timestamp()) - left, 1.5), 1)))
    bars = format_html_join(
        "",
        '<rect x="{0}" y="4" width="{1}" height="11" fill="url(#hatch)"/>'
        '<path class="f-unp" d="M{0} 4h{1}v1.5h-{1}z"/>',
        drawn,
    )
    return _svg(format_html('<path class="grid" d="M0 15.5H184"/>{}', bars))


def outcome_dots(outcomes: Sequence[str]) -> SafeString:
    """The newest outcomes at the right; a cross was late or missed, a ring has not come yet."""
    drawn = [_dot(5.0 + 15 * n, outcome) for n, outcome in enumerate(outcomes[-DOTS:])]
    return _svg(format_html_join("", "{}", ((d,) for d in drawn)))


def _dot(x: float, outcome: str) -> SafeString:
    if outcome in ("missed", "late"):
        return format_html('<path class="st-ink" stroke-width="1.8" d="M{} 4l8 8m0-8l-8 8"/>', x - 4)
    if outcome == "complete":
        return format_html('<circle class="f-3" cx="{}" cy="8" r="3.4"/>', x)
    return format_html('<circle class="st-ink" fill="none" stroke-width="1.2" cx="{}" cy="8" r="3"/>', x)


def _svg(inner: SafeString) -> SafeString:
    return format_html('<svg viewBox="0 0 184 16" aria-hidden="true">{}</svg>', inner)
