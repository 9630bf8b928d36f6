"""What retention may take from a sealed segment, and what it leaves, as plain decisions.

Two classes of readings: those of sensors that may judge a space keep their full rate for as long as they are kept;
other signals may be reduced earlier to the lowest, highest and mean value of five minutes. Of several rules the
longest wins. Without a rule for a class nothing of it is ever taken. What lies in a kept span is never touched.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from waystation.evidence.rules.retention import Policy, earliest_disposal

Covers = Literal["judging", "other"]
BUCKET_US = 300_000_000
ANY = date.max


class Reading(Protocol):
    """As much of a stored reading as is needed here."""

    @property
    def sensor(self) -> str:
        """The code under which it is stored."""

    @property
    def observed_us(self) -> int:
        """Its instant in microseconds since 1970."""

    @property
    def value(self) -> float | None:
        """What was measured; None for nothing."""


R = TypeVar("R", bound=Reading)


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a class of readings is kept, and for how many days at full rate.

    `keep` None is for ever; `full_days` None is at full rate for as long as it is kept.
    """

    name: str
    covers: Covers
    keep: Policy | None
    full_days: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A time of a site, half-open in microseconds since 1970, whose readings stay as they are, and why."""

    start_us: int
    end_us: int
    why: str


@dataclass(frozen=True, slots=True)
class Due:
    """What the age of a segment allows, with the name of the rule that decided; empty names allow nothing."""

    judging_goes: str = ""
    other_goes: str = ""
    other_is_reduced: str = ""

    @property
    def is_nothing(self) -> bool:
        """True when the segment stays as it is."""
        return not (self.judging_goes or self.other_goes or self.other_is_reduced)


class Bucket(NamedTuple):
    """Five minutes of a signal: lowest, highest and mean of the `measured` values, and how many readings had none."""

    sensor: str
    start_us: int
    low: float | None
    high: float | None
    mean: float | None
    measured: int
    missing: int


class Taken(NamedTuple):
    """An unbroken run of a sensor's readings that went: the instants of the first and last, and how many."""

    first_us: int
    last_us: int
    readings: int
    what: Literal["removed", "reduced"]


@dataclass(frozen=True, slots=True)
class Split(Generic[R]):
    """A segment's readings after a decision: those that stay, the buckets of reduced ones, the runs that went, and
    which kept spans held something back."""

    kept: list[R]
    buckets: list[Bucket]
    taken: dict[str, list[Taken]]
    held_back: dict[str, int]


def due(last_day: date, rules: Sequence[Rule], today: date) -> Due:
    """What may happen to a segment whose newest reading is of `last_day`."""
    judging, other = ([r for r in rules if r.covers == name] for name in ("judging", "other"))
    goes = {name: _gone_from(last_day, some) for name, some in (("judging", judging), ("other", other))}
    reduced, by_reduced = max(((_full_until(last_day, r), r.name) for r in other), default=(ANY, ""))
    other_goes = goes["other"][1] if goes["other"][0] <= today else ""
    return Due(
        judging_goes=goes["judging"][1] if goes["judging"][0] <= today else "",
        other_goes=other_goes,
        other_is_reduced=by_reduced if reduced <= today and reduced != ANY and not other_goes else "",
    )


def _gone_from(last_day: date, rules: Sequence[Rule]) -> tuple[date, str]:
    """The first day without the readings and the name of the longest rule; `ANY` where they stay for ever."""
    return max(((_until(last_day, r), r.name) for r in rules), default=(ANY, ""))


def _until(last_day: date, rule: Rule) -> date:
    if rule.keep is None:
        return ANY
    first = earliest_disposal(last_day, [rule.keep], ()).earliest
    return ANY if first is None else first + timedelta(days=1)


def _full_until(last_day: date, rule: Rule) -> date:
    if rule.full_days is None:
        return _until(last_day, rule)
    return min(last_day + timedelta(days=rule.full_days + 1), _until(last_day, rule))


