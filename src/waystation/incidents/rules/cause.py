"""Which causes belong together, so that one failure makes one incident."""

from __future__ import annotations

from uuid import UUID

_GROUPS = {
    "power_lost": "power",
    "power_loss": "power",
    "site_unreachable": "connection",
    "wan_outage": "connection",
    "circuit_down": "connection",
    "device_unreachable": "device",
    "gateway_failure": "device",
    "sensor_silent": "measurement",
    "sensor_frozen": "measurement",
    "sensor_failure": "measurement",
    "measurement_in_doubt": "measurement",
    "hand_reading_missed": "measurement",
    "compressor_fault": "cooling",
    "excursion": "cooling",
    "rising": "cooling",
    "door_open": "cooling",
    "worst_case_limit": "cooling",
    "humidity": "climate",
    "late_excursion": "late_excursion",
}
# what a cause leaves to be restored: hardware that works and is trusted again, and a space back in its profile
_SERVICE = {"power", "connection", "device", "measurement", "cooling"}
_PRODUCT = {"power", "cooling", "late_excursion"}


def group_of(cause: str) -> str:
    """The group that a cause belongs to; an unknown cause is its own."""
    return _GROUPS.get(cause, cause)


def live_key(site_id: UUID, cause: str, space_id: UUID | None, device_id: UUID | None) -> str:
    """One live incident per site, group and object; causes that strike the whole site ignore the object.

    Cooling belongs to the space whichever device of it fails; what carries the site belongs to the site.
    """
    group = group_of(cause)
    if group in ("power", "connection"):
        return f"{site_id}:{group}:site"
    target = (space_id or device_id) if group in ("cooling", "climate", "late_excursion") else (device_id or space_id)
    return f"{site_id}:{group}:{target or 'site'}"


def needs(cause: str, space_id: UUID | None) -> tuple[bool, bool]:
    """Which facts must stand before it resolves: (service restored, product safe).

    A space named with any cause asks for its product; so does power and cooling. An unknown cause asks for service.
    """
    group = group_of(cause)
    product = group in _PRODUCT or space_id is not None
    return group in _SERVICE or not product, product
