"""The verdict on one sensor and one period: in_range_proven, out_of_range or not_proven, and the minutes of all three.

`SensorFold` is the one way to a verdict: fed reading by reading (live) or with a whole history (replay, late data,
evidence). `judgement(to_s)` only looks: however often time is said to have passed, the answer is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from typing import Literal, NamedTuple

from waystation.telemetry.rules.durations import RuleFold, RuleJudgement
from waystation.telemetry.rules.excursions import Excursion, ExcursionFold
from waystation.telemetry.rules.mkt import MktSum
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.series import Reading, in_order

Verdict = Literal["in_range_proven", "out_of_range", "not_proven"]
Cause = Literal["no_reading", "unusable_readings", "before_first_reading", "after_last_reading", "no_reading_in_period"]


class Kind(IntEnum):
    """What a stretch of time is: proven in range, between band and limit, a gap, too cold, too hot."""

    PROVEN = 0
    GUARD = 1
    GAP = 2
    LOW = 3
    HIGH = 4


class Stretch(NamedTuple):
    """A half-open stretch of time of one kind."""

    start_s: float
    end_s: float
    kind: Kind


class Gap(NamedTuple):
    """A stretch that no reading covers, and why."""

    start_s: float
    end_s: float
    cause: Cause


@dataclass(frozen=True, slots=True)
class SensorJudgement:
    """Everything that judging found out about one sensor in [from_s, to_s]. The three durations add up to it."""

    verdict: Verdict
    from_s: float
    to_s: float
    hold_s: float
    in_range_s: float
    out_of_range_s: float
    not_proven_s: float
    guard_s: float
    covered_s: float
    min_c: float | None
    max_c: float | None
    kinetic: MktSum
    gaps: tuple[Gap, ...]
    excursions: tuple[Excursion, ...]
    rules: tuple[RuleJudgement, ...]
    timeline: tuple[Stretch, ...]

    @property
    def mean_c(self) -> float | None:
        """The mean, each reading weighted by the seconds it covers."""
        return self.kinetic.mean_c()

    @property
    def mkt_c(self) -> float | None:
        """The mean kinetic temperature with the same weights."""
        return self.kinetic.mkt_c()


def classify(limits: tuple[float, float], band: tuple[float, float], coldest_c: float, hottest_c: float) -> Kind:
    """The kind of a moment: the value further out counts; between band and limit nothing is proven."""
    too_hot, too_cold = hottest_c - limits[1], limits[0] - coldest_c
    if too_hot > 0.0 or too_cold > 0.0:
        return Kind.HIGH if too_hot >= too_cold else Kind.LOW
    return Kind.PROVEN if coldest_c >= band[0] and hottest_c <= band[1] else Kind.GUARD


class SensorFold:
    """Explicit state of judging one sensor from `from_s` on. Feed readings in order of time.

    The newest instant is kept open, so that another value of the same instant still joins it.
    """

    def __init__(self, profile: Profile, hold_s: float, from_s: float) -> None:
        self.profile = profile
        self.hold_s = hold_s
        self.from_s = from_s
        self._limits = (profile.low_c, profile.high_c)
        self._band = (profile.band_low_c, profile.band_high_c)
        self._at: float | None = None
        self._coldest = self._hottest = 0.0
        self._unusable_at: float | None = None
        self._judged = [0] * len(Kind)
        self._min_c: float | None = None
        self._max_c: float | None = None
        self._kinetic = MktSum()
        self._excursions = ExcursionFold()
        self._rules = [RuleFold(rule) for rule in profile.rules]
        self._gaps: list[Gap] = []
        self._timeline: list[Stretch] = []

    def feed(self, at_s: float, value_c: float | None) -> None:
        """Take the next reading. None, NaN and infinities are unusable. ValueError for one older than the newest."""
        newest = self._at
        if newest is not None and at_s < newest:
            raise ValueError(f"reading at {at_s} is older than {newest}: fold the window again")
        if value_c is None or not isfinite(value_c):
            if at_s != newest and (self._unusable_at is None or at_s < self._unusable_at):
                self._unusable_at = at_s
            return
        if at_s == newest:
            self._coldest, self._hottest = min(self._coldest, value_c), max(self._hottest, value_c)
            return
        if newest is None:
            if at_s > self.from_s:
                self._gap(self.from_s, at_s, "before_first_reading")
        else:
            self._settle(newest, at_s, "no_reading")
        self._at, self._coldest, self._hottest, self._unusable_at = at_s, value_c, value_c, None

    def pass_over(
        self, at_s: float, value_c: float, count: int, coldest_c: float, hottest_c: float, kinetic: MktSum
    ) -> None:
        """Take `count` readings at once that all continue the newest, and the one before it: later, in range, proven,
        each within the hold of the one before, beyond no rule's limit, and none of them before `from_s`.

        `at_s` and `value_c` are the last one's; the extremes and `kinetic` are of those that they cover: the newest
        and all but the last.
        """
        assert self._at is not None
        self._judged[Kind.PROVEN] += count
        self._stretch(self._at, at_s, Kind.PROVEN)
        self._kinetic.merge(kinetic)
        self._min_c = coldest_c if self._min_c is None else min(self._min_c, coldest_c)
        self._max_c = hottest_c if self._max_c is None else max(self._max_c, hottest_c)
        self._at, self._coldest, self._hottest = at_s, value_c, value_c

    def copy(self) -> SensorFold:
        """The same state, independent of this one: a checkpoint to replay late data from."""
        other = SensorFold(self.profile, self.hold_s, self.from_s)
        other._at, other._coldest, other._hottest = self._at, self._coldest, self._hottest
        other._unusable_at, other._judged = self._unusable_at, list(self._judged)
        other._min_c, other._max_c = self._min_c, self._max_c
        other._kinetic, other._excursions = self._kinetic.copy(), self._excursions.copy()
        other._rules = [rule.copy() for rule in self._rules]
        other._gaps, other._timeline = list(self._gaps), list(self._timeline)
        return other

    def judgement(self, to_s: float) -> SensorJudgement:
        """The judgement on [from_s, to_s] as far as it is known; this state stays as it is."""
        if to_s < self.from_s or (self._at is not None and to_s < self._at):
            raise ValueError(f"the period ends at {to_s}, before what was judged already")
        end = self.copy()
        if end._at is None:
            end._gap(end.from_s, to_s, "no_reading_in_period")
        else:
            end._settle(end._at, to_s, "after_last_reading")
        return end._close(to_s)

    def _settle(self, at_s: float, until_s: float, cause: Cause) -> None:
        """Judge the newest moment, now that the instant of the next one (or the end) is known."""
        begin = max(at_s, self.from_s)
        end = min(at_s + self.hold_s, until_s)
        if at_s >= self.from_s or end > begin:
            self._judge(at_s, begin, end)
        if until_s > max(end, begin):
            self._gap(max(end, begin), until_s, cause)

    def _judge(self, at_s: float, begin: float, end: float) -> None:
        coldest, hottest = self._coldest, self._hottest
        kind = classify(self._limits, self._band, coldest, hottest)
        if kind is Kind.HIGH:
            self._excursions.outside("high", begin, end, hottest)
        elif kind is Kind.LOW:
            self._excursions.outside("low", begin, end, coldest)
        else:
            self._excursions.inside()
        self._judged[kind] += 1
        self._stretch(begin, end, kind)
        self._kinetic.add(hottest, end - begin)
        for rule in self._rules:
            rule.step(begin, end, coldest, hottest)
        if at_s >= self.from_s:
            self._min_c = coldest if self._min_c is None or coldest < self._min_c else self._min_c
            self._max_c = hottest if self._max_c is None or hottest > self._max_c else self._max_c

    def _gap(self, start_s: float, end_s: float, cause: Cause) -> None:
        if end_s <= start_s:
            return
        if self._unusable_at is not None and self._unusable_at < end_s:
            cause = "unusable_readings"
        self._gaps.append(Gap(start_s, end_s, cause))
        self._stretch(start_s, end_s, Kind.GAP)

    def _stretch(self, start_s: float, end_s: float, kind: Kind) -> None:
        if end_s <= start_s:
            return
        timeline = self._timeline
        if timeline and timeline[-1].kind == kind and timeline[-1].end_s == start_s:
            timeline[-1] = Stretch(timeline[-1].start_s, end_s, kind)
        else:
            timeline.append(Stretch(start_s, end_s, kind))

    def _close(self, to_s: float) -> SensorJudgement:
        length = seconds_by_kind(self._timeline)
        outside = length[Kind.LOW] + length[Kind.HIGH]
        return SensorJudgement(
            verdict=self._verdict(),
            from_s=self.from_s,
            to_s=to_s,
            hold_s=self.hold_s,
            in_range_s=length[Kind.PROVEN],
            out_of_range_s=outside,
            not_proven_s=length[Kind.GUARD] + length[Kind.GAP],
            guard_s=length[Kind.GUARD],
            covered_s=length[Kind.PROVEN] + length[Kind.GUARD] + outside,
            min_c=self._min_c,
            max_c=self._max_c,
            kinetic=self._kinetic,
            gaps=tuple(self._gaps),
            excursions=self._excursions.excursions(),
            rules=tuple(rule.judgement() for rule in self._rules),
            timeline=tuple(self._timeline),
        )

    def _verdict(self) -> Verdict:
        if self._judged[Kind.LOW] or self._judged[Kind.HIGH]:
            return "out_of_range"
        if self._gaps or self._judged[Kind.GUARD] or not self._judged[Kind.PROVEN]:
            return "not_proven"
        return "in_range_proven"


def seconds_by_kind(timeline: Iterable[Stretch]) -> list[float]:
    """How long each kind lasts, indexed by `Kind`."""
    length = [0.0] * len(Kind)
    for start_s, end_s, kind in timeline:
        length[kind] += end_s - start_s
    return length


def judge_sensor(
    readings: Sequence[Reading], profile: Profile, hold_s: float, from_s: float, to_s: float
) -> SensorJudgement:
    """Judge one sensor's readings, in whatever order they arrived, over [from_s, to_s].

    A reading before `from_s` still covers the time it holds; one after `to_s` is not looked at.
    """
    fold = SensorFold(profile, hold_s, from_s)
    for at_s, value in in_order(readings):
        if at_s > to_s:
            break
        fold.feed(at_s, value)
    return fold.judgement(to_s)
