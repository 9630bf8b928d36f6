"""Open a site: start it from its template, collect what shows that it is ready, sign, open.

The gate stands on what other rooms know now: the inventory against the template, whether every judging probe is
heard, whether the alarm route was proven, and whether a spare for each critical class can be there in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.db import transaction

from waystation.alarms import queries as alarms
from waystation.alarms.models import RouteTest
from waystation.fleet import actions as fleet
from waystation.fleet import queries as fleet_queries
from waystation.fleet.models import Check, Onboarding, SignOff
from waystation.fleet.rules.gate import Facts, Obstacle, obstacles
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.kernel.units import duration_text
from waystation.registry import actions as registry
from waystation.registry.models import Device, Part, Site
from waystation.registry.queries import one, sites
from waystation.spares import queries as spares
from waystation.spares.covering import covering
from waystation.telemetry import queries as telemetry
from waystation.telemetry.views import SiteView

SIGNED = "acceptance_sign_off"  # the three signatures themselves show this check


@dataclass(frozen=True, slots=True)
class Cover:
    """One critical class: whether a ready unit can be in service within the tolerable outage, and from where."""

    component_class: str
    covered: bool
    words: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """An onboarding with everything that the gate looks at."""

    onboarding: Onboarding
    facts: Facts
    obstacles: tuple[Obstacle, ...]
    cover: tuple[Cover, ...]
    probes: tuple[int, int]  # heard, of how many
    route: RouteTest | None

    @property
    def ready(self) -> bool:
        """True when nothing keeps the gate shut."""
        return not self.obstacles


def start(by: Authority, site_id: UUID, *, now: datetime) -> Onboarding:
    """Begin: a planned site enters commissioning. Starting it again returns the onboarding that runs."""
    with transaction.atomic():
        site = one(Site, site_id)
        by.require("fleet.onboard", site.pk)
        if site.state == "planned":
            registry.set_site_state(by, site.pk, "commissioning", now=now, reason="onboarding started")
        return fleet.start_onboarding(by, site.pk, now=now)


def gate(by: Authority, site_id: UUID, now: datetime, *, fresh: bool = True) -> Readiness:
    """May this site be opened, and if not, what keeps the gate shut? A page may show travel times of this hour."""
    row = _onboarding(by, site_id)
    site = row.site
    cover = tuple(cover_of(by, site, now, fresh=fresh))
    heard, expected = probes_of(telemetry.site_view(site.pk, now))
    route = next((t for t in alarms.route_tests(by) if t.site_id == site.pk), None)
    facts = fleet_queries.gate_facts(
        row,
        route_proven=route is not None and route.passed_at is not None,
        cover={c.component_class: c.covered for c in cover},
        monitored=heard == expected,
        now=now,
    )
    facts = replace(facts, checks=[c for c in facts.checks if c.key != SIGNED])
    return Readiness(row, facts, tuple(obstacles(facts)), cover, (heard, expected), route)


def probes_of(view: SiteView) -> tuple[int, int]:
    """Judging probes heard and not doubted, of all; a space with limits and no judging probe counts as one unheard."""
    wanted = [s for s in view.spaces if s.low_c is not None]
    heard = sum(not p.is_silent and not p.doubt for s in wanted for p in s.judging)
    return heard, sum(max(1, len(s.judging)) for s in wanted)


def cover_of(by: Authority, site: Site, now: datetime, *, fresh: bool = True) -> list[Cover]:
    """Each critical class of the template that a spare can restore. `"spare": false` names one that is software."""
    wanted = [c for c in site.template.components if c.get("critical") and c.get("spare", True)]
    ready: dict[str, set[str]] = {}
    for shelf in spares.stock(by):
        if shelf.ready:
            ready.setdefault(shelf.group, set()).add(shelf.hub)
    return [_cover(site, c["class"], _parts(site, c), ready, now, fresh) for c in wanted]


def _parts(site: Site, component: dict[str, object]) -> list[Part]:
    """The parts of what stands at the site in that class; without hardware there, those that the template names."""
    kind = str(component["class"])
    held = Device.objects.filter(site=site, component_class=kind, removed_at=None).exclude(part=None)
    found = {d.part.group: d.part for d in held.select_related("part") if d.part is not None}
    if not found:
        named = component.get("models") or []
        rows = Part.objects.filter(asset_class=kind, model__name__in=named).order_by("code")
        found = {p.group: p for p in rows}
    return list(found.values())


def _cover(
    site: Site, kind: str, parts: Sequence[Part], ready: dict[str, set[str]], now: datetime, fresh: bool
) -> Cover:
    if not parts:
        return Cover(kind, False, "the catalogue has no part for it")
    within_s = site.service_class.tolerable_outage_h * 3600
    hour = now.replace(minute=0, second=0, microsecond=0)
    look = _of_part.__wrapped__ if fresh else _of_part
    each = [look(site, part, tuple(sorted(ready.get(part.group, ()))), within_s, hour) for part in parts]
    return Cover(kind, all(covered for covered, _ in each), "; ".join(words for _, words in each))


@lru_cache(maxsize=1024)
def _of_part(site: Site, part: Part, hubs: tuple[str, ...], within_s: float, hour: datetime) -> tuple[bool, str]:
    """Whether a ready unit of the part covers the site, and what shows it or is missing."""
    if not hubs:
        return False, f"no {part.name} is ready at any hub"
    ways = covering(site, part, within_s, hour, hubs)
    best = ways[0] if ways else None
    if best is None:
        return False, f"no {part.name}: no lane leads here from {', '.join(hubs)}"
    time = duration_text(best.p90_s) if best.p90_s is not None else "not in 9 of 10 cases"
    if best.covers:
        return True, f"{part.name} from {best.source}: {time} in 9 of 10; {best.share_of_week:.0%} of the whole week"
    return False, f"no {part.name} within {duration_text(within_s)}: best is {best.source}, {time}"


def measure(by: Authority, site_id: UUID, *, now: datetime) -> list[Check]:
    """Record the checks that the platform can show by itself. One that it cannot show stays as it is."""
    held = gate(by, site_id, now)
    shown = {key: words for key, words in _shown(held).items() if words}
    wanted = [c for c in held.onboarding.checks.all() if c.key in shown and c.evidence != shown[c.key]]
    return [
        fleet.record_check(by, held.onboarding.pk, c.key, passed=True, evidence=shown[c.key], now=now) for c in wanted
    ]


def _shown(held: Readiness) -> dict[str, str]:
    """What the platform knows for a check, in words; empty where it does not show it."""
    site_id = held.onboarding.site_id
    devices = list(Device.objects.filter(site_id=site_id, removed_at=None).select_related("model"))
    drift = fleet_queries.drift(site_id)
    registered = all(d.serial and d.model_id for d in devices)
    below = [d for d in drift if d.kind.startswith("firmware")]
    targeted = [d for d in devices if d.model.firmware_target]
    all_spoke = bool(targeted) and all(d.observed_at is not None for d in targeted)
    heard, expected = held.probes
    covered = [c for c in held.cover if c.covered]
    route = held.route
    proven = route is not None and route.passed_at is not None
    return {
        "device_registration": f"{len(devices)} of {len(devices)} with serial and model" if registered else "",
        "monitoring_enrolment": f"{heard} of {expected} judging probes heard" if expected and heard == expected else "",
        "firmware_compliance": f"{len(targeted)} devices run the baseline" if all_spoke and not below else "",
        "alarm_routing": f"test page of {route.at:%d %b %H:%M} UTC was confirmed" if proven and route else "",
        "spares_entitlement": f"{len(covered)} critical classes covered" if len(covered) == len(held.cover) else "",
    }


def record(by: Authority, site_id: UUID, key: str, *, passed: bool, evidence: str, now: datetime) -> Check:
    """The result of a check, by a person who saw it."""
    row = _onboarding(by, site_id)
    return fleet.record_check(by, row.pk, key, passed=passed, evidence=evidence, now=now)


def sign(by: Authority, site_id: UUID, function: str, *, now: datetime) -> SignOff:
    """A named person accepts the site for a function, on the state that the gate sees now."""
    held = gate(by, site_id, now, fresh=False)
    return fleet.sign_off(by, held.onboarding.pk, function, held.facts, now=now)


def open_site(by: Authority, site_id: UUID, *, now: datetime) -> Site:
    """Open the site: the onboarding closes and the site is active in one transaction, or neither."""
    with transaction.atomic():
        held = gate(by, site_id, now)
        fleet.open_site(by, held.onboarding.pk, held.facts, now=now)
        return registry.set_site_state(by, site_id, "active", now=now, reason="onboarding accepted")


def _onboarding(by: Authority, site_id: UUID) -> Onboarding:
    site = one(Site, site_id, among=sites(by))
    row = fleet_queries.onboarding(site.pk)
    if row is None or row.opened_at is not None:
        raise NotFound(
            "fleet.no_onboarding",
            f"{site.name} is not being onboarded; it is {site.state}.",
            "Start its onboarding first." if site.state in ("planned", "commissioning") else "Open its page.",
        )
    return row
