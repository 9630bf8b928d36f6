"""The places that the side bar names. A place appears when its room does; nothing is listed that is not built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the side bar: its address, its name and the permission that shows it."""

    url: str
    name: str
    permission: str
    on_phone: bool = False
    break_before: bool = False


PLACES: tuple[Place, ...] = (
    Place("/", "Now", "registry.read", on_phone=True),
    Place("/incidents/", "Incidents", "registry.read", on_phone=True),
    Place("/approvals/", "Approvals", "registry.read"),
    Place("/sites/", "Sites", "registry.read", on_phone=True),
    Place("/desk/", "Hub desk", "spares.read", on_phone=True),
    Place("/planning/", "Planning", "planning.read", break_before=True),
    Place("/onboarding/", "Onboarding", "registry.read"),
    Place("/set-up/", "Set-up", "registry.read"),
    Place("/maintenance/", "Maintenance", "registry.read"),
    Place("/vendor-sessions/", "Vendor sessions", "registry.read"),
    Place("/calibration/", "Calibration", "registry.read"),
    Place("/evidence/", "Evidence", "evidence.read"),
    Place("/webhooks/", "Webhooks", "evidence.subscribe"),
    Place("/overview/", "Overview", "service_levels.read", on_phone=True),
)
