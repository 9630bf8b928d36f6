"""The verdict on a space and a period: readings, certificates, doubts, source classes and mapping taken together.

Out of range is decided by the readings alone. Everything else can only take minutes from *in range (proven)*.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from itertools import groupby
from operator import attrgetter

import numpy as np

from waystation.registry.models import Sensor, Space
from waystation.telemetry import models as m
from waystation.telemetry import reader, retention
from waystation.telemetry.folding import judge_columns
from waystation.telemetry.rules.calibration import NO_CORRECTION, Correction
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.second_source import OUT, Piece, covered, overlaps, pieces, silences, union, without
from waystation.telemetry.rules.series import is_usable
from waystation.telemetry.rules.space import SpaceJudgement, combined_timeline, judge_space
from waystation.telemetry.rules.verdict import (
    Gap,
    Kind,
    SensorJudgement,
    Stretch,
    seconds_by_kind,
)
from waystation.telemetry.second_sources import SecondSeries, second_series
from waystation.telemetry.setup import corrections_of, hold_of, judging_profile, profile_of
from waystation.telemetry.store import columns
from waystation.telemetry.store.columns import Columns, Floats
from waystation.telemetry.store.segments import Stored

BEFORE_US = 1_800_000_000  # no reading holds longer
AFTER_US = 7_200_000_000  # how far behind a period the reading that closes it is looked for
LARGEST_C = 1e8  # what a sensor says beyond this is cut to it: far out of range either way


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a stretch proves nothing; or, where it `proves`, what second source covers it."""

    start_s: float
    end_s: float
    sensor: str
    words: str
    proves: bool = False


@dataclass(frozen=True, slots=True)
class SecondSource:
    """A second source as it was judged: out of range like a probe, proof only where the probes are silent."""

    series: SecondSeries
    judgement: SensorJudgement
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """A judged space and period with its reasons, the readings behind it, and the source classes seen."""

    judgement: SpaceJudgement
    timeline: tuple[Stretch, ...]
    reasons: tuple[Reason, ...]
    readings: dict[str, Columns]
    source_classes: tuple[str, ...]
    hold_s: dict[str, float]
    second: tuple[SecondSource, ...] = ()
    limits_c: tuple[float, float] = (float("-inf"), float("inf"))

    @property
    def rows(self) -> dict[str, list[Stored]]:
        """The stored rows of each sensor."""
        return {code: held.rows() for code, held in self.readings.items()}

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
    rows = list(space.sensors.filter(quantity="temperature"))
    for sensor in rows:
        sensor.space = space
    return [s for s in rows if judging_profile(s) and (s.removed_at is None or s.removed_at > start)]


def prove(
    space: Space,
    start: datetime,
    end: datetime,
    *,
    closed: bool = False,
    stored: Sequence[Stored] | Mapping[str, Columns] | None = None,
) -> Proof | None:
    """Judge a space over [start, end]; None when no sensor judges it.

    `closed` is the form that goes to an auditor: a sensor's last reading covers nothing, because no later one shows
    that the sensor still measured. `stored` is what was read already: rows in order, or columns by sensor.
    """
    sensors = judging_sensors(space, start, end)
    if not sensors or space.profile is None:
        return None
    begin_s, end_s = start.timestamp(), end.timestamp()
    held = _by_sensor(sensors, columns_of(space, sensors, start, end, closed=closed) if stored is None else stored)
    added = corrections(sensors)
    judged, reasons = [], list[Reason]()
    for sensor in sensors:
        profile, own = judging_profile(sensor), held[sensor.code]
        assert profile is not None
        values = all_corrected(own, added[sensor.code])
        one = _judge(own.at_s, values, profile, hold_of(sensor), (begin_s, end_s), closed)
        judged.append(one)
        reasons += _reasons(sensor, own, begin_s, end_s)
    reasons += _space_reasons(space, begin_s, end_s)
    second = _second_sources(space, start, end, closed)
    limits = [Stretch(r.start_s, r.end_s, Kind.GAP) for r in reasons if r.end_s > r.start_s]
    reasons += _silent_reasons(sensors, judged, second, tuple(space.profile.source_classes))
    judgement, timeline = _together(judged, second, limits)
    classes = {own.sources[i] for own in held.values() for i in np.unique(own.source)}
    classes |= {s.series.source_class for s in second}
    holds = {s.code: hold_of(s) for s in sensors}
    ordered = tuple(sorted(reasons, key=lambda r: r.start_s))
    return Proof(
        judgement,
        timeline,
        ordered,
        held,
        tuple(sorted(classes)),
        holds,
        second,
        (space.profile.low_c, space.profile.high_c),
    )


