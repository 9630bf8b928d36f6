"""The chart of a space: verdict bar, lines that break at gaps, limits, excursions, lanes of events, one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from waystation.console.drawing.scale import Scale, degrees, hours
from waystation.console.drawing.verdict_bar import verdict_bar
from waystation.kernel.units import TemperatureUnit, duration_text, from_celsius

if TYPE_CHECKING:
    from waystation.telemetry.charting import Chart, Line

LEFT, RIGHT, TOP, BOTTOM, WIDTH = 44.0, 694.0, 58.0, 354.0, 812
LANE_PX = 20
OUT_KINDS, GAP_KINDS = (3, 4), (1, 2)


@dataclass(frozen=True, slots=True)
class _Axes:
    x: Scale
    y: Scale
    unit: TemperatureUnit
    foot: float


def space_chart(chart: Chart, zone: ZoneInfo, unit: TemperatureUnit, words: str) -> SafeString:
    """The whole figure; `words` is its finding in text."""
    ticks = _y_ticks(chart, unit)
    foot = BOTTOM + 18 + LANE_PX * len(chart.lanes)
    axes = _Axes(Scale(chart.start_s, chart.end_s, LEFT, RIGHT), Scale(ticks[0], ticks[1], BOTTOM, TOP), unit, foot)
    timeline = chart.proof.timeline if chart.proof else ()
    parts = [
        format_html('<rect class="f-sunk" x="{}" y="4" width="{}" height="28" rx="2"/>', LEFT, RIGHT - LEFT),
        verdict_bar([(s.start_s, s.end_s, int(s.kind)) for s in timeline], axes.x, 4),
        format_html('<text class="lb2" x="{}" y="23">verdict</text>', RIGHT + 10),
        _grid(ticks[2], chart, zone, axes),
        _doubtful(timeline, axes),
        _limits(chart, axes),
        *(_line(line, chart, axes) for line in reversed(chart.lines)),
        _second(chart, axes),
        _labels(chart, axes),
        _lanes(chart, axes),
    ]
    return format_html(
        '<svg class="fig" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        *(WIDTH, round(foot + 34), words, format_html_join("", "{}", ((p,) for p in parts))),
    )


def _y_ticks(chart: Chart, unit: TemperatureUnit) -> tuple[float, float, list[float]]:
    values = [v for line in chart.lines if line.judges for piece in line.pieces for _, v in piece]
    values += [mark.value_c for mark in chart.second]
    limits = [v for v in (chart.low_c, chart.high_c) if v is not None]
    shown = [from_celsius(v, unit) for v in [*values, *limits]] or [0.0, 10.0]
    margin = 0.15 * (max(shown) - min(shown))
    return degrees(min(shown) - margin, max(shown) + margin)


def _grid(ticks: Sequence[float], chart: Chart, zone: ZoneInfo, axes: _Axes) -> SafeString:
    rows = format_html_join(
        "",
        '<path class="grid" d="M{} {}H{}"/><text class="ax" x="{}" y="{}" text-anchor="end">{}{}</text>',
        (
            (
                LEFT,
                axes.y(t),
                RIGHT,
                LEFT - 8,
                axes.y(t) + 4,
                f"{t:g}",
                f" °{axes.unit.upper()}" if t == ticks[-1] else "",
            )
            for t in ticks
        ),
    )
    columns = format_html_join(
        "",
        '<path class="grid" d="M{} {}V{}"/><text class="ax" x="{}" y="{}" text-anchor="middle">{}</text>',
        (
            (axes.x(at_s), TOP, axes.foot, axes.x(at_s), axes.foot + 16, label)
            for at_s, label, _ in hours(chart.start_s, chart.end_s, zone)
        ),
    )
    return format_html("{}{}", rows, columns)


def _doubtful(timeline: Sequence[tuple[float, float, int]], axes: _Axes) -> SafeString:
    """Not proven: hatched over the full height with its length; out of range: a light column."""
    parts = []
    for start_s, end_s, kind in timeline:
        left, width = axes.x.clamp(start_s), round(max(axes.x.clamp(end_s) - axes.x.clamp(start_s), 0.8), 1)
        if int(kind) in GAP_KINDS:
            parts.append(
                format_html(
                    '<rect x="{}" y="{}" width="{}" height="{}" fill="url(#hatch)"/>', left, TOP, width, BOTTOM - TOP
                )
            )
            if width > 46:
                words = duration_text(end_s - start_s)
                parts.append(
                    format_html(
                        '<text class="lb2 halo s-unp-t" x="{}" y="{}">Not proven {}</text>', left + 6, TOP + 14, words
                    )
                )
        elif int(kind) in OUT_KINDS:
            parts.append(
                format_html(
                    '<rect class="f-out" opacity=".12" x="{}" y="{}" width="{}" height="{}"/>',
                    left,
                    TOP,
                    width,
                    BOTTOM - TOP,
                )
            )
    return format_html_join("", "{}", ((p,) for p in parts))


def _limits(chart: Chart, axes: _Axes) -> SafeString:
    limits = [from_celsius(v, axes.unit) for v in (chart.low_c, chart.high_c) if v is not None]
    return format_html_join(
        "",
        '<path class="lim" d="M{} {}H{}"/><text class="lb2" x="{}" y="{}">limit {}</text>',
        ((LEFT, axes.y(v), RIGHT, RIGHT + 10, axes.y(v) + 4, f"{v:.1f}") for v in limits),
    )


def _line(line: Line, chart: Chart, axes: _Axes) -> SafeString:
    parts = []
    for piece in line.pieces:
        shown = thinned(piece, axes.x)
        points = [(axes.x(at_s), axes.y.clamp(from_celsius(value, axes.unit))) for at_s, value in shown]
        path = "M" + "L".join(f"{px} {py}" for px, py in points)
        if len(points) == 1:
            path += "h0.1"
        if line.judges:
            parts.append(_area(piece, chart, axes))
        parts.append(format_html('<path class="{}" d="{}"/>', "p1" if line.judges else "p2", path))
    return format_html_join("", "{}", ((p,) for p in parts))


def _area(piece: Sequence[tuple[float, float]], chart: Chart, axes: _Axes) -> SafeString:
    """The area between limit and line while the line is outside."""
    parts = []
    for limit, sign in ((chart.high_c, 1.0), (chart.low_c, -1.0)):
        run: list[tuple[float, float]] = []
        for point in [*piece, None]:
            if limit is not None and point is not None and sign * (point[1] - limit) > 0:
                run.append(point)
            elif run and limit is not None:
                level = axes.y(from_celsius(limit, axes.unit))
                dots = [(axes.x(a), axes.y.clamp(from_celsius(v, axes.unit))) for a, v in thinned(run, axes.x)]
                path = f"M{dots[0][0]} {level}" + "".join(f"L{px} {py}" for px, py in dots) + f"L{dots[-1][0]} {level}z"
                parts.append(format_html('<path class="f-out" d="{}"/>', path))
                run = []
    return format_html_join("", "{}", ((p,) for p in parts))


def thinned(points: Sequence[tuple[float, float]], x: Scale) -> list[tuple[float, float]]:
    """At most two points a pixel, the lowest and the highest, in order of time: peaks are never lost."""
    found: list[tuple[float, float]] = []
    bucket: list[tuple[float, float]] = []
    pixel = None
    for point in points:
        here = int(x(point[0]))
        if here != pixel and bucket:
            found += _extremes(bucket)
            bucket = []
        pixel = here
        bucket.append(point)
    return found + (_extremes(bucket) if bucket else [])


def _extremes(bucket: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    low, high = min(bucket, key=lambda p: p[1]), max(bucket, key=lambda p: p[1])
    return [low] if low == high else sorted([low, high])


def _second(chart: Chart, axes: _Axes) -> SafeString:
    """Readings of second sources: small open squares, solid when out of range, never joined by a line."""
    return format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="6" height="6"/>',
        (
            (
                "f-out" if mark.is_out else "st-ink f-surface",
                round(axes.x(mark.at_s) - 3, 1),
                round(axes.y.clamp(from_celsius(mark.value_c, axes.unit)) - 3, 1),
            )
            for mark in chart.second
        ),
    )


def _labels(chart: Chart, axes: _Axes) -> SafeString:
    """Names at the line ends, pushed apart so that none covers another; no legend."""
    ends = [(line, line.pieces[-1][-1]) for line in chart.lines if line.pieces]
    taken = [axes.y(from_celsius(v, axes.unit)) + 4 for v in (chart.low_c, chart.high_c) if v is not None]
    parts = []
    for line, (at_s, value) in sorted(ends, key=lambda e: -e[1][1]):
        level = axes.y.clamp(from_celsius(value, axes.unit)) + 4
        while any(abs(level - other) < 15 for other in taken):
            level += 15
        taken.append(level)
        is_current = chart.end_s - at_s < 600
        shown = f"{from_celsius(value, axes.unit):.1f}" if is_current else "silent"
        css = "lb" if line.judges else "lb2"
        parts.append(
            format_html('<text class="{}" x="{}" y="{}">{} {}</text>', css, RIGHT + 10, level, line.label, shown)
        )
    return format_html_join("", "{}", ((p,) for p in parts))


def _lanes(chart: Chart, axes: _Axes) -> SafeString:
    parts = []
    for number, lane in enumerate(chart.lanes):
        y = BOTTOM + 14 + LANE_PX * number
        parts.append(format_html('<text class="lb2" x="{}" y="{}">{}</text>', RIGHT + 10, y + 9, lane.label.lower()))
        for start_s, end_s in lane.stretches:
            left, right = axes.x.clamp(start_s), axes.x.clamp(end_s)
            width = round(max(right - left, 1.5), 1)
            parts.append(format_html('<rect class="f-3" x="{}" y="{}" width="{}" height="9"/>', left, y, width))
    return format_html_join("", "{}", ((p,) for p in parts))
