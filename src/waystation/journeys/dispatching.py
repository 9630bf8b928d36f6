"""A circuit's provider is asked to come, and a device's reach is shown: both read whole from the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from waystation.journeys.circuits import circuit_states
from waystation.journeys.lifelines import PERIOD
from waystation.kernel.authority import Authority
from waystation.registry.models import Circuit, Device
from waystation.registry.queries import one, site
from waystation.registry.rules.dispatch import Dispatch
from waystation.registry.rules.dispatch import dispatch as message
from waystation.registry.rules.reach import Reached, flows_of
from waystation.registry.rules.reach import reach as reached_from


@dataclass(frozen=True, slots=True)
class Reach:
    """What a device can reach under the policy of its site's template. Without zone or policy nothing is known."""

    device: Device
    zones: tuple[Reached, ...]
    unknown: str


def dispatch_of(by: Authority, code: str, now: datetime) -> Dispatch:
    """The message to the provider of a circuit, with what the circuit did in the last 30 days."""
    row = one(Circuit, code, among=Circuit.objects.select_related("vendor", "site__service_class"))
    place = site(by, str(row.site_id))
    state = next(s for s in circuit_states([place], now - PERIOD, now) if s.circuit == row.code)
    local = now.astimezone(ZoneInfo(place.zone))
    since = state.down[-1][0].astimezone(ZoneInfo(place.zone)) if state.is_down and state.down else None
    now_words = "up" if state.is_known and not state.is_down else "down" if state.is_down else "not known"
    lines = {
        "Circuit": row.code,
        "Account": row.account,
        "Contract": row.contract,
        "Provider": row.vendor.name,
        "Path and medium": f"{row.path}, {row.medium}",
        "Last mile": row.last_mile,
        "Site": f"{place.name} ({place.code})",
        "Place": f"{place.city}, {place.country}, {place.lat:.5f}, {place.lon:.5f}",
        "State": f"{now_words} at {local:%d %b %Y %H:%M %Z}",
        "Down since": f"{since:%d %b %Y %H:%M %Z}" if since else "not down" if now_words == "up" else "not known",
        "Last 30 days": "; ".join(state.evidence) or "nothing speaks against it",
        "Lead time of a new circuit": "" if row.lead_time_days is None else f"{row.lead_time_days} days",
        "Response agreed": "" if row.vendor.response_h is None else f"{row.vendor.response_h:g} h",
        "On site": place.local_support,
        "Hazards": place.hazards or "none recorded",
    }
    phone = row.dispatch_phone or row.vendor.phone
    return message(row.vendor.email, phone, f"{place.name}: circuit {row.code} {now_words}", lines)


def reach_of(by: Authority, device_id: UUID) -> Reach:
    """Every zone that a device can reach, nearest first, with the chain of flows that leads there."""
    device = one(Device, device_id, among=Device.objects.select_related("site__template"))
    site(by, str(device.site_id))
    flows = flows_of(device.site.template.flows)
    if not device.zone:
        return Reach(device, (), f"{device.name} has no zone on record, so its reach is unknown.")
    if not flows:
        return Reach(device, (), f"{device.site.template.name} names no flows, so reach is unknown.")
    return Reach(device, tuple(reached_from(device.zone, flows)), "")
