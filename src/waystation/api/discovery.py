"""The discovery list by API: what waits, what a rule would do, adopt, ignore. The rules stand in the registry."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema

from waystation import wiring
from waystation.api.auth import by
from waystation.registry import queries as registry
from waystation.telemetry import discovery
from waystation.telemetry.actions import discover
from waystation.telemetry.rules.mapping import Rule

router = Router()


class SeriesOut(Schema):
    """A series that no sensor has; `doubt` says why a rule that names a sensor does not give it its readings."""

    id: UUID
    measurement: str
    tags: dict[str, str]
    field: str
    readings: int
    first_at: datetime
    last_at: datetime
    last_value: float | None
    waits_until: datetime
    doubt: str
    sensor: str = ""


class RuleIn(Schema):
    """A mapping rule to look at; as it would be made with `POST /api/v1/registry/mapping_rule`."""

    measurement: str = ""
    tags: dict[str, str] = {}
    field: str = ""
    sensor_tag: str = ""


class AdoptIn(Schema):
    """Which sensor the series is."""

    sensor_id: UUID
    reason: str = ""


class IgnoreIn(Schema):
    """Why nobody needs it."""

    reason: str


def _out(one: discovery.Waiting, sensor: str = "") -> dict[str, Any]:
    row = one.row
    shown = {n: getattr(row, n) for n in ("measurement", "tags", "field", "readings", "first_at", "last_at")}
    return shown | {
        "id": row.pk,
        "last_value": row.last_value,
        "waits_until": one.until,
        "doubt": one.doubt,
        "sensor": sensor,
    }


@router.get("/sites/{site}", response=list[SeriesOut])
def waiting(request: HttpRequest, site: str) -> list[dict[str, Any]]:
    """The series of a site that no sensor has and no rule ignores, the newest first."""
    row = registry.site(by(request), site)
    return [_out(one) for one in discovery.waiting(by(request), row.pk, wiring.clock().now())]


@router.post("/sites/{site}/preview", response=list[SeriesOut])
def preview(request: HttpRequest, site: str, body: RuleIn) -> list[dict[str, Any]]:
    """What a rule would take of what waits: `sensor` is empty for what it would ignore. Nothing is changed."""
    row = registry.site(by(request), site)
    rule = Rule(body.measurement, tuple(sorted(body.tags.items())), body.field, "", body.sensor_tag)
    found = discovery.fitting(by(request), row.pk, rule, wiring.clock().now())
    return [_out(one, target.code if target else "") for one, target in found]


@router.post("/series/{key}/adopt", response=dict[str, int])
def adopt(request: HttpRequest, key: UUID, body: AdoptIn) -> dict[str, int]:
    """The series is this sensor from now on, with its past; how many readings the sensor got."""
    given = discover.adopt(by(request), key, body.sensor_id, now=wiring.clock().now(), reason=body.reason)
    return {"readings": given}


@router.post("/series/{key}/ignore", response=dict[str, UUID])
def ignore(request: HttpRequest, key: UUID, body: IgnoreIn) -> dict[str, UUID]:
    """What it brings is dropped from now on; end the rule (`is_live` false) to have it listed again."""
    return {"rule": discover.ignore(by(request), key, now=wiring.clock().now(), reason=body.reason).pk}
