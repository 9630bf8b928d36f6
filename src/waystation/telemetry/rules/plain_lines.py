"""Lines of the plainest kind, which is nearly all that agents send: one field with a number, a timestamp, no escapes.

They are read by one expression. The first line of each series in a body is read as a point, like every other line, so
that there is one way to decide where a series goes; the others follow it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from waystation.telemetry.rules.clocks import AHEAD_ALLOWED_US, EARLIEST_US
from waystation.telemetry.rules.points import LineError, Point, read_point, read_points

_WORD = r"[^\x00-\x20\",=\\\x7f-\U0010ffff]+"
_SERIES = rf"(?!#){_WORD}(?:,{_WORD}={_WORD})* {_WORD}"
_VALUE = r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?|-?[0-9]{1,15}i"
_LINE = re.compile(rf"({_SERIES})=({_VALUE}) ([0-9]{{1,18}})")


class Follower(NamedTuple):
    """A line of a series whose first line is a point: number, series as written, value as written, instant."""

    line: int
    series: str
    value: str
    at_us: int


@dataclass(slots=True)
class Read:
    """A body as read. `leaders` are the points, by number of line, that followers of the same series follow."""

    points: list[Point] = field(default_factory=list)
    leaders: dict[str, int] = field(default_factory=dict)
    followers: list[Follower] = field(default_factory=list)
    errors: list[LineError] = field(default_factory=list)


def read_lines(body: bytes, tick_ns: int, now_us: int) -> Read:
    """What `read_points` reads, with lines of the plainest kind as followers of the first of their series.

    A body with any quoted text or escape is read by `read_points` alone.
    """
    if b'"' in body or b"\\" in body:
        points, errors = read_points(body, tick_ns, now_us)
        return Read(points, errors=errors)
    found = Read()
    earliest, latest = EARLIEST_US * 1000, (now_us + AHEAD_ALLOWED_US) * 1000 + 999
    match = _LINE.fullmatch
    for number, line in enumerate(body.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff").split("\n"), 1):
        plain = match(line)
        at_ns = int(plain[3]) * tick_ns if plain else 0
        if not earliest <= at_ns <= latest:
            plain = None  # what a clock says that nobody believes is read as a point
        if plain and plain[1] in found.leaders:
            found.followers.append(Follower(number, plain[1], plain[2], at_ns // 1000))
            continue
        text = line.strip("\r \t")
        if not text or text.startswith("#"):
            continue
        try:
            point = read_point(number, text, tick_ns, now_us)
        except ValueError as error:
            found.errors.append(LineError(number, str(error)))
            continue
        found.points.append(point)
        if plain:
            found.leaders.setdefault(plain[1], number)
    return found


def number_of(value: str) -> str:
    """The number in a follower's value."""
    return value.removesuffix("i")
