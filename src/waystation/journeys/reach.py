"""Which hub restores which site in time: ways into service against the tolerable outage of the site's class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from waystation.journeys.demand import Installed
from waystation.kernel.authority import Authority
from waystation.registry.models import Device, Part, Site
from waystation.spares.models import Unit
from waystation.spares.ways import Way, ways

HOUR = 3600.0
WORKING = ("planned", "commissioning", "active", "paused")


@dataclass(frozen=True, slots=True)
class Need:
    """A part group that works at a site: what its class tolerates, in hours, and every way, the quickest first."""

    site: str
    name: str
    service_class: str
    group: str
    units: int
    tolerable_h: float
    ways: tuple[Way, ...]

    def share_from(self, hub: str) -> float:
        """The share of starts (0 to 1) that a unit of this hub restores in time; 0 without a way."""
        found = [w.share_within(self.tolerable_h * HOUR) for w in self.ways if w.kind == "hub" and w.code == hub]
        return max(found, default=0.0)


@dataclass(frozen=True, slots=True)
class Reachable:
    """Every need of the network, and by (hub, group) the share that the hub restores in time, weighed by units."""

    needs: tuple[Need, ...]
    shares: Mapping[tuple[str, str], float]
    without_way: tuple[str, ...]

    def in_time(self, hub: str, group: str) -> float:
        """The share of a shelf's needs that it reaches in time; 1 where nothing is installed that could say."""
        return self.shares.get((hub, group), 1.0)


def reachable(by: Authority, base: Mapping[tuple[str, str], Installed], *, now: datetime) -> Reachable:
    """The needs of every site that is not retired, and the share in time of every shelf that serves some."""
    needs = tuple(site_needs(by, now=now))
    by_key = {(n.site, n.group): n for n in needs}
    codes = dict(Site.objects.values_list("pk", "code"))
    shares = {}
    for (hub, group), held in base.items():
        mine = [n for pk in held.sites if (n := by_key.get((codes[pk], group))) is not None]
        units = sum(n.units for n in mine)
        if units:
            shares[hub, group] = sum(n.units * n.share_from(hub) for n in mine) / units
    lost = sorted({n.name for n in needs if not any(w.kind == "hub" for w in n.ways)})
    return Reachable(needs, shares, tuple(lost))


def site_needs(by: Authority, *, now: datetime) -> list[Need]:
    """What may fail at each site that is not retired, by part group, with the ways to restore it."""
    by.require("planning.read")
    parts = {p.pk: p for p in Part.objects.all()}
    by_model = {p.model_id: p for p in sorted(parts.values(), key=lambda p: p.code, reverse=True) if p.model_id}
    held: dict[Site, dict[str, tuple[Part, int]]] = {}
    rows = Device.objects.filter(removed_at=None, site__state__in=WORKING)
    for device in rows.select_related("site__service_class").order_by("site__code", "name"):
        part = parts.get(device.part_id) if device.part_id else by_model.get(device.model_id)
        if part is not None:
            groups = held.setdefault(device.site, {})
            first, count = groups.get(part.group, (part, 0))
            groups[part.group] = (max(first, part, key=lambda p: (p.install_min, p.code)), count + 1)
    found = ways(by, {site: [p for p, _ in groups.values()] for site, groups in held.items()}, now)
    return [
        Need(
            site.code,
            site.name,
            site.service_class.code,
            group,
            units,
            site.service_class.tolerable_outage_h,
            tuple(found[site.code, group]),
        )
        for site, groups in held.items()
        for group, (_, units) in sorted(groups.items())
    ]


def ready_at() -> dict[tuple[str, str], int]:
    """Units ready by (hub code, part group), break-glass stock aside."""
    found: dict[tuple[str, str], int] = {}
    rows = Unit.objects.filter(state="stocked", break_glass=False, hub__isnull=False)
    for hub, group in rows.values_list("hub__code", "part__group"):
        found[hub, group] = found.get((hub, group), 0) + 1
    return found
