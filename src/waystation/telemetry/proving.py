"""The verdict on a space and a period: readings, certificates, doubts, source classes and mapping taken together.

Out of range is decided by the readings alone. Everything else can only take minutes from *in range (proven)*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from itertools import groupby, zip_longest

from waystation.registry.models import Sensor, Space
from waystation.telemetry import models as m
from waystation.telemetry import reader
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.series import Reading, is_usable
from waystation.telemetry.rules.space import SpaceJudgement, combined_timeline, judge_space
from waystation.telemetry.rules.verdict import (
    Gap,
    Kind,
    SensorJudgement,
    Stretch,
    judge_sensor,
    seconds_by_kind,
)
from waystation.telemetry.setup import hold_of, judging_profile
from waystation.telemetry.store.segments import Stored

BEFORE_US = 1_800_000_000  # no reading holds longer
AFTER_US = 7_200_000_000  # how far behind a period the reading that closes it is looked for
LARGEST_C = 1e8  # what a sensor says beyond this is cut to it: far out of range either way


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a stretch proves nothing, or what else a reader must know."""

    start_s: float
    end_s: float
    sensor: str
    words: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A judged space and period with its reasons, the rows behind it, and the source classes seen."""

    judgement: SpaceJudgement
    timeline: tuple[Stretch, ...]
    reasons: tuple[Reason, ...]
    rows: dict[str, list[Stored]]
    source_classes: tuple[str, ...]
    hold_s: dict[str, float]

    @property
    def verdict(self) -> str:
        """in_range_proven, out_of_range or not_proven for the whole period."""
        lengths = seconds_by_kind(self.timeline)
        if self.judgement.verdict == "out_of_range":
            return "out_of_range"
        return "not_proven" if lengths[Kind.GAP] or lengths[Kind.GUARD] or not self.timeline else "in_range_proven"

    @property
    def minutes(self) -> dict[str, float]:
        """The three durations in minutes; they add up to the period."""
        lengths = seconds_by_kind(self.timeline)
        return {
            "in_range_proven": lengths[Kind.PROVEN] / 60,
            "out_of_range": (lengths[Kind.LOW] + lengths[Kind.HIGH]) / 60,
            "not_proven": (lengths[Kind.GAP] + lengths[Kind.GUARD]) / 60,
        }


def judging_sensors(space: Space, start: datetime, end: datetime) -> list[Sensor]:
    """The sensors that judged the space at any time of the period."""
    rows = space.sensors.filter(quantity="temperature").select_related("space__profile")
    return [s for s in rows if judging_profile(s) and (s.removed_at is None or s.removed_at > start)]


def prove(
    space: Space, start: datetime, end: datetime, *, closed: bool = False, stored: Sequence[Stored] | None = None
) -> Proof | None:
    """Judge a space over [start, end]; None when no sensor judges it.

    `closed` is the form that goes to an auditor: a sensor's last reading covers nothing, because no later one shows
    that the sensor still measured. `stored` are the rows of the period when they are read already (`rows_of`).
    """
    sensors = judging_sensors(space, start, end)
    if not sensors or space.profile is None:
        return None
    begin_s, end_s = start.timestamp(), end.timestamp()
    held = rows_of(space, sensors, start, end, closed=closed) if stored is None else stored
    rows = {s.code: list[Stored]() for s in sensors}
    for code, found in groupby(held, key=lambda r: r.sensor):
        if code in rows:
            rows[code] = list(found)
    offsets = offsets_of(sensors)
    judged, reasons = [], list[Reason]()
    for sensor in sensors:
        profile = judging_profile(sensor)
        assert profile is not None
        readings = [
            Reading(r.observed_us / 1e6, corrected(r.value, offsets.get(sensor.code, 0.0))) for r in rows[sensor.code]
        ]
        one = _judge(readings, profile, hold_of(sensor), (begin_s, end_s), closed)
        judged.append(one)
        gaps = [Reason(g.start_s, g.end_s, sensor.code, g.cause.replace("_", " ")) for g in one.gaps]
        reasons += gaps + _reasons(sensor, rows[sensor.code], begin_s, end_s)
    reasons += _space_reasons(space, begin_s, end_s)
    judgement = judge_space(judged)
    limits = [Stretch(r.start_s, r.end_s, Kind.GAP) for r in reasons if r.end_s > r.start_s]
    timeline = combined_timeline([judgement.timeline, limits]) if limits else judgement.timeline
    lengths = seconds_by_kind(timeline)
    judgement = replace(
        judgement,
        in_range_s=lengths[Kind.PROVEN],
        not_proven_s=lengths[Kind.GAP] + lengths[Kind.GUARD],
        out_of_range_s=lengths[Kind.LOW] + lengths[Kind.HIGH],
    )
    classes = tuple(sorted({r.source_class for found in rows.values() for r in found}))
    holds = {s.code: hold_of(s) for s in sensors}
    return Proof(judgement, timeline, tuple(sorted(reasons, key=lambda r: r.start_s)), rows, classes, holds)


def rows_of(
    space: Space, sensors: Sequence[Sensor], start: datetime, end: datetime, *, closed: bool = False
) -> list[Stored]:
    """The stored rows that judging these sensors of a site over [start, end] may need, by sensor and instant."""
    from_us, to_us = round(start.timestamp() * 1e6) - BEFORE_US, round(end.timestamp() * 1e6) + 1
    return reader.readings(space.site_id, [s.code for s in sensors], from_us, to_us + (AFTER_US if closed else 0))


def offsets_of(sensors: Sequence[Sensor]) -> dict[str, float]:
    """What is added to each sensor's values, by its bound certificate."""
    found = m.Calibration.objects.filter(sensor__in=sensors, unbound_at=None)
    return dict(found.values_list("sensor__code", "offset_c"))


