"""A site's agent and the centre: what it tells is kept, and whether somebody answered its alarms is told back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from waystation.access import queries as access
from waystation.alarms import queries as alarms
from waystation.alarms.models import Alarm
from waystation.kernel.authority import Authority
from waystation.registry import queries as registry
from waystation.registry.models import Sensor, Site
from waystation.telemetry.actions import agents, uplink_tests
from waystation.telemetry.actions.ingest import Accepted
from waystation.telemetry.limits import limits_at
from waystation.telemetry.models import Gateway, UplinkTest
from waystation.telemetry.rules.limits import digest_of

DEALT_WITH = ("active_acked", "shelved", "suppressed", "out_of_service")
OUT_OF_RANGE, SILENT = ("excursion",), ("sensor_silent", "device_unreachable")


@dataclass(frozen=True, slots=True)
class Answered:
    """Whether somebody answered that a sensor is out of range, and that it is silent: two things."""

    sensor: str
    out_of_range: bool
    silent: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """What an agent is told back: for each sensor that it asks about whether somebody answered; a test to begin; the
    limits to judge by, unless it says that it judges by them.
    """

    answers: list[Answered]
    test: UplinkTest | None = None
    limits: tuple[str, list[dict[str, Any]]] | None = None


def heard(by: Authority, accepted: Accepted, *, now: datetime) -> Heard:
    """Keep what the agent tells, and say what it asks for. A test is asked for with the answer to a heartbeat."""
    with transaction.atomic():
        if agents.keep_told(by, accepted, now=now):
            uplink_tests.heard(by, accepted, now=now)
    agents.keep_state(by, accepted, now=now)
    if accepted.site_id is None or not accepted.told.state:
        return Heard([])
    told = answers(accepted.site_id, accepted.told.asks) if accepted.told.asks else []
    asked = uplink_tests.waiting(accepted.site_id, now)
    return Heard(told, asked, _limits(accepted.site_id, str(accepted.told.state.get("limits", "")), now))


def _limits(site_id: UUID, known: str, now: datetime) -> tuple[str, list[dict[str, Any]]] | None:
    """Digest and rows of a site's limits; None for an agent that knows them, or says nothing of limits."""
    if not known:
        return None
    rows = limits_at(site_id, now)
    digest = digest_of(rows)
    return None if known in (digest, "file" if not rows else digest) else (digest, rows)


def answers(site_id: UUID, codes: Iterable[str]) -> list[Answered]:
    """For each sensor of the site: whether alarms of the same kind stand for it, and each is dealt with by somebody.

    An alarm that the centre does not have is not answered, whatever else somebody did there.
    """
    standing = alarms.standing_at(site_id)
    sensors = Sensor.objects.filter(site_id=site_id, removed_at=None, code__in=list(codes))
    return [_answered(sensor, standing) for sensor in sensors.order_by("code")]


def _answered(sensor: Sensor, standing: Iterable[Alarm]) -> Answered:
    """Out of range is said of a space or a sensor; silent of the sensor itself or the device that carries it."""
    places, own = {sensor.pk, sensor.space_id} - {None}, {sensor.pk, sensor.device_id} - {None}
    out = [a for a in standing if a.rule in OUT_OF_RANGE and a.object_id in places]
    silent = [a for a in standing if a.rule in SILENT and a.object_id in own]
    return Answered(sensor.code, _is_dealt_with(out), _is_dealt_with(silent))


def _is_dealt_with(found: list[Alarm]) -> bool:
    return bool(found) and all(a.acked_at is not None or a.state in DEALT_WITH for a in found)


def gateways(by: Authority) -> list[tuple[Gateway, str, Site]]:
    """The agents of the sites that the principal may see, with the machine's name, by site and name."""
    rows = list(Gateway.objects.filter(site__in=registry.sites(by)).select_related("site"))
    names = access.names({row.machine_id for row in rows})
    found = [(row, names.get(row.machine_id, str(row.machine_id)), row.site) for row in rows]
    return sorted(found, key=lambda one: (one[2].code, one[1]))
