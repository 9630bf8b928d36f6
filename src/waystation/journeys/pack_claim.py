"""What a pack claims of a site's spaces, and the readings that it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from waystation.evidence.rules import pack
from waystation.journeys.pack_readings import csv_of, needed
from waystation.journeys.pack_readings import instant as instant_of
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import NotReady
from waystation.registry.models import ProductProfile, Space
from waystation.telemetry.proving import (
    Proof,
    SecondSource,
    columns_of,
    corrections,
    judging_sensors,
    prove,
)
from waystation.telemetry.rules.calibration import NO_CORRECTION, Correction
from waystation.telemetry.rules.space import combined_timeline
from waystation.telemetry.rules.verdict import Kind, SensorJudgement, Stretch, seconds_by_kind
from waystation.telemetry.store.columns import of_rows
from waystation.telemetry.store.segments import Stored

SENSORS_AT_ONCE = 6
OUT = (Kind.LOW, Kind.HIGH)


@dataclass
class Claimed:
    """The parts of a claim while spaces are added, and the readings members."""

    start: datetime
    end: datetime
    files: dict[str, bytes] = field(default_factory=dict)
    spaces: list[str] = field(default_factory=list)
    profiles: list[ProductProfile] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)
    excursions: list[dict[str, Any]] = field(default_factory=list)
    not_proven: list[dict[str, str]] = field(default_factory=list)
    covered: list[dict[str, str]] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    timelines: list[tuple[Stretch, ...]] = field(default_factory=list)
    is_out: bool = False


def claim_of(
    network: str, site: str, spaces: Sequence[Space], start: datetime, end: datetime
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The claim (waystation.pack/1) on these spaces of a site over [start, end], and its readings members.

    Raises NotReady when none of the spaces is judged by a sensor.
    """
    made = Claimed(start, end)
    for group in _groups(spaces, start, end):
        _add_group(made, group)
    if not made.readings:
        names = ", ".join(s.code for s in spaces) or "no space"
        raise NotReady(
            "evidence.nothing_judged",
            f"Nothing of {site} can be proved: {names}, and no sensor that judges.",
            "Give the space a product profile and a sensor of a judging role.",
        )
    return _document(made, network, site), made.files


def _add_group(made: Claimed, group: Sequence[Space]) -> None:
    """What is claimed of some spaces; their readings are let go of before the next group's are read."""
    sensors = [s for space in group for s in judging_sensors(space, made.start, made.end)]
    stored = columns_of(group[0], sensors, made.start, made.end, closed=True) if sensors else {}
    for space in group:
        proof = prove(space, made.start, made.end, closed=True, stored=stored)
        if proof is None:
            made.not_checked.append(f"{space.code}: no sensor judges it against a product profile")
        else:
            _add(made, space, proof)


def _groups(spaces: Sequence[Space], start: datetime, end: datetime) -> list[list[Space]]:
    """Spaces in groups of a few sensors, so that the log is read a few times and a month fits into memory."""
    groups: list[list[Space]] = []
    count = SENSORS_AT_ONCE
    for space in spaces:
        size = len(judging_sensors(space, start, end))
        if count + size > SENSORS_AT_ONCE:
            groups.append([])
            count = 0
        groups[-1].append(space)
        count += size
    return groups


def _add(made: Claimed, space: Space, proof: Proof) -> None:
    profile = space.profile
    assert profile is not None
    made.spaces.append(space.code)
    made.profiles.append(profile)
    made.timelines.append(proof.timeline)
    made.is_out = made.is_out or proof.judgement.verdict == "out_of_range"
    sensors = judging_sensors(space, made.start, made.end)
    added = corrections(sensors)
    for sensor, judged in zip(sensors, proof.judgement.sensors, strict=True):
        doubts = [r for r in proof.reasons if r.sensor == sensor.code and r.end_s > r.start_s and not r.proves]
        own = needed(proof.readings[sensor.code], made.start, made.end, proof.hold_s[sensor.code])
        content, repeats = csv_of(own, added[sensor.code], doubts)
        path = pack.readings_path(sensor.code)
        made.files[path] = content
        item: dict[str, Any] = {
            "path": path,
            "sensor": sensor.code,
            "space": space.code,
            "sha256": pack.digest(content),
        }
        item["max_hold_s"] = _text(proof.hold_s[sensor.code])
        item |= _offsets(added[sensor.code], made.start.timestamp(), made.end.timestamp())
        made.readings.append(item | _own(profile, made.profiles[0]))
        if repeats:
            made.not_checked.append(f"{sensor.code}: {repeats} readings repeat a number of their gateway")
        made.excursions += _excursions(sensor.code, judged)
    for source in proof.second:
        _add_second(made, space, profile, source)
    for reason in proof.reasons:
        if reason.end_s > reason.start_s:
            said = {"reason": f"{reason.sensor or space.code}: {reason.words}"}
            said |= {"from": _at(reason.start_s), "to": _at(reason.end_s)}
            (made.covered if reason.proves else made.not_proven).append(said)


