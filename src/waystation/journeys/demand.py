"""Where demand comes from: imported history, the product's own incidents, the installed base, what is known ahead.

A failure that the product itself handled feeds the next forecast: an incident for which a part was sourced is a need
at the hub that serves its site, whichever shelf, courier or vendor filled it. Places are hubs: a site, city or
region named in a file is the hub that serves it; what names none stays by its own name and is told apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

import numpy as np

from waystation.fleet.models import Onboarding
from waystation.incidents import feedback
from waystation.incidents.models import Feedback, Incident, Note
from waystation.kernel.authority import Authority
from waystation.planning import queries as planning
from waystation.planning.rules.demand.ages import OLDEST, Ages
from waystation.planning.rules.demand.needs import MONTH, Need, counted
from waystation.planning.rules.history_files import slug
from waystation.registry.models import Device, Part, Site
from waystation.spares import queries as spares
from waystation.spares.models import Hub, Order, Reservation, Round

MONTHS = 36
IN_USE, COMING = ("active", "paused"), ("planned", "commissioning")


@dataclass(frozen=True, slots=True)
class Served:
    """Which hub serves each site first (id → hub), and the next one that would if it were lost."""

    first: Mapping[UUID, Hub]
    second: Mapping[UUID, Hub]


@dataclass(frozen=True, slots=True)
class Demand:
    """Every need of the last months by hub code and part group, and what could not be placed."""

    needs: tuple[Need, ...]
    without_hub: int
    without_part: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """Units in use since their site opened (None: all along), and the day of the present hardware, if told."""

    since: datetime | None
    on: date | None
    units: int


@dataclass(frozen=True, slots=True)
class Installed:
    """Units of a group at the sites of a hub: those in use, and how many are coming."""

    fitted: tuple[Fitted, ...]
    coming: int
    sites: tuple[UUID, ...]

    @property
    def now(self) -> int:
        """Units in use."""
        return sum(one.units for one in self.fitted)


def served(by: Authority) -> Served:
    """The hub that reaches each site soonest in nine of ten trips, and the next."""
    hubs = {hub.pk: hub for hub in spares.hubs(by)}
    codes = dict(Site.objects.values_list("code", "pk"))
    ways: dict[UUID, list[tuple[float, str, Hub]]] = {}
    for hub_id, reached in spares.service_areas(by).items():
        for one in reached:
            ways.setdefault(codes[one.site], []).append((one.p90_s, hubs[hub_id].code, hubs[hub_id]))
    ordered = {site: sorted(some, key=lambda w: w[:2]) for site, some in ways.items()}
    return Served(
        {site: some[0][2] for site, some in ordered.items()},
        {site: some[1][2] for site, some in ordered.items() if len(some) > 1},
    )


def gather(by: Authority, where: Served, *, now: datetime) -> Demand:
    """The needs of the last three years, from files and from the product's own records, each once."""
    since = now - MONTHS * MONTH
    own, without_part = _own(where, since)
    places, families = _places(where), _families()
    imported = [
        replace(n, region=places.get(n.region, n.region), family=families.get(n.family, n.family))
        for n in planning.needs(by, since)
    ]
    hubs = {hub.code for hub in spares.hubs(by)}
    needs = counted([*own, *imported])
    return Demand(tuple(needs), sum(n.region not in hubs for n in needs), without_part)


def _places(where: Served) -> dict[str, str]:
    """Words for a place → code of the hub: the hub's own code and name, a site's code, name, city or cluster.

    A word that means two hubs means none.
    """
    found: dict[str, set[str]] = {}
    for site in Site.objects.all():
        hub = where.first.get(site.pk)
        for word in {slug(w) for w in (site.code, site.name, site.city, site.cluster) if w} if hub else ():
            found.setdefault(word, set()).add(hub.code if hub else "")
    own = {slug(word): hub.code for hub in Hub.objects.all() for word in (hub.code, hub.name)}
    return {word: next(iter(codes)) for word, codes in found.items() if len(codes) == 1} | own


def _families() -> dict[str, str]:
    """Words for a part → its group: group, code, name, model, asset class. A word that means two groups means none."""
    found: dict[str, set[str]] = {}
    for part in Part.objects.select_related("model"):
        words = [part.code, part.name, part.asset_class]
        words += [part.model.name, f"{part.model.maker} {part.model.name}"] if part.model else []
        for word in words:
            found.setdefault(slug(word), set()).add(part.group)
    single = {word: next(iter(groups)) for word, groups in found.items() if len(groups) == 1}
    return single | {group: group for group in Part.objects.values_list("group", flat=True)}


