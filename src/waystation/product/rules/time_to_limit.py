"""A cautious bound on the time until a space leaves its product profile.

Worst case: cooling stops at the last proven reading, and each probe goes to the worst credible surrounding
temperature with the fastest credible time constant, or goes on with its steepest measured slope where that
is sooner. Silence changes nothing: the bound runs on from the last proven reading. Without a basis the
answer is unknown, with the reason, and never a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from waystation.kernel.figures import Figure, Source
from waystation.kernel.refusals import BadInput
from waystation.kernel.units import duration_text

TREND_WINDOW_S = 3600.0
TREND_SPAN_S = 600.0
DARK_AFTER_S = 900.0
NEVER_S = math.inf
MAX_S = 10 * 365 * 86400.0  # beyond ten years a limit counts as not reached


@dataclass(frozen=True, slots=True)
class Reading:
    """One judging reading; `proven` False when its quality is in doubt."""

    probe: str
    at: datetime
    value_c: float
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Band:
    """A quantity that is not known exactly: lowest, likely and highest credible value, with its source."""

    low: float
    likely: float
    high: float
    source: Source
    detail: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.likely <= self.high):
            raise BadInput(
                "product.band",
                f"{self.low:g}, {self.likely:g}, {self.high:g} is no band.",
                "Give lowest, likely and highest in rising order.",
                field="band",
                value=self.likely,
            )


@dataclass(frozen=True, slots=True)
class Basis:
    """What is known of a space: limits, surroundings, thermal time constant, and whether cooling works.

    `cold_source_c` is the coldest that a cooling circuit stuck on can drive the space to.
    """

    low_c: float | None
    high_c: float | None
    ambient_c: Band | None
    time_constant_s: Band | None
    cold_source_c: Band | None = None
    accuracy_c: float = 0.0
    cooling: Literal["working", "failed", "unknown"] = "unknown"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds from now and the instant; None for both when `state` is unknown or not_reached."""

    state: Literal["known", "unknown", "not_reached"]
    seconds: float | None
    at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class TimeToLimit:
    """Worst case and likely, the probe and side that come first, and every input with its source."""

    worst: Estimate
    likely: Estimate
    probe: str
    side: Literal["high", "low", ""]
    figures: tuple[Figure, ...]
    dark_since: datetime | None


@dataclass(frozen=True, slots=True)
class _Hit:
    worst_s: float  # from `now`; may be negative: reached already
    likely_s: float
    probe: str
    side: Literal["high", "low"]


def time_to_limit(readings: Sequence[Reading], basis: Basis, now: datetime) -> TimeToLimit:
    """Worst-case and likely time until the space is outside its limits. Readings after `now` are left out."""
    past = sorted((r for r in readings if r.at <= now and math.isfinite(r.value_c)), key=lambda r: (r.at, r.probe))
    latest = {r.probe: r for r in past if r.proven}
    last = max((r.at for r in latest.values()), default=None)
    dark = last if last is not None and (now - last).total_seconds() > DARK_AFTER_S else None
    figures = _figures(latest, past, basis, now)
    out = [r for r in latest.values() if _outside(r.value_c, basis)]
    if out:
        first = min(out, key=lambda r: (r.at, r.probe))
        words = f"{first.probe} reads {first.value_c:g} °C: already outside the profile"
        zero = Estimate("known", 0.0, now, words)
        return TimeToLimit(zero, zero, first.probe, _side(first.value_c, basis), figures, dark)
    doubted = [r for r in past if not r.proven and _outside(r.value_c, basis) and _newer(r, latest)]
    missing = _missing(latest, basis)
    if doubted:
        return _in_doubt(doubted[-1], missing, _hits(latest, past, basis, now), basis, figures, dark, now)
    if missing:
        unknown = Estimate("unknown", None, None, missing)
        return TimeToLimit(unknown, unknown, "", "", figures, dark)
    return _bounded(_hits(latest, past, basis, now), figures, dark, now)


