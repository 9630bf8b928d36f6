"""The verdict bar of the last 24 hours: each hour by the worst that is known of it, with its durations in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from waystation.console.drawing.scale import Scale
from waystation.console.drawing.verdict_bar import verdict_bar
from waystation.console.reader import of_day
from waystation.kernel.units import duration_text
from waystation.telemetry.last_day import Day
from waystation.telemetry.rules.hours import HOUR_US

WIDTH, HEIGHT, TALL = 120.0, 14.0, 24.0
WIDE = 330.0
TICKS = (6, 12, 18)
_KINDS = {"in_range_proven": 0, "not_proven": 2, "out_of_range": 4}


def row_bar(day: Day | None, zone: ZoneInfo) -> SafeString | str:
    """A small bar beside a row, with its durations for those who do not see it."""
    if day is None:
        return ""
    bar = _bar(day.hours, WIDTH, HEIGHT)
    words = f"24 h to {_end(day, zone)}: {durations(day)}"
    return format_html(
        '<svg class="day" viewBox="0 0 120 14" role="img" aria-label="{}"><title>{}</title>{}</svg>', words, words, bar
    )


def network_bar(day: Day, zone: ZoneInfo) -> SafeString:
    """The bar of many spaces with hours of the day below."""
    ticks = format_html_join(
        "",
        '<text class="ax" x="{}" y="38" text-anchor="middle">{}</text>',
        ((round(WIDE * h / 24, 1), _hour(day, h, zone)) for h in TICKS),
    )
    return format_html(
        '<svg class="fig" viewBox="0 0 330 42" role="img" aria-label="Worst verdict of any space in each hour, 24 h to '
        '{}: {}">{}{}</svg>',
        *(_end(day, zone), durations(day), _bar(day.hours, WIDE, TALL), ticks),
    )


def shares(day: Day) -> list[tuple[str, str]]:
    """The three shares as (state, words); they add up. Proven is rounded down, so that a little never looks none."""
    whole = day.sums.space_hours * HOUR_US
    if not whole:
        return [(state, "unknown") for state in _KINDS]
    out = -(-10_000 * day.sums.out_us // whole)
    unproven = max(10_000 - out - 10_000 * day.sums.proven_us // whole, 1 if day.sums.unproven_us else 0)
    parts = (10_000 - out - unproven, unproven, out)
    return [(state, f"{part / 100:.2f}\u00a0%") for state, part in zip(_KINDS, parts, strict=True)]


def durations(day: Day) -> str:
    """What is judged, in words: the three durations of space time, and what is not counted."""
    held = (("proven", day.sums.proven_us), ("not proven", day.sums.unproven_us), ("out of range", day.sums.out_us))
    said = [f"{duration_text(us / 1e6)} {words}" for words, us in held if us > 0]
    waits = f"{day.waiting}\u00a0h not counted yet" if day.waiting else ""
    return ", ".join([*said, waits] if waits else said) or "not judged"


def _bar(hours: Sequence[str], width: float, height: float) -> SafeString:
    x, at, line, left = Scale(0, 24, 0, width), 0, list[tuple[float, float, int]](), list[tuple[float, float]]()
    for state, some in groupby(hours):
        until = at + len(list(some))
        if state in _KINDS:
            line.append((at, until, _KINDS[state]))
        elif state == "waits":
            left.append((x(at), round(x(until) - x(at), 1)))
        at = until
    waits = format_html_join("", '<path class="waits" d="M{} {}h{}"/>', ((a, height / 2, w) for a, w in left))
    ground = format_html('<rect class="f-sunk" width="{}" height="{}" rx="2"/>', width, height)
    return format_html("{}{}{}", ground, verdict_bar(line, x, 0, height), waits)


def _end(day: Day, zone: ZoneInfo) -> str:
    return _hour(day, 24, zone)


def _hour(day: Day, hour: int, zone: ZoneInfo) -> str:
    return of_day((day.start + timedelta(hours=hour)).astimezone(zone))