def _own(where: Served, since: datetime) -> tuple[list[Need], int]:
    """A need for each unit that an incident took, else one for each that sourced a part; how many name no part."""
    asked = set(Round.objects.filter(at__gte=since).values_list("incident_id", flat=True))
    reserved = Reservation.objects.filter(incident_id__in=asked, state__in=("held", "consumed")).order_by("reserved_at")
    taken: dict[UUID, list[Reservation]] = {}
    for one in reserved.select_related("unit__part", "unit__hub", "dispatch"):
        taken.setdefault(one.incident_id, []).append(one)
    ordered = {o.incident_id: o for o in Order.objects.filter(incident_id__in=asked).select_related("offer")}
    said, noted = (
        feedback.newest(asked),
        set(Note.objects.filter(incident_id__in=asked).values_list("incident_id", flat=True)),
    )
    needs, unknown = [], 0
    for incident in Incident.objects.filter(pk__in=asked).select_related("device__part", "site"):
        hub = where.first.get(incident.site_id)
        place = hub.code if hub else incident.site.code
        told = _told(incident, said.get(incident.pk, []), incident.pk in noted)
        for held in taken.get(incident.pk) or (None,):
            group = _group(incident, held, ordered.get(incident.pk))
            unknown += not group
            if group:
                at, cause = incident.opened_at, incident.cause
                away = _elsewhere(held, hub)
                needs.append(Need("own", incident.name, at, place, group, cause, 1, told=told, unserved=away))
    return needs, unknown


def _told(incident: Incident, said: Sequence[Feedback], noted: bool) -> frozenset[str]:
    """Which of the six things a ticket should say this incident says by now."""
    device = incident.device
    known = {
        "family": True,
        "region": True,
        "age_months": device is not None and device.installed_on is not None,
        "notes": noted or any(one.words for one in said),
        "downtime_h": incident.service_restored_at is not None,
        "solved": any(one.solved != "no_swap" for one in said),
    }
    return frozenset(name for name, is_known in known.items() if is_known)


def _group(incident: Incident, taken: Reservation | None, ordered: Order | None) -> str:
    if taken is not None:
        return taken.unit.part.group
    if ordered is not None:
        return ordered.offer.group
    return incident.device.part.group if incident.device and incident.device.part else ""


def _elsewhere(taken: Reservation | None, hub: Hub | None) -> bool:
    """Whether somebody else than the serving hub filled it: another shelf, or a vendor."""
    if taken is None or hub is None:
        return True
    dispatch = getattr(taken, "dispatch", None)
    source = dispatch.from_hub_id if dispatch is not None else taken.unit.hub_id
    return source is not None and source != hub.pk


def installed(where: Served) -> dict[tuple[str, str], Installed]:
    """Units in the field by (hub code, part group): in use, since when where a site opened here, and coming."""
    opened = dict(Onboarding.objects.exclude(opened_at=None).order_by("opened_at").values_list("site_id", "opened_at"))
    by_model = dict(Part.objects.exclude(model=None).order_by("code").values_list("model", "group"))
    held: dict[tuple[str, str], Counter[tuple[UUID, str, date | None]]] = {}
    rows = Device.objects.filter(removed_at=None)
    for site_id, state, part_group, model_id, on in rows.values_list(
        "site_id", "site__state", "part__group", "model_id", "installed_on"
    ):
        group, hub = part_group or by_model.get(model_id), where.first.get(site_id)
        if group and hub is not None:
            held.setdefault((hub.code, group), Counter())[site_id, state, on] += 1
    return {key: _installed(counts, opened) for key, counts in held.items()}


def _installed(
    counts: Mapping[tuple[UUID, str, date | None], int], opened: Mapping[UUID, datetime | None]
) -> Installed:
    fitted = tuple(Fitted(opened.get(site), on, n) for (site, state, on), n in counts.items() if state in IN_USE)
    coming = sum(units for (_, state, _), units in counts.items() if state in COMING)
    return Installed(fitted, coming, tuple(dict.fromkeys(site for site, _, _ in counts)))


def ages_by_month(base: Installed, now: datetime, months: int) -> Ages:
    """Units in use in the middle of each of the last `months` months, oldest first, by their age in months.

    Before the day on which the present hardware was put in, something of unknown age stood there.
    """
    dated, undated = np.zeros((months, OLDEST)), np.zeros(months)
    for n in range(months):
        at = now - MONTH * (months - n - 0.5)
        for one in base.fitted:
            if one.since is not None and one.since > at:
                continue
            age = months_old(one.on, at)
            if age is None or age < 0.0:
                undated[n] += one.units
            else:
                dated[n, min(int(age), OLDEST - 1)] += one.units
    return Ages(dated, undated)


def months_old(on: date | None, at: datetime) -> float | None:
    """How old hardware of a day is; None where the day is not told."""
    return None if on is None else (at - datetime(on.year, on.month, on.day, tzinfo=at.tzinfo)) / MONTH


def arrivals(rows: Iterable[tuple[datetime | None, int]], now: datetime) -> dict[int, int]:
    """Units by the day from now on which they are promised; what is overdue or undated is not counted on."""
    found: dict[int, int] = {}
    for at, units in rows:
        if at is not None and at > now:
            day = int((at - now) / timedelta(days=1)) + 1
            found[day] = found.get(day, 0) + units
    return found