def _newer(reading: Reading, latest: dict[str, Reading]) -> bool:
    return reading.probe not in latest or reading.at > latest[reading.probe].at


def _outside(value_c: float, basis: Basis) -> bool:
    return _side(value_c, basis) != ""


def _side(value_c: float, basis: Basis) -> Literal["high", "low", ""]:
    if basis.high_c is not None and value_c > basis.high_c:
        return "high"
    return "low" if basis.low_c is not None and value_c < basis.low_c else ""


def _missing(latest: dict[str, Reading], basis: Basis) -> str:
    """Why there is no basis; "" when there is one."""
    if basis.low_c is None and basis.high_c is None:
        return "the profile has no limit"
    if not latest:
        return "no proven reading of a judging probe"
    if basis.ambient_c is None:
        return "no temperature of the surroundings, neither measured nor assumed"
    if basis.time_constant_s is None or basis.time_constant_s.low <= 0.0:
        return "no thermal time constant, neither measured nor assumed"
    return ""


def _hits(latest: dict[str, Reading], past: Sequence[Reading], basis: Basis, now: datetime) -> list[_Hit]:
    if _missing(latest, basis):
        return []
    found = []
    for probe, last in sorted(latest.items()):
        own = [r for r in past if r.probe == probe and r.proven]
        passed_s = (now - last.at).total_seconds()
        sides: list[Literal["high", "low"]] = ["high", "low"]
        for side in sides:
            worst_s, likely_s = _reach(last.value_c, _slopes(own), basis, side)
            found.append(_Hit(worst_s - passed_s, max(worst_s, likely_s) - passed_s, probe, side))
    return found


def _reach(
    value_c: float, slopes: tuple[float, ...], basis: Basis, side: Literal["high", "low"]
) -> tuple[float, float]:
    """Seconds from the reading to one limit, worst case and likely. The low side is the high side mirrored."""
    ambient, tau, limit = basis.ambient_c, basis.time_constant_s, basis.high_c if side == "high" else basis.low_c
    if limit is None or ambient is None or tau is None:
        return NEVER_S, NEVER_S
    sign = 1.0 if side == "high" else -1.0
    drive = (
        ambient.high
        if side == "high"
        else min(ambient.low, basis.cold_source_c.low if basis.cold_source_c else NEVER_S)
    )
    value, goal = sign * value_c, sign * limit
    towards = [sign * s for s in slopes if sign * s > 0.0]
    worst = _first_order(value + basis.accuracy_c, goal, sign * drive, tau.low)
    likely = _likely(value, goal, sign * ambient.likely, tau, sign * slopes[-1] if slopes else 0.0, basis)
    if towards:
        worst = min(worst, max(0.0, goal - value - basis.accuracy_c) / max(towards))
    return worst, likely


def _likely(value: float, goal: float, drive: float, tau: Band, slope: float, basis: Basis) -> float:
    """First-order towards the likely surroundings; the measured slope sets the pace where there is one."""
    if basis.cooling == "working" and slope <= 0.0:
        return NEVER_S
    pace = min(max((drive - value) / slope, tau.low), tau.high) if slope > 0.0 and drive > value else tau.likely
    curve = _first_order(value, goal, drive, pace)
    return curve if curve < NEVER_S or slope <= 0.0 else (goal - value) / slope


def _first_order(value: float, goal: float, drive: float, tau_s: float) -> float:
    """Seconds for a first-order rise from `value` towards `drive` to reach `goal`; infinite when it does not."""
    if value >= goal:
        return 0.0
    if drive <= goal:
        return NEVER_S
    return tau_s * math.log((drive - value) / (drive - goal))


