"""What tests of pages begin from: a fridge in trouble with its alarm, incident and page."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.conftest import START
from tests.rooms.alarms.scenes import TEXT
from tests.samples import a_site, a_space
from waystation.access.queries import system_authority
from waystation.alarms import actions as alarms
from waystation.alarms.models import Alarm
from waystation.alarms.rules.conditions import Condition
from waystation.incidents import actions as incidents
from waystation.incidents.models import Incident
from waystation.product.actions import lots

BY = "test"


def a_lot(lot: str = "MMR-7741", space_code: str = "fridge-1", **changes: Any) -> Any:
    """A lot that stands in a space since an hour."""
    space = a_space("cordoba", space_code)
    values = {
        "product": "MMR",
        "quantity": Decimal(320),
        "unit": "doses",
        "profile": "vaccine",
        "volume_l": 5.0,
    } | changes
    at = START - timedelta(hours=1)
    return lots.bring_in(system_authority(BY), space.pk, lots.Lot(lot=lot, **values), at=at, now=START)


def trouble(
    rule: str = "compressor_fault", *, worst_in_min: float | None = 86, **changes: Any
) -> tuple[Alarm, Incident]:
    """An alarm of fridge-1 in Córdoba with its incident, paged."""
    by, space = system_authority(BY), a_space("cordoba", "fridge-1")
    facts = {
        "asset": "Fridge-1",
        "location": "Cordoba",
        "value_c": 6.4,
        "limit_c": 8.0,
        "trend_c_per_h": 0.9,
        "lots": 1,
    }
    worst = START + timedelta(minutes=worst_in_min) if worst_in_min is not None else None
    values: dict[str, Any] = {
        "object_kind": "space",
        "space_id": space.pk,
        "facts": facts,
        "worst_case_at": worst,
    } | changes
    found = Condition(rule, space.site_id, object_id=space.pk, started_at=START - timedelta(minutes=30), **values)
    alarm = alarms.update(by, space.site_id, [found], now=START).raised[0]
    incident = incidents.open(
        by, rule, space.site_id, title="Cordoba, Fridge-1: compressor controller failed", priority="P1", now=START,
        space_id=space.pk, alarm_ids=[alarm.pk],
    )  # fmt: skip
    alarms.page(by, alarm.pk, TEXT, incident_id=incident.pk, now=START)
    alarm.refresh_from_db()
    return alarm, incident


def a_notice(site: str = "cordoba") -> Alarm:
    """An informational alarm at a site without product."""
    row = a_site(site)
    found = Condition("circuit_down", row.pk, "circuit", row.pk, START, {"asset": "Primary", "location": row.name})
    return alarms.update(system_authority(BY), row.pk, [found], now=START).raised[0]