def _by_sensor(sensors: Sequence[Sensor], stored: Sequence[Stored] | Mapping[str, Columns]) -> dict[str, Columns]:
    """The readings of each of these sensors; one of which nothing is stored has none."""
    if isinstance(stored, Mapping):
        return {s.code: stored[s.code] if s.code in stored else columns.of_rows(s.code, ()) for s in sensors}
    rows = {code: list(found) for code, found in groupby(stored, key=attrgetter("sensor"))}
    return {s.code: columns.of_rows(s.code, rows.get(s.code, ())) for s in sensors}


def _second_sources(space: Space, start: datetime, end: datetime, closed: bool) -> tuple[SecondSource, ...]:
    assert space.profile is not None
    profile, period = profile_of(space.profile), (start.timestamp(), end.timestamp())
    found = []
    for series in second_series(space, start, end):
        instants = np.array([r.at_s for r in series.readings], dtype=np.float64)
        values = np.array([r.value_c for r in series.readings], dtype=np.float64)
        allowed = series.source_class in space.profile.source_classes
        inside = pieces(series.readings, profile, series.hold_s, period, allowed=allowed, closed=closed)
        if inside:
            judged = _judge(instants, values, profile, series.hold_s, period, closed)
            found.append(SecondSource(series, judged, tuple(inside)))
    return tuple(found)


def _together(
    judged: Sequence[SensorJudgement], second: Sequence[SecondSource], limits: Sequence[Stretch]
) -> tuple[SpaceJudgement, tuple[Stretch, ...]]:
    """The space's judgement: silences covered, second sources out of range counted, then what takes proof away."""
    proven = union((p.start_s, p.end_s) for one in second for p in one.pieces if p.proves)
    outside = [[s for s in one.judgement.timeline if s.kind in OUT] for one in second]
    timeline = combined_timeline([*(covered(s.timeline, proven) for s in judged), *outside, limits])
    lengths = seconds_by_kind(timeline)
    judgement, beside = judge_space(judged), [one.judgement for one in second]
    is_out = "out_of_range" in (judgement.verdict, *(one.verdict for one in beside))
    lowest = [c for c in (judgement.min_c, *(one.min_c for one in beside)) if c is not None]
    highest = [c for c in (judgement.max_c, *(one.max_c for one in beside)) if c is not None]
    unproven_s = lengths[Kind.GAP] + lengths[Kind.GUARD]
    together = replace(
        judgement,
        verdict="out_of_range" if is_out else "not_proven" if unproven_s or not timeline else "in_range_proven",
        in_range_s=lengths[Kind.PROVEN],
        not_proven_s=unproven_s,
        out_of_range_s=lengths[Kind.LOW] + lengths[Kind.HIGH],
        min_c=min(lowest, default=None),
        max_c=max(highest, default=None),
    )
    return together, timeline


def _silent_reasons(
    sensors: Sequence[Sensor],
    judged: Sequence[SensorJudgement],
    second: Sequence[SecondSource],
    classes: Sequence[str],
) -> list[Reason]:
    """Each gap as far as nothing covers it, and what the second sources say while a probe is silent."""
    proven = union((p.start_s, p.end_s) for one in second for p in one.pieces if p.proves)
    found = [
        Reason(a, b, sensor.code, gap.cause.replace("_", " "))
        for sensor, one in zip(sensors, judged, strict=True)
        for gap in one.gaps
        for a, b in without((gap.start_s, gap.end_s), proven)
    ]
    silent, said = silences(judged), list[Reason]()
    for source in second:
        for piece in source.pieces:
            words = f"second source: {piece.reading.words}{_why_not(piece, source.series, classes)}"
            for a, b in overlaps((piece.start_s, piece.end_s), silent):
                parts = [(a, b)] if piece.proves else without((a, b), proven)
                said += [Reason(start_s, end_s, "", words, piece.proves) for start_s, end_s in parts]
    return found + _joined(said)


def _why_not(piece: Piece, series: SecondSeries, classes: Sequence[str]) -> str:
    """Why a second source's piece proves nothing, as the end of a sentence; empty when it proves."""
    if piece.proves:
        return ""
    if not piece.reading.certified:
        return "; no valid certificate, so it proves nothing"
    if series.source_class not in classes:
        return f"; by the profile a {series.source_class.replace('_', ' ')} proves nothing"
    return "; too near a limit to prove anything, or beyond it"