def split(readings: Iterable[R], judges: Callable[[str], bool], allowed: Due, spans: Sequence[Span]) -> Split[R]:
    """Decide about each reading, given by sensor and instant; a reading in a span stays whatever is allowed."""
    covers = _Cover(spans)
    made: Split[R] = Split([], [], {}, {})
    run: Taken | None = None
    sensor = ""
    for one in readings:
        if one.sensor != sensor:
            sensor, run = one.sensor, None
        what = _fate(judges(sensor), allowed)
        why = covers.at(one.observed_us) if what else ""
        if not what or why:
            made.kept.append(one)
            run = None
            if why:
                made.held_back[why] = made.held_back.get(why, 0) + 1
            continue
        if what == "reduced":
            _add(made.buckets, one)
        run = _longer(made.taken.setdefault(sensor, []), run, one.observed_us, what)
    return made


def _fate(is_judging: bool, allowed: Due) -> Literal["removed", "reduced", ""]:
    if is_judging:
        return "removed" if allowed.judging_goes else ""
    if allowed.other_goes:
        return "removed"
    return "reduced" if allowed.other_is_reduced else ""


def _longer(runs: list[Taken], run: Taken | None, at_us: int, what: Literal["removed", "reduced"]) -> Taken:
    if run is None:
        runs.append(Taken(at_us, at_us, 1, what))
    else:
        runs[-1] = run._replace(last_us=at_us, readings=run.readings + 1)
    return runs[-1]


def alone(one: Reading) -> Bucket:
    """One reading as the five minutes that it lies in."""
    start_us, missing = one.observed_us - one.observed_us % BUCKET_US, one.value is None
    return Bucket(one.sensor, start_us, one.value, one.value, one.value, int(not missing), int(missing))


def _add(buckets: list[Bucket], one: Reading) -> None:
    own = alone(one)
    if buckets and buckets[-1][:2] == own[:2]:
        buckets[-1] = together(buckets[-1], own)
    else:
        buckets.append(own)


def together(one: Bucket, other: Bucket) -> Bucket:
    """Two parts of the same five minutes as one."""
    count = one.measured + other.measured
    lows = [b.low for b in (one, other) if b.low is not None]
    highs = [b.high for b in (one, other) if b.high is not None]
    total = sum(b.mean * b.measured for b in (one, other) if b.mean is not None)
    return Bucket(
        one.sensor,
        one.start_us,
        min(lows, default=None),
        max(highs, default=None),
        total / count if count else None,
        count,
        one.missing + other.missing,
    )


def merged(buckets: Iterable[Bucket]) -> list[Bucket]:
    """Buckets in order, each five minutes of a sensor once."""
    found: dict[tuple[str, int], Bucket] = {}
    for one in buckets:
        key = (one.sensor, one.start_us)
        found[key] = together(found[key], one) if key in found else one
    return [found[key] for key in sorted(found)]


def old_buckets(buckets: Iterable[Bucket], allowed: Due, spans: Sequence[Span]) -> list[Bucket]:
    """Of what was reduced before, what stays: all while the signals are kept, else what a span touches."""
    if not allowed.other_goes:
        return list(buckets)
    covers = _Cover(spans)
    return [b for b in buckets if covers.touches(b.start_us, b.start_us + BUCKET_US)]


class _Cover:
    """Which of overlapping spans covers an instant."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = sorted((s for s in spans if s.end_us > s.start_us), key=lambda s: s.start_us)
        self._starts = [s.start_us for s in self._spans]
        self._reach: list[Span] = []  # of the spans up to each one, the one that ends last
        for one in self._spans:
            last = self._reach[-1] if self._reach else one
            self._reach.append(one if one.end_us >= last.end_us else last)

    def at(self, at_us: int) -> str:
        place = bisect_right(self._starts, at_us)
        found = self._reach[place - 1] if place else None
        return found.why if found is not None and found.end_us > at_us else ""

    def touches(self, start_us: int, end_us: int) -> bool:
        place = bisect_right(self._starts, end_us - 1)
        return bool(place) and self._reach[place - 1].end_us > start_us
