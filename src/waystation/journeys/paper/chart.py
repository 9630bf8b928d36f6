"""The chart of a space for paper: black on white, broken at gaps, nothing smoothed; it survives a fax.

Each column of the chart shows the first, lowest, highest and last value of its time, so no peak is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np

from waystation.telemetry.store.columns import Floats, Ints

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 1000.0, 330.0, 46.0, 60.0, 14.0, 34.0
COLUMNS = 800
STEPS_H = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 744)
MOST_TICKS = 9
FONT = 'font-family="Libertinus Serif" font-size="15"'


@dataclass(frozen=True, slots=True)
class Line:
    """A sensor's readings; a pause longer than `hold_us` breaks the line."""

    at_us: Ints
    value_c: Floats
    hold_us: int


@dataclass(frozen=True, slots=True)
class Scene:
    """What a chart shows over [start, end]: lines, limits, and spans in seconds since 1970."""

    start: datetime
    end: datetime
    low_c: float
    high_c: float
    lines: Sequence[Line]
    not_proven: Sequence[tuple[float, float]]
    out: Sequence[tuple[float, float]]
    zone: tzinfo


def drawn(scene: Scene) -> str:
    """The chart as SVG, the same text for the same scene."""
    inside = [line.value_c[_within(line, scene)] for line in scene.lines]
    values = np.concatenate([*inside, np.array([scene.low_c - 1.0, scene.high_c + 1.0])])
    bottom_c, top_c = float(values.min()) - 0.3, float(values.max()) + 0.3
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" '
        f'height="{HEIGHT:g}">',
        '<defs><pattern id="h" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="7" height="7" fill="#fff"/><rect width="1" height="7" fill="#777"/></pattern></defs>',
        *(_band(scene, span, "url(#h)") for span in scene.not_proven),
        *(_band(scene, span, "#d5d5d5") for span in scene.out),
        *_scale(bottom_c, top_c),
        *_limits(scene, bottom_c, top_c),
        *_ticks(scene),
        *(f'<path d="{_path(line, scene, bottom_c, top_c)}" fill="none" stroke="#000" stroke-width="0.9"/>'
          for line in scene.lines),
        f'<rect x="{LEFT:g}" y="{TOP:g}" width="{WIDTH - LEFT - RIGHT:g}" height="{HEIGHT - TOP - BOTTOM:g}" '
        'fill="none" stroke="#000" stroke-width="0.8"/></svg>',
    ]  # fmt: skip
    return "".join(parts)


def _within(line: Line, scene: Scene) -> Ints:
    start_us, end_us = scene.start.timestamp() * 1e6, scene.end.timestamp() * 1e6
    return np.flatnonzero((line.at_us >= start_us) & (line.at_us <= end_us) & np.isfinite(line.value_c))


def _x(scene: Scene, at_s: float) -> float:
    share = (at_s - scene.start.timestamp()) / (scene.end - scene.start).total_seconds()
    return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)


def _y(value_c: float, bottom_c: float, top_c: float) -> float:
    return TOP + (top_c - value_c) / (top_c - bottom_c) * (HEIGHT - TOP - BOTTOM)


def _band(scene: Scene, span: tuple[float, float], fill: str) -> str:
    """A span over the full height, never thinner than can be seen."""
    left, right = _x(scene, span[0]), _x(scene, span[1])
    if span[1] <= scene.start.timestamp() or span[0] >= scene.end.timestamp():
        return ""
    return (
        f'<rect x="{left:.2f}" y="{TOP:g}" width="{max(right - left, 1.2):.2f}" height="{HEIGHT - TOP - BOTTOM:g}" '
        f'fill="{fill}"/>'
    )


def _scale(bottom_c: float, top_c: float) -> Iterator[str]:
    step = next(s for s in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 1e9) if (top_c - bottom_c) / s <= 9)
    first = int(np.ceil(bottom_c / step))
    for number in range(first, int(top_c / step) + 1):
        y = _y(number * step, bottom_c, top_c)
        yield f'<line x1="{LEFT - 4:g}" x2="{LEFT:g}" y1="{y:.2f}" y2="{y:.2f}" stroke="#000"/>'
        yield f'<text x="{LEFT - 7:g}" y="{y + 5:.2f}" text-anchor="end" {FONT}>{number * step:g}</text>'


def _limits(scene: Scene, bottom_c: float, top_c: float) -> Iterator[str]:
    for limit_c in (scene.low_c, scene.high_c):
        y = _y(limit_c, bottom_c, top_c)
        yield (
            f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.2f}" y2="{y:.2f}" stroke="#000" '
            'stroke-width="1.2" stroke-dasharray="7 5"/>'
        )
        yield f'<text x="{WIDTH - RIGHT + 6:g}" y="{y + 5:.2f}" {FONT}>{limit_c:g} °C</text>'


def _ticks(scene: Scene) -> Iterator[str]:
    """Marks at even local times; the date stands at midnight."""
    hours = (scene.end - scene.start).total_seconds() / 3600
    step = next((s for s in STEPS_H if hours / s <= MOST_TICKS), STEPS_H[-1])
    local = scene.start.astimezone(scene.zone)
    at = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while at <= scene.end:
        if at >= scene.start:
            x = _x(scene, at.timestamp())
            words = f"{at:%d %b}" if at.hour == 0 else f"{at:%H:%M}"
            foot = HEIGHT - BOTTOM
            yield f'<line x1="{x:.2f}" x2="{x:.2f}" y1="{foot:g}" y2="{foot + 5:g}" stroke="#000"/>'
            yield f'<text x="{x:.2f}" y="{foot + 21:g}" text-anchor="middle" {FONT}>{words}</text>'
        at = _later(at, step, scene.zone)


def _later(at: datetime, step_h: int, zone: tzinfo) -> datetime:
    """The next mark: whole days are days of the calendar, shorter steps are hours that pass."""
    if step_h % 24 == 0:
        return at + timedelta(days=step_h // 24)
    return (at.astimezone(UTC) + timedelta(hours=step_h)).astimezone(zone)


def _path(line: Line, scene: Scene, bottom_c: float, top_c: float) -> str:
    own = _within(line, scene)
    if not len(own):
        return ""
    at_us, value_c = line.at_us[own], line.value_c[own]
    start_us, length_us = scene.start.timestamp() * 1e6, (scene.end - scene.start).total_seconds() * 1e6
    column = np.minimum(((at_us - start_us) / length_us * COLUMNS).astype(np.int64), COLUMNS - 1)
    breaks = np.concatenate([[True], (at_us[1:] - at_us[:-1]) > line.hold_us])
    edges = np.flatnonzero(breaks | np.concatenate([[True], column[1:] != column[:-1]]))
    lowest, highest = np.minimum.reduceat(value_c, edges), np.maximum.reduceat(value_c, edges)
    last = np.concatenate([edges[1:], [len(own)]]) - 1
    points = zip(edges.tolist(), last.tolist(), lowest.tolist(), highest.tolist(), strict=True)
    found: list[str] = []
    for first, until, low, high in points:
        whole = [(at_us[first], value_c[first])]
        if until > first:
            middle = (at_us[first] + at_us[until]) / 2
            whole += [(middle, low), (middle, high), (at_us[until], value_c[until])]
        for number, (at, value) in enumerate(whole):
            verb = "M" if number == 0 and breaks[first] else "L"
            found.append(f"{verb}{_x(scene, float(at) / 1e6):.2f} {_y(float(value), bottom_c, top_c):.2f}")
        if until == first:
            found.append("h0.9")  # a reading alone is a point
    return "".join(found)
