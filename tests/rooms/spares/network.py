"""A small network of hubs for tests: Córdoba with a cabinet, Sevilla by car, Madrid by courier, a vendor."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from tests.conftest import START
from tests.samples import a_model, a_site
from waystation.access import queries as access
from waystation.kernel.authority import Authority
from waystation.registry.models import Part, Vendor
from waystation.spares import models as m
from waystation.spares.actions import hold, setup, stock
from waystation.spares.actions.sourcing import Need

ALWAYS = {"always": True}
WEEK = {day: [["08:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}


def system() -> Authority:
    """The platform's own authority."""
    return access.system_authority("test")


def a_part(code: str = "CTL-220", **changes: Any) -> Part:
    """A controller of the group `controller`."""
    values: dict[str, Any] = {
        "name": "Controller",
        "asset_class": "controller",
        "group": "controller",
        "model": a_model(code, "controller"),
        "install_min": 30,
    } | changes
    return Part.objects.get_or_create(code=code, defaults=values)[0]


def a_hub(code: str = "sevilla", tier: str = "regional", **changes: Any) -> m.Hub:
    """A hub that is always staffed."""
    held = m.Hub.objects.filter(code=code).first()
    values = {
        "code": code,
        "name": code.capitalize(),
        "tier": tier,
        "zone": "Europe/Madrid",
        "staffing": ALWAYS,
    } | changes
    made = held or setup.set_up(system(), "hub", values, now=START)
    assert isinstance(made, m.Hub)
    return made


def a_lane(hub: m.Hub, minutes: float = 90, mode: str = "drive", site: str = "cordoba", **changes: Any) -> m.Lane:
    """A lane with a measured law: the median, and a third more in one case of ten."""
    law = [[0.5, minutes * 60], [0.9, minutes * 80]]
    values = {"hub": hub, "site": the_site(site), "mode": mode, "quantiles": law, "source": "measured"} | changes
    made = setup.set_up(system(), "lane", values, now=START)
    assert isinstance(made, m.Lane)
    return made


def the_site(code: str = "cordoba") -> Any:
    """A site that is always open."""
    return a_site(code, access_hours=ALWAYS)


def a_unit(serial: str, hub: m.Hub, part: Part | None = None, *, at: datetime = START, **values: Any) -> m.Unit:
    """A unit on the shelf: received and checked."""
    unit = stock.receive(system(), (part or a_part()).pk, serial, hub.pk, now=at, values=values)
    return stock.check(system(), unit.pk, True, now=at)


def an_offer(vendor: str = "friotec", channel: str = "vendor", cost: float = 640.0, hours: float = 5.0) -> m.Offer:
    """A vendor's replacement or a purchase."""
    who = Vendor.objects.get_or_create(code=vendor, defaults={"name": vendor.capitalize(), "kind": "refrigeration"})[0]
    values = {"vendor": who, "group": "controller", "channel": channel, "cost": cost, "model": a_part().model}
    law = [[0.5, hours * 3600], [0.9, hours * 4000]]
    made = setup.set_up(system(), "offer", values | {"quantiles": law}, now=START)
    assert isinstance(made, m.Offer)
    return made


def a_need(*, minutes: float | None = 600, incident: UUID | None = None, name: str = "INC-1", **changes: Any) -> Need:
    """A controller is needed at Córdoba; the worst case reaches the limit after `minutes`."""
    limit = None if minutes is None else START + timedelta(minutes=minutes)
    values: dict[str, Any] = {"part_id": a_part().pk, "limit_at": limit, "incident_name": name} | changes
    return Need(incident or uuid4(), the_site().pk, **values)


def held_unit(serial: str = "S-1") -> tuple[m.Unit, m.Reservation]:
    """A unit at Sevilla that is reserved for an incident at Córdoba."""
    unit = a_unit(serial, a_hub())
    held = hold.reserve(system(), unit.pk, uuid4(), now=START, site_id=the_site().pk, incident_name="INC-1")
    unit.refresh_from_db()
    return unit, held
