"""Set a site's class, plan vendor windows and record what came of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict
from waystation.registry.models import ServiceClass, Site, Vendor
from waystation.registry.queries import one
from waystation.service_levels.models import VendorWindow
from waystation.service_levels.rules.tier import tier_of


def set_class(
    by: Authority, site_id: UUID, code: str, *, inputs: dict[str, object], reason: str, now: datetime
) -> Site:
    """Move a site to a class, with the inputs behind it. Alarm, recovery and stock targets follow at once."""
    by.require("service_levels.write", site_id)
    site = one(Site, site_id, among=Site.objects.select_related("service_class"))
    then = one(ServiceClass, code)
    tier = tier_of(inputs)
    before, site.service_class, site.tier_inputs = site.service_class.code, then, dict(inputs)
    facts = {"from": before, "to": then.code, "tier": tier.rank, "why": list(tier.reasons)}
    record(
        [site],
        [NewEvent(data=facts)],
        entry=NewEntry("service_levels.class_set", site.pk, by, now, site.pk, reason, facts),
    )
    return site


def plan_window(
    by: Authority, vendor_id: UUID, site_id: UUID, *, what: str, start: datetime, end: datetime, now: datetime
) -> VendorWindow:
    """Maintenance that a vendor promised."""
    by.require("service_levels.write", site_id)
    if end <= start:
        raise BadInput(
            "service_levels.window_times",
            f"The window ends at {end:%H:%M}, before it starts.",
            "Swap them.",
            field="end",
        )
    row = VendorWindow(
        vendor=one(Vendor, vendor_id), site=one(Site, site_id), what=what, planned_start=start, planned_end=end
    )
    record([row], entry=NewEntry("service_levels.window_planned", row.pk, by, now, site_id, facts={"what": what}))
    return row


def record_visit(
    by: Authority,
    window_id: UUID,
    *,
    started_at: datetime,
    ended_at: datetime | None,
    person: str,
    evidence: str,
    now: datetime,
) -> VendorWindow:
    """What came of a window: when a named person came and went, and what shows it."""
    row = one(VendorWindow, window_id)
    by.require("service_levels.write", row.site_id)
    if row.ended_at is not None:
        raise Conflict("service_levels.window_ended", "This window is recorded already.", "Plan another one.")
    if ended_at is not None and ended_at < started_at:
        raise BadInput("service_levels.window_times", "It ended before it started.", "Swap them.", field="ended_at")
    row.started_at, row.ended_at, row.person, row.evidence = started_at, ended_at, person, evidence
    facts = {"started_at": started_at, "ended_at": ended_at, "evidence": evidence}
    record(
        [row],
        [NewEvent(data=facts)],
        entry=NewEntry("service_levels.window_visited", row.pk, by, now, row.site_id, facts=facts),
    )
    return row
