"""Candidates on one time axis: bars of steps, one line at the limit through every row. The eye subtracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from waystation.console.drawing.scale import Scale, hours
from waystation.console.reader import of_day

WIDTH, LEFT, RIGHT = 344, 15.5, 330.0
LONGEST = timedelta(hours=14)
LIGHT = ("travel", "wait", "recheck")
Step = tuple[str, datetime, datetime]  # kind, start, end


@dataclass(frozen=True, slots=True)
class Axis:
    """From now to the end of what is drawn; the limit in the worst and the likely case where it is known."""

    start: datetime
    end: datetime
    zone: ZoneInfo
    limit: datetime | None = None
    likely: datetime | None = None

    @property
    def scale(self) -> Scale:
        """Unix seconds to pixels."""
        return Scale(self.start.timestamp(), self.end.timestamp(), LEFT, RIGHT)


def axis_of(
    now: datetime, ends: Sequence[datetime], zone: ZoneInfo, limit: datetime | None, likely: datetime | None
) -> Axis:
    """An axis that holds the limit and what ends within fourteen hours; longer bars get an arrow."""
    near = [at for at in [*ends, *(x for x in (limit, likely) if x)] if now < at <= now + LONGEST]
    end = max(near, default=now + timedelta(hours=4))
    return Axis(now, max(end + (end - now) * 0.04, now + timedelta(hours=1)), zone, limit, likely)


def header(axis: Axis) -> SafeString:
    """The axis' labels: now, the limit, whole hours where there is room."""
    x, taken = axis.scale, [LEFT]
    limit: SafeString | str = ""
    if axis.limit is not None and axis.limit > axis.start:
        at = min(max(x.clamp(axis.limit.timestamp()), LEFT + 52), RIGHT - 20)
        taken.append(at)
        limit = format_html(
            '<text class="ax" x="{}" y="20" text-anchor="middle">'
            '<tspan class="f-out" font-weight="600">limit {}</tspan></text>',
            *(at, of_day(axis.limit.astimezone(axis.zone))),
        )
    ticks = []
    for at_s, label, _ in hours(axis.start.timestamp(), axis.end.timestamp(), axis.zone, 6):
        if all(abs(x(at_s) - other) > (54 if other != LEFT else 34) for other in taken):
            ticks.append((x(at_s), label))
    labels = format_html_join("", '<text class="ax" x="{}" y="20" text-anchor="middle">{}</text>', ticks)
    first = format_html(
        '<text class="ax" x="{}" y="20" text-anchor="middle"><tspan class="f-ink">now</tspan></text>', LEFT
    )
    return format_html('<svg viewBox="0 0 344 30" aria-hidden="true">{}{}{}</svg>', labels, first, limit)


def lane(steps: Sequence[Step], axis: Axis) -> SafeString:
    """One candidate's bars; none for a refused one, whose row keeps the axis."""
    x = axis.scale
    grid = format_html_join(
        "",
        '<path class="grid" d="M{} 0V42"/>',
        ((x(at_s),) for at_s, _, _ in hours(axis.start.timestamp(), axis.end.timestamp(), axis.zone, 6)),
    )
    parts = [
        grid,
        _limit(axis),
        format_html('<path class="st-ink" stroke-width="1" stroke-dasharray="2 2" d="M{} 0V42"/>', LEFT),
    ]
    for kind, start, end in steps:
        left, right = x.clamp(start.timestamp()), x.clamp(end.timestamp())
        opacity = ".55" if kind in LIGHT else ".95"
        if right > left:
            width = round(max(right - left - 1, 1), 1)
            parts.append(
                format_html(
                    '<rect class="f-ink" opacity="{}" x="{}" y="16" width="{}" height="10"/>', opacity, left, width
                )
            )
    if steps and steps[-1][2] > axis.end:
        parts.append(format_html('<path class="f-ink" d="M{} 15l7 6-7 6z"/>', RIGHT))
    return format_html(
        '<svg viewBox="0 0 344 42" aria-hidden="true">{}</svg>', format_html_join("", "{}", ((p,) for p in parts))
    )


def _limit(axis: Axis) -> SafeString | str:
    if axis.limit is None:
        return ""
    x = axis.scale
    worst = x.clamp(axis.limit.timestamp())
    line = format_html('<path class="st-out" stroke-width="1.5" d="M{} 0V42"/>', worst)
    if axis.likely is None or axis.likely <= axis.limit:
        return line
    width = round(x.clamp(axis.likely.timestamp()) - worst, 1)
    band = format_html('<rect class="f-out" opacity=".10" x="{}" y="0" width="{}" height="42"/>', worst, max(width, 0))
    return format_html("{}{}", band, line)
