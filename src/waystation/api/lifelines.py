"""What keeps a site in reach and under power, by API: circuits, tests of uplinks, drills, power, reach, doors."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.fleet import actions as fleet
from waystation.journeys import dispatching
from waystation.journeys.lifelines import Lifelines, TestOfUplink, lifelines
from waystation.registry import queries as registry
from waystation.telemetry.actions import uplink_tests
from waystation.telemetry.doors import door_activity

router = Router()


class DiversityOut(Schema):
    """Whether a site's circuits fail apart: diverse, not_diverse, not_shown, one_path or no_path, with each part."""

    verdict: str
    circuits: list[str]
    provider: str
    medium: str
    last_mile: str


class CircuitOut(Schema):
    """A circuit with what speaks against it."""

    circuit: str
    path: str
    medium: str
    vendor: str
    is_down: bool
    is_known: bool
    availability_pct: float
    target_pct: float
    evidence: list[str]
    contract_until: date | None
    diversity: DiversityOut


class CarriedOut(Schema):
    """One of alarms, telemetry and remote management: when its last message came over the uplink in the test."""

    what: str
    passed: bool
    last_at: datetime | None


class UplinkTestOut(Schema):
    """A test of one uplink alone: waiting, running, passed, failed or unanswered."""

    id: UUID
    uplink: str
    asked_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None
    standing: str
    came: list[CarriedOut]


class TestIn(Schema):
    """Which uplink is used alone, as the site's agent names it."""

    uplink: str


class DrillIn(Schema):
    """What was seen of a function under a failure, and what shows it."""

    failure: str
    function: str
    survived: bool
    evidence: str


class DrillOut(DrillIn):
    """A drill as it was recorded."""

    id: UUID
    at: datetime


class PowerOut(Schema):
    """Where power was lost (local_outlet, facility_event, utility, unknown, none), generator, UPS and batteries."""

    verdict: str
    reasons: list[str]
    generator: str
    fuel_pct: float | None
    runtime_min: float | None
    load_pct: float | None
    batteries: list[dict[str, Any]]


class LifelinesOut(Schema):
    """Everything of a site. `survival`: by failure and function whether it survived, null where nobody tried it."""

    site: str
    circuits: list[CircuitOut]
    tests: list[UplinkTestOut]
    traffic: list[dict[str, Any]]
    sheds: dict[str, str]
    contradictions: list[str]
    power: PowerOut
    cabinets: list[dict[str, Any]]
    shutdown: list[dict[str, Any]]
    survival: dict[str, dict[str, bool | None]]


class CarrierDispatchOut(Schema):
    """A message to a provider, ready to send; `blank` names what the record does not hold."""

    to: str
    phone: str
    subject: str
    body: str
    blank: list[str]


class ZoneReachedOut(Schema):
    """A zone and the flows that lead there in order."""

    zone: str
    is_direct: bool
    way: list[str]


class ReachOut(Schema):
    """What a device can reach; `unknown` says why nothing is known."""

    device: str
    zone: str
    zones: list[ZoneReachedOut]
    unknown: str


class OpeningOut(Schema):
    """An opening in Unix seconds, and what the warmest judging probe rose by until a quarter of an hour after it."""

    start_s: float
    open_s: float
    is_open: bool
    rise_c: float | None


class DoorsOut(Schema):
    """The doors of a space; `coupling`: the correlation of seconds open and degrees risen, null if it says nothing."""

    has_door: bool
    coupling: float | None
    openings: list[OpeningOut]


@router.get("/sites/{code}", response=LifelinesOut)
def of_site(request: HttpRequest, code: str) -> dict[str, Any]:
    """How a site stands now; circuits over the last 30 days."""
    who = by(request)
    return _out(lifelines(who, registry.site(who, code), wiring.clock().now()))


@router.post("/sites/{code}/uplink-tests", response={201: UplinkTestOut})
def test_uplink(request: HttpRequest, code: str, body: TestIn) -> Status[dict[str, Any]]:
    """Ask the site's agent to use one uplink alone for up to three minutes."""
    site = registry.site(by(request), code)
    row = uplink_tests.ask(by(request), site.pk, body.uplink, now=wiring.clock().now())
    return Status(201, _test(TestOfUplink(row, "waiting", ())))


@router.post("/sites/{code}/drills", response={201: DrillOut})
def drill(request: HttpRequest, code: str, body: DrillIn) -> Status[Any]:
    """Record what was seen of a function while something had failed."""
    site = registry.site(by(request), code)
    words = body.dict() | {"now": wiring.clock().now()}
    return Status(201, fleet.record_drill(by(request), site.pk, words.pop("failure"), words.pop("function"), **words))


@router.get("/circuits/{code}/dispatch", response=CarrierDispatchOut)
def dispatch(request: HttpRequest, code: str) -> Any:
    """The message to a circuit's provider, from the record."""
    return dispatching.dispatch_of(by(request), code, wiring.clock().now())


@router.get("/devices/{key}/reach", response=ReachOut)
def reach(request: HttpRequest, key: UUID) -> dict[str, Any]:
    """Every zone that a device can reach under the policy of its site."""
    found = dispatching.reach_of(by(request), key)
    zones = [
        {"zone": z.zone, "is_direct": z.is_direct, "way": [f"{f.begin} to {f.end}: {f.what}" for f in z.way]}
        for z in found.zones
    ]
    return {"device": found.device.name, "zone": found.device.zone, "zones": zones, "unknown": found.unknown}


@router.get("/spaces/{space_id}/doors", response=DoorsOut)
def doors(request: HttpRequest, space_id: UUID, start: AwareDatetime, end: AwareDatetime) -> dict[str, Any]:
    """The doors of a space over a period, of at most its last eight days."""
    space = registry.space(space_id)
    registry.site(by(request), str(space.site_id))
    found = door_activity(space, start, end)
    openings = [
        {"start_s": o.start_s, "open_s": o.open_s, "is_open": o.is_open, "rise_c": e.rise_c}
        for e in found.effects
        for o in [e.opening]
    ]
    return {"has_door": found.has_door, "coupling": found.coupling, "openings": openings}


def _out(found: Lifelines) -> dict[str, Any]:
    power = found.power
    figures = {name: getattr(power, name) for name in ("fuel_pct", "runtime_min", "load_pct")}
    return {
        "site": found.site.code,
        "circuits": found.circuits,
        "tests": [_test(t) for t in found.tests],
        "traffic": [asdict(c) for c in found.traffic],
        "sheds": found.sheds,
        "contradictions": found.contradictions,
        "power": {
            "verdict": power.verdict.verdict,
            "reasons": power.verdict.reasons,
            "generator": power.generator,
            "batteries": [asdict(b) | {"warning": b.warning} for b in power.batteries],
        }
        | {name: None if s is None or s.is_silent else s.value for name, s in figures.items()},
        "cabinets": [asdict(c) for c in found.cabinets],
        "shutdown": [asdict(s) for s in found.shutdown],
        "survival": {
            failure: {name: None if seen is None else seen.survived for name, seen in row.items()}
            for failure, row in found.survival.items()
        },
    }


def _test(one: TestOfUplink) -> dict[str, Any]:
    row = one.row
    came = [{"what": c.what, "passed": c.passed, "last_at": c.last_at} for c in one.came]
    times = {name: getattr(row, name) for name in ("asked_at", "begun_at", "ended_at")}
    return {"id": row.pk, "uplink": row.uplink, "standing": one.standing, "came": came} | times
