"""The verdict on a space with several sensors: any out makes it out; it is proven only while all are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waystation.telemetry.rules.mkt import MktSum
from waystation.telemetry.rules.verdict import Kind, SensorJudgement, Stretch, Verdict, seconds_by_kind


@dataclass(frozen=True, slots=True)
class SpaceJudgement:
    """Several sensors of one space over one period. The three durations add up to the period."""

    verdict: Verdict
    from_s: float
    to_s: float
    in_range_s: float
    out_of_range_s: float
    not_proven_s: float
    min_c: float | None
    max_c: float | None
    mean_c: float | None
    mkt_c: float | None
    timeline: tuple[Stretch, ...]
    sensors: tuple[SensorJudgement, ...]


def judge_space(sensors: Sequence[SensorJudgement]) -> SpaceJudgement:
    """Combine judgements of one period; ValueError for none, or for different periods."""
    if not sensors or len({(s.from_s, s.to_s) for s in sensors}) != 1:
        raise ValueError("a space is judged from one or more sensors over one period")
    timeline = tuple(sensors[0].timeline) if len(sensors) == 1 else combined_timeline([s.timeline for s in sensors])
    length = seconds_by_kind(timeline)
    total = MktSum()
    for sensor in sensors:
        total.merge(sensor.kinetic)
    return SpaceJudgement(
        verdict=worst_verdict([s.verdict for s in sensors]),
        from_s=sensors[0].from_s,
        to_s=sensors[0].to_s,
        in_range_s=length[Kind.PROVEN],
        out_of_range_s=length[Kind.LOW] + length[Kind.HIGH],
        not_proven_s=length[Kind.GUARD] + length[Kind.GAP],
        min_c=min((s.min_c for s in sensors if s.min_c is not None), default=None),
        max_c=max((s.max_c for s in sensors if s.max_c is not None), default=None),
        mean_c=total.mean_c(),
        mkt_c=total.mkt_c(),
        timeline=timeline,
        sensors=tuple(sensors),
    )


def worst_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """Out of range beats not proven beats proven; no verdict at all proves nothing."""
    if "out_of_range" in verdicts:
        return "out_of_range"
    return "in_range_proven" if verdicts and all(v == "in_range_proven" for v in verdicts) else "not_proven"


def combined_timeline(timelines: Sequence[Sequence[Stretch]]) -> tuple[Stretch, ...]:
    """The space's timeline. Where sensors differ: hot, then cold, then gap, then guard band, then proven."""
    events = sorted(
        (at_s, change, stretch.kind)
        for timeline in timelines
        for stretch in timeline
        for at_s, change in ((stretch.start_s, 1), (stretch.end_s, -1))
    )
    counts = [0] * len(Kind)
    found: list[Stretch] = []
    last_s = events[0][0] if events else 0.0
    for at_s, change, kind in events:
        if at_s > last_s:
            worst = next((k for k in (Kind.HIGH, Kind.LOW, Kind.GAP, Kind.GUARD) if counts[k]), Kind.PROVEN)
            _append(found, Stretch(last_s, at_s, worst))
            last_s = at_s
        counts[kind] += change
    return tuple(found)


def side_timeline(timelines: Sequence[Sequence[Stretch]], side: Kind) -> tuple[Stretch, ...]:
    """The time when any sensor is on one side (LOW or HIGH), without overlaps."""
    found: list[Stretch] = []
    for stretch in sorted(s for timeline in timelines for s in timeline if s.kind == side):
        if found and stretch.start_s <= found[-1].end_s:
            found[-1] = Stretch(found[-1].start_s, max(found[-1].end_s, stretch.end_s), side)
        else:
            found.append(stretch)
    return tuple(found)


def _append(timeline: list[Stretch], stretch: Stretch) -> None:
    if timeline and timeline[-1].kind == stretch.kind and timeline[-1].end_s == stretch.start_s:
        timeline[-1] = Stretch(timeline[-1].start_s, stretch.end_s, stretch.kind)
    else:
        timeline.append(stretch)
