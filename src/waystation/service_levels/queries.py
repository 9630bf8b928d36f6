"""Reading promises: the preview of a class change, vendor windows by outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from waystation.registry.models import ServiceClass, Site
from waystation.registry.queries import one
from waystation.service_levels.models import VendorWindow
from waystation.service_levels.rules.measures import window_outcome
from waystation.service_levels.rules.tier import TARGETS, Change, Tier, changes, tier_of


@dataclass(frozen=True, slots=True)
class Preview:
    """What would change for a site under another class."""

    tier: Tier | None
    today: str
    then: str
    changes: tuple[Change, ...]


def targets_of(row: ServiceClass) -> dict[str, float]:
    """The targets of a class as numbers by name."""
    return {name: float(getattr(row, name)) for name in TARGETS}


def preview(site: Site, then: ServiceClass) -> Preview:
    """Every rule that changes when the site moves to another class."""
    tier = tier_of(site.tier_inputs) if site.tier_inputs else None
    today = site.service_class
    return Preview(tier, today.code, then.code, tuple(changes(targets_of(today), targets_of(then))))


@dataclass(frozen=True, slots=True)
class VendorRecord:
    """A vendor's windows of a period, oldest first, with their outcomes."""

    vendor: str
    outcomes: tuple[str, ...]
    sites: tuple[str, ...]

    @property
    def failed(self) -> int:
        """How many were missed or late."""
        return sum(o in ("missed", "late") for o in self.outcomes)


def vendor_records(start: datetime, now: datetime) -> list[VendorRecord]:
    """Vendors by how many windows they missed or were late for, worst first."""
    rows = VendorWindow.objects.filter(planned_start__gte=start, planned_start__lte=now).select_related(
        "vendor", "site"
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows.order_by("planned_start"):
        found.setdefault(row.vendor.name, []).append((outcome_of(row, now), row.site.name))
    records = [
        VendorRecord(name, tuple(o for o, _ in held), tuple(sorted({s for o, s in held if o in ("missed", "late")})))
        for name, held in found.items()
    ]
    return sorted(records, key=lambda r: (-r.failed, r.vendor))


def outcome_of(row: VendorWindow, now: datetime) -> str:
    """planned, running, complete, late or missed."""
    began = row.started_at.timestamp() if row.started_at else None
    ended = row.ended_at.timestamp() if row.ended_at else None
    return window_outcome(row.planned_end.timestamp(), began, ended, now.timestamp())


def service_class(code: str) -> ServiceClass:
    """One class by its code."""
    return one(ServiceClass, code)


def service_classes() -> list[ServiceClass]:
    """Every class, most critical first."""
    return list(ServiceClass.objects.order_by("rank", "code"))


def windows(start: datetime, end: datetime) -> list[VendorWindow]:
    """The windows planned in [start, end], newest first."""
    rows = VendorWindow.objects.filter(planned_start__gte=start, planned_start__lte=end)
    return list(rows.select_related("vendor", "site").order_by("-planned_start"))


def windows_ahead(
    site_ids: Sequence[UUID], now: datetime, until: datetime
) -> dict[tuple[UUID, UUID], list[tuple[datetime, str]]]:
    """Maintenance that vendors announced and that is not over: its begin and what, by (site, vendor)."""
    rows = VendorWindow.objects.filter(
        site_id__in=list(site_ids), planned_end__gt=now, planned_start__lt=until, ended_at=None
    )
    found: dict[tuple[UUID, UUID], list[tuple[datetime, str]]] = {}
    for row in rows.order_by("planned_start"):
        found.setdefault((row.site_id, row.vendor_id), []).append((row.planned_start, row.what))
    return found