def _slopes(own: Sequence[Reading]) -> tuple[float, ...]:
    """Slopes in °C/s within the last hour of one probe, over at least ten minutes; the last over all of it."""
    recent = [r for r in own if (own[-1].at - r.at).total_seconds() <= TREND_WINDOW_S]
    found: list[float] = []
    back = 0
    for reading in recent:
        while back + 1 < len(recent) and (reading.at - recent[back + 1].at).total_seconds() >= TREND_SPAN_S:
            back += 1
        apart_s = (reading.at - recent[back].at).total_seconds()
        if apart_s >= TREND_SPAN_S:
            found.append((reading.value_c - recent[back].value_c) / apart_s)
    if found:
        found.append((recent[-1].value_c - recent[0].value_c) / (recent[-1].at - recent[0].at).total_seconds())
    return tuple(found)


def _bounded(hits: list[_Hit], figures: tuple[Figure, ...], dark: datetime | None, now: datetime) -> TimeToLimit:
    first = min(hits, key=lambda h: (h.worst_s, h.likely_s, h.probe))
    likely_s = max(first.worst_s, min(h.likely_s for h in hits))
    silent = f"; no proven reading for {duration_text((now - dark).total_seconds())}" if dark else ""
    reached = first.worst_s < NEVER_S
    words = f"{first.probe} reaches the {first.side} limit first{silent}" if reached else f"no limit is reached{silent}"
    if first.worst_s <= 0.0:
        words = f"{first.probe} may already be past the {first.side} limit{silent}"
    worst, likely = _estimate(first.worst_s, words, now), _estimate(likely_s, words, now)
    return TimeToLimit(worst, likely, first.probe, first.side if reached else "", figures, dark)


def _estimate(seconds: float, words: str, now: datetime) -> Estimate:
    if seconds > MAX_S:
        return Estimate("not_reached", None, None, words)
    left = max(0.0, seconds)
    return Estimate("known", left, now + timedelta(seconds=left), words)


def _in_doubt(
    doubted: Reading,
    missing: str,
    hits: list[_Hit],
    basis: Basis,
    figures: tuple[Figure, ...],
    dark: datetime | None,
    now: datetime,
) -> TimeToLimit:
    """A doubtful reading outside the profile: the worst case is now; the likely case stands on proven ones."""
    words = f"in doubt: {doubted.probe} reads {doubted.value_c:g} °C, outside the profile"
    likely = Estimate("unknown", None, None, missing) if missing else _bounded(hits, figures, dark, now).likely
    worst = Estimate("known", 0.0, now, words)
    return TimeToLimit(worst, likely, doubted.probe, _side(doubted.value_c, basis), figures, dark)


def _bounds(low: float, high: float, unit: str) -> str:
    """Both ends of a band in words, with their unit."""
    return f"{duration_text(low)} to {duration_text(high)}" if unit == "s" else f"{low:g} to {high:g} {unit}"


def _figures(latest: dict[str, Reading], past: Sequence[Reading], basis: Basis, now: datetime) -> tuple[Figure, ...]:
    """Every input of the bound with its source."""
    found = []
    for probe, last in sorted(latest.items()):
        age = duration_text((now - last.at).total_seconds())
        found.append(Figure(f"{probe} reading", last.value_c, "°C", "measured", f"{age} ago"))
        slopes = _slopes([r for r in past if r.probe == probe and r.proven])
        if slopes:
            found.append(Figure(f"{probe} trend", round(slopes[-1] * 3600.0, 2), "°C/h", "measured"))
    bands = (
        ("ambient", "°C", basis.ambient_c),
        ("time constant", "s", basis.time_constant_s),
        ("cold source", "°C", basis.cold_source_c),
    )
    found += [
        Figure(name, b.likely, unit, b.source, f"{_bounds(b.low, b.high, unit)}{', ' + b.detail if b.detail else ''}")
        for name, unit, b in bands
        if b is not None
    ]
    if basis.accuracy_c:
        found.append(Figure("probe accuracy", basis.accuracy_c, "°C", "assumed"))
    return tuple(found)