def columns_of(
    space: Space, sensors: Sequence[Sensor], start: datetime, end: datetime, *, closed: bool = False
) -> dict[str, Columns]:
    """The readings that judging these sensors of a site over [start, end] may need, by sensor."""
    from_us, to_us = round(start.timestamp() * 1e6) - BEFORE_US, round(end.timestamp() * 1e6) + 1
    return reader.by_columns(space.site_id, [s.code for s in sensors], from_us, to_us + (AFTER_US if closed else 0))


def corrections(sensors: Collection[Sensor]) -> dict[str, Correction]:
    """What is added to each sensor's values at each time, by the certificate that was bound then; by code."""
    found = corrections_of(m.Calibration.objects.filter(sensor__in=sensors))
    return {s.code: found.get(s.pk, NO_CORRECTION) for s in sensors}


def all_corrected(held: Columns, added: Correction) -> Floats:
    """Stored values as they are judged, in degC, each by the correction of its instant; NaN where nothing was measured.

    What lies beyond LARGEST_C is cut to it.
    """
    offsets = np.array((0.0, *added.offset_c))[np.searchsorted(np.array(added.from_s), held.at_s, side="right")]
    return np.where(np.isfinite(held.value), np.clip(held.value + offsets, -LARGEST_C, LARGEST_C), np.nan)


def _judge(
    at_s: Floats, values: Floats, profile: Profile, hold_s: float, period: tuple[float, float], closed: bool
) -> SensorJudgement:
    begin_s, end_s = period
    usable = at_s[np.isfinite(values)].tolist() if closed else []
    if not closed or (usable and usable[-1] > end_s):
        return judge_columns(at_s, values, profile, hold_s, begin_s, end_s)
    last_s = max(begin_s, min(usable[-1], end_s)) if usable else begin_s
    if last_s == end_s:
        return judge_columns(at_s, values, profile, hold_s, begin_s, end_s)
    one = judge_columns(at_s, values, profile, hold_s, begin_s, last_s)
    tail = Stretch(last_s, end_s, Kind.GAP)
    return replace(
        one,
        verdict="out_of_range" if one.verdict == "out_of_range" else "not_proven",
        to_s=end_s,
        not_proven_s=one.not_proven_s + end_s - last_s,
        gaps=(*one.gaps, Gap(last_s, end_s, "after_last_reading")),
        timeline=(*one.timeline, tail),
    )


def _reasons(sensor: Sensor, held: Columns, begin_s: float, end_s: float) -> list[Reason]:
    found = []
    for doubt in m.Doubt.objects.filter(sensor=sensor).exclude(decision="readings_stand"):
        until = doubt.ended_at.timestamp() if doubt.ended_at else end_s
        found.append(
            _cut(doubt.started_at.timestamp(), until, begin_s, end_s, sensor.code, f"{doubt.kind}: {doubt.detail}")
        )
    found += _uncertified(sensor, begin_s, end_s)
    found += _unaccepted(sensor, held, begin_s, end_s)
    found += _removed(sensor, begin_s, end_s)
    return [r for r in _joined(found) if r.end_s > r.start_s]


def _removed(sensor: Sensor, begin_s: float, end_s: float) -> list[Reason]:
    """What retention took of the sensor: from its first reading until the last one's hold ends."""
    hold_s = hold_of(sensor)
    taken = retention.gone(sensor.site_id, [sensor.code], round((begin_s - hold_s) * 1e6), round(end_s * 1e6))
    ends = ((g.first_us / 1e6, g.last_us / 1e6 + hold_s, g.words) for g in taken)
    return [_cut(start, until, begin_s, end_s, sensor.code, words) for start, until, words in ends]


def _unaccepted(sensor: Sensor, held: Columns, begin_s: float, end_s: float) -> list[Reason]:
    """The time that stands on readings of a source class which the profile does not accept.

    Such a reading stands until the next instant with a usable one; whatever else was said at its own instant.
    """
    allowed = set(sensor.space.profile.source_classes)  # type: ignore[union-attr]
    refused = [number for number, name in enumerate(held.sources) if name not in allowed]
    if not np.any(np.isin(held.source, refused)):
        return []
    hold_s, until_s, following_s = hold_of(sensor), float("inf"), float("inf")
    found = []
    for row in reversed(held.rows()):
        if row.value is None or not is_usable(row.value):
            continue
        at_s = row.observed_us / 1e6
        if at_s < following_s:
            until_s, following_s = following_s, at_s
        if row.source_class not in allowed:
            words = f"source class {row.source_class.replace('_', ' ')} is not accepted by the profile"
            found.append(_cut(at_s, min(at_s + hold_s, until_s), begin_s, end_s, sensor.code, words))
    return found


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