def corrected(value: float | None, offset_c: float) -> float | None:
    """A stored value as it is judged, in degC; None where nothing was measured."""
    if value is None or not is_usable(value):
        return None
    found = value + offset_c
    return found if -LARGEST_C <= found <= LARGEST_C else LARGEST_C if found > 0 else -LARGEST_C


def _judge(
    readings: Sequence[Reading], profile: Profile, hold_s: float, period: tuple[float, float], closed: bool
) -> SensorJudgement:
    begin_s, end_s = period
    usable = [r.at_s for r in readings if r.value_c is not None] if closed else []
    if not closed or (usable and usable[-1] > end_s):
        return judge_sensor(readings, profile, hold_s, begin_s, end_s)
    last_s = max(begin_s, min(usable[-1], end_s)) if usable else begin_s
    if last_s == end_s:
        return judge_sensor(readings, profile, hold_s, begin_s, end_s)
    one = judge_sensor([r for r in readings if r.at_s <= last_s], profile, hold_s, begin_s, last_s)
    tail = Stretch(last_s, end_s, Kind.GAP)
    return replace(
        one,
        verdict="out_of_range" if one.verdict == "out_of_range" else "not_proven",
        to_s=end_s,
        not_proven_s=one.not_proven_s + end_s - last_s,
        gaps=(*one.gaps, Gap(last_s, end_s, "after_last_reading")),
        timeline=(*one.timeline, tail),
    )


def _reasons(sensor: Sensor, rows: Sequence[Stored], begin_s: float, end_s: float) -> list[Reason]:
    found = []
    for doubt in m.Doubt.objects.filter(sensor=sensor).exclude(decision="readings_stand"):
        until = doubt.ended_at.timestamp() if doubt.ended_at else end_s
        found.append(
            _cut(doubt.started_at.timestamp(), until, begin_s, end_s, sensor.code, f"{doubt.kind}: {doubt.detail}")
        )
    found += _uncertified(sensor, begin_s, end_s)
    allowed = set(sensor.space.profile.source_classes)  # type: ignore[union-attr]
    hold_s = hold_of(sensor)
    for row, following in zip_longest(rows, rows[1:]):
        if row.source_class not in allowed:
            at_s = row.observed_us / 1e6
            until = min(at_s + hold_s, following.observed_us / 1e6 if following else end_s)
            words = f"source class {row.source_class.replace('_', ' ')} is not accepted by the profile"
            found.append(_cut(at_s, until, begin_s, end_s, sensor.code, words))
    return [r for r in _joined(found) if r.end_s > r.start_s]


def _uncertified(sensor: Sensor, begin_s: float, end_s: float) -> list[Reason]:
    """The parts of the period that no valid certificate covers."""
    covered = sorted(
        (max(c.valid_from.timestamp(), c.bound_at.timestamp()), min(c.valid_until.timestamp(), _end(c.unbound_at)))
        for c in m.Calibration.objects.filter(sensor=sensor, passed=True)
    )
    found, at_s = [], begin_s
    for start, until in covered:
        if start > at_s:
            found.append(_cut(at_s, start, begin_s, end_s, sensor.code, "no valid calibration certificate"))
        at_s = max(at_s, until)
    if at_s < end_s:
        found.append(_cut(at_s, end_s, begin_s, end_s, sensor.code, "no valid calibration certificate"))
    return found


def _space_reasons(space: Space, begin_s: float, end_s: float) -> list[Reason]:
    found = []
    if space.profile is not None and space.profile.approved_at is None:
        found.append(Reason(begin_s, end_s, "", "the product profile is not approved by QA"))
    if space.mapping_due is None:
        found.append(Reason(begin_s, end_s, "", "the space was never mapped"))
    else:
        due_s = datetime.combine(space.mapping_due, time(), UTC).timestamp()
        if due_s < end_s:
            found.append(Reason(max(begin_s, due_s), end_s, "", "the mapping report is overdue"))
    return found


def _joined(reasons: Sequence[Reason]) -> list[Reason]:
    """Neighbouring reasons of the same words become one."""
    found: list[Reason] = []
    for one in sorted(reasons, key=lambda r: (r.sensor, r.words, r.start_s)):
        if found and (found[-1].sensor, found[-1].words) == (one.sensor, one.words) and one.start_s <= found[-1].end_s:
            found[-1] = replace(found[-1], end_s=max(found[-1].end_s, one.end_s))
        else:
            found.append(one)
    return found


def _cut(start: float, until: float, begin_s: float, end_s: float, sensor: str, words: str) -> Reason:
    return Reason(max(start, begin_s), min(until, end_s), sensor, words)


def _end(at: datetime | None) -> float:
    return at.timestamp() if at else float("inf")
