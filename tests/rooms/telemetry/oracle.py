"""Slow and obvious judging, second by second, written apart from the product to compare with."""

from __future__ import annotations

import math
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


def data_folder(name: str) -> Path | None:
    """A folder of real or known-answer data; None (and one line) where it is absent."""
    folder = DATA / name
    if folder.is_dir():
        return folder
    sys.stdout.write(f"did not run: {folder} is absent\n")
    return None


def usable(readings: list[tuple[int, float | None]]) -> dict[int, list[float]]:
    """Instant → its usable values."""
    found: dict[int, list[float]] = {}
    for at, value in readings:
        if value is not None and math.isfinite(value):
            found.setdefault(at, []).append(value)
    return found


def side(values: list[float], low: float, high: float) -> str:
    """`high`, `low` or `in` for one instant: the value further out counts."""
    out = [(max(v - high, low - v), v) for v in values if v < low or v > high]
    if not out:
        return "in"
    worst = max(distance for distance, _ in out)
    return "high" if any(d == worst and v > high for d, v in out) else "low"


def word(values: list[float], low: float, high: float, guard: float) -> str:
    """What a covered second is worth."""
    where = side(values, low, high)
    if where != "in":
        return where
    return "proven" if all(low + guard <= v <= high - guard for v in values) else "guard"


def seconds(
    readings: list[tuple[int, float | None]], low: float, high: float, guard: float, hold: int, start: int, end: int
) -> list[str]:
    """The word of every second of [start, end); `gap` where nothing covers it."""
    known = usable(readings)
    words = []
    for second in range(start, end):
        before = [at for at in known if at <= second]
        if before and second < max(before) + hold:
            words.append(word(known[max(before)], low, high, guard))
        else:
            words.append("gap")
    return words


def excursions(
    readings: list[tuple[int, float | None]], low: float, high: float, hold: int, start: int, end: int
) -> list[tuple[int, int, str, float, int, int]]:
    """(start, end, direction, peak, measured s, unknown s) by grouping the instants of the period."""
    known = usable(readings)
    every = sorted(known)
    groups: list[list[int]] = []
    last = "in"
    for at in every:
        until = min([at + hold, end, *[later for later in every if later > at][:1]])
        if at > end or (at < start and until <= start):
            continue
        here = side(known[at], low, high)
        if here != "in" and here == last:
            groups[-1].append(at)
        elif here != "in":
            groups.append([at])
        last = here
    found = []
    for group in groups:
        direction = side(known[group[0]], low, high)
        covered: set[int] = set()
        for at in group:
            until = min([at + hold, end, *[later for later in every if later > at][:1]])
            covered |= set(range(max(at, start), until))
        begin = max(group[0], start)
        finish = max(covered) + 1 if covered and max(covered) >= group[-1] else max(group[-1], start)
        pick = max if direction == "high" else min
        peak = pick(pick(known[at]) for at in group)
        found.append((begin, finish, direction, peak, len(covered), finish - begin - len(covered)))
    return found
