"""Time to restored service from one source: prepare, travel, install, re-check, with every wait named.

A path is a pipeline. Each step has a law of its duration and gates that say when it may start: a hub's
staffing, a courier's pick-up, a site's access window, a qualified person's shift. Delivery is not the end:
the re-check is, because restored means that the unit passes its baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from waystation.kernel.figures import Figure
from waystation.spares.rules.durations import Duration, levels, quantile, rank
from waystation.spares.rules.gates import Gate, opening, openings
from waystation.spares.rules.hours import NEVER, Array

Kind = Literal["prepare", "travel", "install", "recheck"]
Mode = Literal["carry", "road", "air", "rail", "sea"]

STEP_POINTS = 16
PATH_POINTS = 48
EVEN_S = 120.0
LIKELY = 0.5
NINE_OF_TEN = 0.9
WEEK_HOURS = 168

Case = tuple[float, tuple[float, ...]]

AIR_REFUSES: Mapping[str, str] = {
    "lithium_ion": "lithium batteries do not fly",
    "lithium_metal": "lithium batteries do not fly",
    "lead_acid": "lead batteries do not fly",
    "refrigerant": "charged refrigerant does not fly",
}


@dataclass(frozen=True, slots=True)
class Lane:
    """A way to carry goods: its mode and what it refuses by its own terms (kind of goods, in words)."""

    name: str
    mode: Mode
    refuses: tuple[tuple[str, str], ...] = ()
    max_mass_kg: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a path; it starts when every gate allows it."""

    kind: Kind
    duration: Duration
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """How a unit gets from `source` into service: the steps in order, the lane, and what is carried."""

    source: str
    steps: tuple[Step, ...]
    lane: Lane | None = None
    goods: tuple[str, ...] = ()
    mass_kg: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a bar: a step, or a wait with its reason and, in an install, who does it."""

    kind: Literal["prepare", "travel", "install", "recheck", "wait"]
    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Restore:
    """When service is restored from one source, for one start. Instants are None when it cannot be."""

    source: str
    start: datetime
    likely_at: datetime | None
    p90_at: datetime | None
    likely: tuple[Segment, ...]
    p90: tuple[Segment, ...]
    figures: tuple[Figure, ...]
    refusals: tuple[str, ...]

    @property
    def waits(self) -> tuple[Segment, ...]:
        """The waits of the 9-of-10 case, in order."""
        return tuple(s for s in self.p90 if s.kind == "wait")

    def seconds(self) -> float | None:
        """Seconds from the start to restored service in 9 of 10 cases."""
        return None if self.p90_at is None else (self.p90_at - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class WeekView:
    """Time to restored service over every hour of a week; None when more than that share never gets there."""

    source: str
    likely_s: float | None
    p90_s: float | None
    worst_start: datetime | None
    unreachable_hours: int
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """How one source answers "restored within T?": the share of all starts, and its 9-of-10 time."""

    source: str
    share: float
    p90_s: float | None
    reason: str


def lane_refusals(path: Path) -> tuple[str, ...]:
    """Why the lane may not carry these goods, in words; empty when it may."""
    lane = path.lane
    if lane is None:
        return ()
    found = [words for kind, words in lane.refuses if kind in path.goods]
    if lane.mode == "air":
        found += [AIR_REFUSES[kind] for kind in path.goods if kind in AIR_REFUSES]
    if lane.max_mass_kg is not None:
        if path.mass_kg is None:
            found.append(f"it carries up to {lane.max_mass_kg:g} kg and the mass is unknown")
        elif path.mass_kg > lane.max_mass_kg:
            found.append(f"{path.mass_kg:g} kg is more than the {lane.max_mass_kg:g} kg it carries")
    return tuple(f"{path.source} by {lane.name} refused: {words}." for words in dict.fromkeys(found))


def trace(path: Path, start: datetime, at_levels: tuple[float, ...]) -> tuple[tuple[Segment, ...], str]:
    """The path with each step at its own level of its law, and why it ends early ("" when it does not)."""
    segments: list[Segment] = []
    now = start
    for step, level in zip(path.steps, at_levels, strict=True):
        need_s = step.duration.at(level)
        begun = opening(step.gates, now, need_s)
        segments += [Segment("wait", w.start, w.end, w.reason) for w in begun.waits]
        if begun.at is None:
            return tuple(segments), begun.refusal
        now = begun.at + timedelta(seconds=need_s)
        segments.append(Segment(step.kind, begun.at, now, begun.who))
    return tuple(segments), ""


def arrivals(
    path: Path, starts: Sequence[datetime], *, step_points: int = STEP_POINTS, path_points: int = PATH_POINTS
) -> tuple[Array, Array]:
    """Equally likely cases of each start, ranked, and each step's level in that case: (S, K) and (S, K, steps).

    Seconds from the start to restored service, infinite for cases that never get there. The steps' durations are taken
    as independent; each step is taken at `step_points` and the state is carried at `path_points` of probability.
    """
    begin_s = np.array([start.timestamp() for start in starts])
    at_s, own = begin_s[:, None], np.zeros((len(starts), 1, 0))
    carried = levels(path_points)
    for step in path.steps:
        grid = levels(step_points if len(step.duration.points) > 1 else 1)
        every = np.repeat(at_s, len(grid), axis=1)
        need_s = np.broadcast_to(np.tile([step.duration.at(level) for level in grid], at_s.shape[1]), every.shape)
        reached = openings(step.gates, every.ravel(), need_s.ravel()).reshape(every.shape) + need_s
        level = np.broadcast_to(np.tile(grid, at_s.shape[1]), every.shape)
        own = np.concatenate((np.repeat(own, len(grid), axis=1), level[:, :, None]), axis=2)
        order = np.lexsort((*np.moveaxis(own, 2, 0)[::-1], reached))
        if reached.shape[1] > path_points:
            order = order[:, [rank(reached.shape[1], share) for share in carried]]
        at_s, own = np.take_along_axis(reached, order, 1), np.take_along_axis(own, order[:, :, None], 1)
    return at_s - begin_s[:, None], own


def restore(path: Path, start: datetime) -> Restore:
    """When service is restored from this source if work begins at `start`, likely and in 9 of 10 cases.

    The bars end exactly at the instants given. A source that gets there in fewer than 9 of 10 cases is
    refused with the gate that stops it.
    """
    figures = tuple(step.duration.figure(step.kind) for step in path.steps)
    refusals = lane_refusals(path)
    if refusals:
        return Restore(path.source, start, None, None, (), (), figures, refusals)
    ranked, own = (found[0] for found in arrivals(path, [start]))
    places = [rank(len(ranked), level) for level in (LIKELY, NINE_OF_TEN)]
    likely, p90 = (_bar(path, start, (float(ranked[n]), tuple(own[n].tolist()))) for n in places)
    why = p90[1] or likely[1]
    refused = (f"{path.source} refused: {why}.",) if why else ()
    ends = [None if stopped else _end(segments, start) for segments, stopped in (likely, p90)]
    return Restore(path.source, start, ends[0], ends[1], likely[0], p90[0], figures, refused)


def _end(segments: tuple[Segment, ...], start: datetime) -> datetime:
    return segments[-1].end if segments else start


def _bar(path: Path, start: datetime, case: Case) -> tuple[tuple[Segment, ...], str]:
    """The segments of a case: evenly spread over the steps where that ends at most `EVEN_S` later, else its own."""
    seconds, own = case
    low, high = 0, 1000
    while low < high:
        middle = (low + high) // 2
        segments, stopped = trace(path, start, (middle / 1000,) * len(own))
        if stopped or (_end(segments, start) - start).total_seconds() >= seconds:
            high = middle
        else:
            low = middle + 1
    even, stopped = trace(path, start, (low / 1000,) * len(own))
    over_s = (_end(even, start) - start).total_seconds() - seconds
    return (even, "") if not stopped and 0 <= over_s <= EVEN_S else trace(path, start, own)


def over_week(path: Path, week_start: datetime) -> WeekView:
    """Likely and 9-of-10 seconds to restored service when the need arises at any hour of the week from `week_start`."""
    return _view(path.source, lane_refusals(path), _week(path, week_start))


def _week(path: Path, week_start: datetime) -> list[tuple[datetime, tuple[float, ...]]]:
    """For each hour of the week, equally likely seconds at `PATH_POINTS` points."""
    starts = [week_start + timedelta(hours=hour) for hour in range(WEEK_HOURS)]
    ranked, _ = arrivals(path, starts)
    spread = ranked[:, [rank(ranked.shape[1], p) for p in levels(PATH_POINTS)]]
    return [(at, tuple(seconds)) for at, seconds in zip(starts, spread.tolist(), strict=True)]


def _view(source: str, refusals: tuple[str, ...], week: list[tuple[datetime, tuple[float, ...]]]) -> WeekView:
    if refusals:
        return WeekView(source, None, None, None, WEEK_HOURS, refusals)
    pooled = sorted(seconds for _, spread in week for seconds in spread)
    at_nine = [(quantile(spread, NINE_OF_TEN), at) for at, spread in week]
    lost = sum(seconds == NEVER for seconds, _ in at_nine)
    worst = max(at_nine, key=lambda pair: pair[0])[1]
    reasons = (
        (f"{source}: not restored in 9 of 10 cases from {lost} of {WEEK_HOURS} hours of the week.",) if lost else ()
    )
    likely, p90 = (_finite(quantile(pooled, level)) for level in (LIKELY, NINE_OF_TEN))
    return WeekView(source, likely, p90, worst, lost, reasons)


def _finite(seconds: float) -> float | None:
    return None if seconds == NEVER else seconds


def reach(paths: tuple[Path, ...], week_start: datetime, within_s: float) -> tuple[Reach, ...]:
    """ "Can the site be reached within T from anywhere?" The sources, best first, each with its share of the week."""
    found = []
    for path in paths:
        refusals = lane_refusals(path)
        week = [] if refusals else _week(path, week_start)
        cases = [seconds <= within_s for _, spread in week for seconds in spread]
        share = sum(cases) / len(cases) if cases else 0.0
        reason = refusals[0] if refusals else f"{path.source} restores within the time in {share:.0%} of all cases."
        found.append(Reach(path.source, share, _view(path.source, refusals, week).p90_s, reason))
    return tuple(sorted(found, key=lambda r: (-r.share, float("inf") if r.p90_s is None else r.p90_s, r.source)))