def _add_second(made: Claimed, space: Space, profile: ProductProfile, source: SecondSource) -> None:
    """A second source's readings, and what they say out of range; rows without a valid certificate are marked."""
    series = source.series
    rows = [
        Stored(series.code, round(r.at_s * 1e6), r.value_c, series.source_class, "", 0, 0, 0) for r in series.readings
    ]
    own = needed(of_rows(series.code, rows), made.start, made.end, series.hold_s)
    uncertified = {round(r.at_s * 1e6) for r in series.readings if not r.certified}
    content, _ = csv_of(own, NO_CORRECTION, [], uncertified)
    path = pack.readings_path(series.code)
    made.files[path] = content
    item = {
        "path": path,
        "sensor": series.code,
        "space": space.code,
        "sha256": pack.digest(content),
        "max_hold_s": _text(series.hold_s),
        "offset_c": "0",
        "second_source": series.instrument,
    }
    made.readings.append(item | _own(profile, made.profiles[0]))
    made.excursions += _excursions(series.code, source.judgement)


def _offsets(added: Correction, start_s: float, end_s: float) -> dict[str, Any]:
    """What the values carry: the correction at the period's start, and each other one with the instant it began."""
    inside = [(a, c) for a, c in zip(added.from_s, added.offset_c, strict=True) if start_s < a <= end_s]
    steps = [{"from": _at(at_s), "offset_c": _text(offset_c)} for at_s, offset_c in inside]
    return {"offset_c": _text(added.at(start_s))} | ({"offsets": steps} if steps else {})


def _excursions(code: str, judged: SensorJudgement) -> list[dict[str, Any]]:
    return [
        {
            "sensor": code,
            "start": _at(e.start_s),
            "direction": e.direction,
            "peak_c": e.peak_c,
            "minutes": e.measured_s / 60,
        }
        for e in judged.excursions
    ]


def _document(made: Claimed, network: str, site: str) -> dict[str, Any]:
    timeline = made.timelines[0] if len(made.timelines) == 1 else combined_timeline(made.timelines)
    lengths = seconds_by_kind(timeline)
    unproven = lengths[Kind.GAP] + lengths[Kind.GUARD]
    verdict = "out_of_range" if made.is_out else "not_proven" if unproven else "in_range_proven"
    profile = made.profiles[0]
    limits = _limits(profile) | {"max_hold_s": max((r["max_hold_s"] for r in made.readings), key=float)}
    return {
        "schema": pack.PACK_SCHEMA,
        "network": network,
        "site": site,
        "spaces": made.spaces,
        "from": instant(made.start),
        "to": instant(made.end),
        "profile": limits,
        "source_classes": list(profile.source_classes),
        "verdict": verdict,
        "in_range_min": lengths[Kind.PROVEN] / 60,
        "out_of_range_min": sum(lengths[k] for k in OUT) / 60,
        "not_proven_min": unproven / 60,
        "excursions": made.excursions,
        "readings": made.readings,
        "not_proven": made.not_proven,
        "covered": made.covered,
        "not_checked": made.not_checked,
        "conditional": bool(made.not_checked),
    }


def _limits(profile: ProductProfile) -> dict[str, str]:
    return {
        "code": profile.code,
        "edition": str(profile.edition),
        "name": profile.name,
        "source": profile.source,
        "low_c": _text(profile.low_c),
        "high_c": _text(profile.high_c),
        "guard_band_c": _text(profile.guard_band_c),
    }


def _own(profile: ProductProfile, main: ProductProfile) -> dict[str, Any]:
    """The limits of a sensor whose space has another profile than the claim names."""
    if profile.pk == main.pk:
        return {}
    return {"profile": _limits(profile), "source_classes": list(profile.source_classes)}


def _at(at_s: float) -> str:
    return instant_of(round(at_s * 1e6))


def _text(value: float) -> str:
    return format(value, ".9f").rstrip("0").rstrip(".")
