"""What is wrong at a site now: telemetry's view turned into the conditions that alarms judge.

Each condition keeps the instant at which it began, taken from the readings; where only the alarm remembers it
(a trend has no edge), `standing` gives it back, so that the same trouble stays the same alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.power import FAILED, STARTS_WITHIN, GeneratorFacts, generator_state
from waystation.journeys.limits import Recent, limit_of
from waystation.product.rules.time_to_limit import TimeToLimit
from waystation.telemetry.rules.dew import dew_point_c, is_condensing
from waystation.telemetry.views import SensorView, SiteView, SpaceView

RISE_C_PER_H, STEADY_C_PER_H = 0.8, 0.3
UNUSUAL_C = 0.2
DOOR_OPEN_AFTER = timedelta(minutes=10)
HUMID_PCT, DRY_PCT = 75.0, 70.0
Standing = Mapping[tuple[str, UUID], datetime]


@dataclass(frozen=True, slots=True)
class Place:
    """What a message needs to know of a site beside its readings."""

    name: str
    zone: str
    lots: Mapping[UUID, int]  # live consignments by space


def conditions(site: SiteView, place: Place, recent: Recent, standing: Standing, now: datetime) -> list[Condition]:
    """Everything that is wrong at the site, most of it nothing on a good day."""
    return [
        *_site_conditions(site, place, now),
        *(c for s in site.spaces for c in _space(site, s, place, recent, standing, now)),
    ]


def _site_conditions(site: SiteView, place: Place, now: datetime) -> Iterator[Condition]:
    facts = {"asset": "site", "location": place.name}
    if site.is_dark:
        began = dark_since(site)
        yield Condition(
            "site_unreachable", site.id, "site", site.id, began, facts | {"last_reading_at": site.newest_at}, True
        )
    for sensor in site.sensors:
        if sensor.value is None or sensor.since is None or (sensor.is_silent and not site.is_dark):
            continue
        if sensor.quantity == "power" and not sensor.value:
            yield Condition("power_lost", site.id, "site", site.id, sensor.since, facts | {"asset": "mains power"})
        if sensor.quantity in ("wan_primary", "wan_backup") and not sensor.value:
            yield Condition("circuit_down", site.id, "circuit", sensor.id, sensor.since, facts | {"asset": sensor.name})
    if (failed := _generator_failed(site)) is not None:
        yield Condition("generator_failed", site.id, "site", site.id, failed, facts | {"asset": "generator"})
    for sensor in site.sensors:
        if sensor.quantity == "heartbeat" and not site.is_dark and (site.is_missing(sensor) or sensor.value == 0):
            since = sensor.since if sensor.value == 0 else _silent_since(sensor)
            if since is not None:
                target = sensor.device_id or sensor.id
                yield Condition("device_unreachable", site.id, "device", target, since, facts | {"asset": sensor.name})


def generator_facts(site: SiteView) -> GeneratorFacts:
    """What the site says of its generator and of the mains; what is silent is not known."""
    generator, fault, mains = site.of("generator"), site.of("generator_fault"), site.of("power")
    heard_at = generator.last_at if generator is not None else None
    known = fresh(mains)
    since = mains.since if mains is not None and known is not None else None
    return GeneratorFacts(fresh(generator), heard_at, fresh(fault), known, since)


def fresh(sensor: SensorView | None) -> bool | None:
    """What a two-state signal says now; None when there is none or it is silent."""
    return None if sensor is None or sensor.is_silent or sensor.value is None else bool(sensor.value)


def _generator_failed(site: SiteView) -> datetime | None:
    """Since when the generator has failed to start: from its own word, or from two minutes without mains."""
    said = generator_facts(site)
    if generator_state(said) != FAILED:
        return None
    fault = site.of("generator_fault")
    if said.has_fault and fault is not None:
        return fault.since
    return None if said.mains_since is None else said.mains_since + STARTS_WITHIN


def cabinet_margin_k(space: SpaceView) -> float | None:
    """How far the air of an edge cabinet is from its dew point, in kelvin; None for another space or what is silent."""
    humidity = space.of("humidity")
    air = next((s for s in space.sensors if s.role == "cabinet" and s.quantity == "temperature"), None)
    if space.kind != "cabinet" or any(s is None or s.is_silent or s.value is None or s.doubt for s in (air, humidity)):
        return None
    dew_c = dew_point_c(air.value, humidity.value)  # type: ignore[union-attr, arg-type]
    return None if dew_c is None else air.value - dew_c  # type: ignore[union-attr, operator]


def _space(
    site: SiteView, space: SpaceView, place: Place, recent: Recent, standing: Standing, now: datetime
) -> Iterator[Condition]:
    facts = _facts(space, place)
    limit: TimeToLimit | None = None
    found: list[Condition] = []

    def add(rule: str, began: datetime | None, **more: Any) -> None:
        if began is not None:
            found.append(Condition(rule, site.id, "space", space.id, began, facts | more, space_id=space.id))

    if space.excursions:
        first = min(space.excursions, key=lambda e: e.started_at)
        add("excursion", first.started_at, limit_c=first.limit_c, side=first.direction, peak_c=first.peak_c)
    if not space.is_unmonitored:
        _doubts(site, space, add, found, facts)
    _signals(space, standing, add, now)
    add("rising", _rising(space, standing, now))
    if space.hand_due_at is not None and space.hand_due_at <= now:
        add("hand_reading_missed", space.hand_due_at)
    if (found and any(c.rule in ("rising", "excursion", "compressor_fault") for c in found)) or site.is_dark:
        limit = limit_of(space, recent, now)
        if site.is_dark and _was_in_danger(site, space, limit, now):
            add("worst_case_limit", dark_since(site))
    for one in found:
        yield _with_limit(one, limit, space)


def _doubts(site: SiteView, space: SpaceView, add: Any, found: list[Condition], facts: Mapping[str, Any]) -> None:
    for sensor in space.judging:
        if sensor.doubt:
            rule = (
                "measurement_in_doubt"
                if space.excursions
                else "sensor_frozen"
                if sensor.doubt == "frozen"
                else "measurement_in_doubt"
            )
            add(rule, sensor.doubt_since, probe=sensor.name)
        elif site.is_missing(sensor) and not site.is_dark:
            said = {**facts, "probe": sensor.name}
            began = _silent_since(sensor)
            one = Condition("sensor_silent", site.id, "sensor", sensor.id, began, said, True, space_id=space.id)
            found.append(one)


def _signals(space: SpaceView, standing: Standing, add: Any, now: datetime) -> None:
    fault, door, humidity = space.of("compressor_fault"), space.of("door"), space.of("humidity")
    margin_k, condensed = cabinet_margin_k(space), standing.get(("condensation", space.id))
    if margin_k is not None and is_condensing(margin_k, was=condensed is not None):
        add("condensation", condensed or (humidity.since if humidity else None), margin_k=round(margin_k, 1))
    elif margin_k is None and condensed is not None:
        add("condensation", condensed)
    if fault is not None and fault.value:
        add("compressor_fault", fault.since)
    if door is not None and door.value and not door.is_silent and door.since and now - door.since >= DOOR_OPEN_AFTER:
        add("door_open", door.since)
    if humidity is not None and humidity.value is not None and not humidity.is_silent:
        was = standing.get(("humidity", space.id))
        if humidity.value > (DRY_PCT if was else HUMID_PCT):
            add("humidity", was or humidity.since, humidity_pct=humidity.value)


def _rising(space: SpaceView, standing: Standing, now: datetime) -> datetime | None:
    """Since when the nearest judging probe moves towards its limit; the start is remembered by the alarm."""
    was = standing.get(("rising", space.id))
    near = space.nearest_to_limit()
    if near is None or near.trend_per_h is None or near.is_silent or space.high_c is None or space.low_c is None:
        return was if near is not None and near.is_silent else None
    upwards = (near.value or 0.0) > (space.high_c + space.low_c) / 2
    towards, beyond = (near.trend_per_h, near.beyond_usual_c) if upwards else (-near.trend_per_h, -near.beyond_usual_c)
    if was:
        return was if towards >= STEADY_C_PER_H or space.excursions else None
    return (near.last_at or now) if towards >= RISE_C_PER_H and beyond >= UNUSUAL_C else None


def _was_in_danger(site: SiteView, space: SpaceView, limit: TimeToLimit, now: datetime) -> bool:
    """A dark space that was out, warming, without cooling or without power keeps its own alarm."""
    power = site.of("power")
    without_power = power is not None and power.value == 0
    fault = space.of("compressor_fault")
    warming = any(
        abs(s.trend_per_h or 0.0) >= RISE_C_PER_H and abs(s.beyond_usual_c) >= UNUSUAL_C for s in space.judging
    )
    return bool(space.judging) and (bool(space.excursions) or without_power or bool(fault and fault.value) or warming)


def _facts(space: SpaceView, place: Place) -> dict[str, Any]:
    near = space.nearest_to_limit()
    limit = None
    if near is not None and near.value is not None and space.high_c is not None and space.low_c is not None:
        limit = space.high_c if space.high_c - near.value <= near.value - space.low_c else space.low_c
    return {
        "asset": space.name,
        "location": place.name,
        "value_c": near.value if near else None,
        "limit_c": limit,
        "trend_c_per_h": near.trend_per_h if near else None,
        "last_reading_at": near.last_at if near else None,
        "lots": place.lots.get(space.id, 0),
    }


def _with_limit(one: Condition, limit: TimeToLimit | None, space: SpaceView) -> Condition:
    """The condition with its time to the limit, and the limit on the side that will be reached first."""
    if limit is None:
        return one
    facts = dict(one.facts) | {"limit_at_worst": limit.worst.at, "limit_at_likely": limit.likely.at}
    if one.rule != "excursion" and limit.side:
        facts["limit_c"] = space.high_c if limit.side == "high" else space.low_c
    return replace(one, facts=facts, worst_case_at=limit.worst.at)


def all_sensors(site: SiteView) -> Sequence[SensorView]:
    """Every sensor of the site, those of its spaces too."""
    return [*site.sensors, *(s for space in site.spaces for s in space.sensors)]


def dark_since(site: SiteView) -> datetime:
    """When the site should have been heard again."""
    return site.at if site.newest_at is None else site.newest_at + timedelta(seconds=site.dark_after_s)


def _silent_since(sensor: SensorView) -> datetime:
    assert sensor.last_at is not None
    return sensor.last_at + timedelta(seconds=sensor.hold_s)
