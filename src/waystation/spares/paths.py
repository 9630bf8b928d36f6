"""From hub or vendor into service: the pipeline of steps that the restore rule walks, out of rows."""

from __future__ import annotations

from collections.abc import Sequence

from waystation.access.models import Person
from waystation.registry.models import Part, Site
from waystation.spares import models as m
from waystation.spares.rules import restore as r
from waystation.spares.rules import timetable
from waystation.spares.rules.durations import fixed, likely_worst
from waystation.spares.rules.gates import Gate, OpenGate, PeopleGate, PickupGate
from waystation.spares.rules.gates import Person as OnShift
from waystation.spares.rules.hours import always

RECHECK_S = 1200.0
INSTALL_WORST = 1.5
MODES: dict[str, r.Mode] = {"drive": "road", "courier": "road", "air": "air", "in_person": "carry"}


def by_lane(hub: m.Hub, lane: m.Lane | None, site: Site, part: Part, crew: Sequence[Person]) -> r.Path:
    """Prepare at the hub, travel by the lane (none: the cabinet stands at the site), install by `crew`, re-check."""
    likely_s, worst_s = hub.prepare_likely_min * 60, max(hub.prepare_worst_min, hub.prepare_likely_min) * 60
    prepare = likely_worst(likely_s, worst_s, hub.prepare_source)  # type: ignore[arg-type]
    steps = [r.Step("prepare", prepare, _open(hub.name, hub.staffing, hub.zone))]
    carried = None
    if lane is not None:
        steps.append(r.Step("travel", timetable.law(lane.quantiles, lane.source, lane.detail), _pickup(hub, lane)))
        carried = r.Lane(lane.mode.replace("_", " "), MODES[lane.mode], tuple(sorted(lane.refuses.items())))
    return r.Path(hub.name, (*steps, *_into_service(site, part, crew)), carried, tuple(map(str, part.hazards)))


def by_offer(offer: m.Offer, site: Site, part: Part, crew: Sequence[Person]) -> r.Path:
    """An order while the vendor takes orders, its arrival, install, re-check."""
    gates = _open(offer.vendor.name, offer.hours, site.zone)
    arrival = r.Step("travel", timetable.law(offer.quantiles, offer.source), tuple(_not_whole(gates)))
    return r.Path(offer.vendor.name, (arrival, *_into_service(site, part, crew)))


def assumptions(site: Site, part: Part, hub: m.Hub | None, crew: Sequence[Person]) -> tuple[str, ...]:
    """What the times stand on without anybody having said it."""
    found = []
    if hub is not None and not hub.staffing:
        found.append(f"{hub.name}: its staffing is unknown and taken as always there")
    if not site.access_hours:
        found.append(f"{site.name}: its access window is unknown and taken as always open")
    if crew and not any(p.shifts for p in crew):
        found.append(f"no {part.qualification} has a schedule: taken as always on call")
    return tuple(found)


def qualified(qualification: str) -> list[Person]:
    """Active people who hold the qualification, by name; nobody where none is asked for."""
    if not qualification:
        return []
    people = Person.objects.filter(is_active=True).order_by("name")
    return [p for p in people if qualification in p.qualifications]


def _into_service(site: Site, part: Part, crew: Sequence[Person]) -> tuple[r.Step, r.Step]:
    seconds = part.install_min * 60.0
    install = likely_worst(seconds, seconds * INSTALL_WORST, "assumed", "catalogue, worst half as long again")
    gates = (
        *_open(f"access to {site.name}", site.access_hours, site.zone),
        *_people(part.qualification, site.zone, crew),
    )
    return r.Step("install", install, gates), r.Step("recheck", fixed(RECHECK_S, "assumed", "house rule"))


def _open(name: str, record: dict[str, object], zone: str) -> tuple[Gate, ...]:
    hours = timetable.weekly(record, zone)
    return (OpenGate(name, hours),) if hours is not None else ()


def _not_whole(gates: Sequence[Gate]) -> list[Gate]:
    return [OpenGate(g.name, g.hours, whole=False) if isinstance(g, OpenGate) else g for g in gates]


def _pickup(hub: m.Hub, lane: m.Lane) -> tuple[Gate, ...]:
    if lane.mode not in ("courier", "air"):
        return ()
    return (PickupGate(lane.courier or "courier", timetable.pickups(hub.pickups, lane.courier, hub.zone)),)


def _people(qualification: str, zone: str, people: Sequence[Person]) -> tuple[Gate, ...]:
    """Who may install. A qualified person without a schedule counts as always there only where nobody has one."""
    if not qualification:
        return ()
    shifts = [(p, [h for s in p.shifts if (h := timetable.weekly(s, zone)) is not None]) for p in people]
    on_shift = tuple(OnShift(p.name, hours) for p, known in shifts for hours in known)
    if not on_shift and people:
        on_shift = tuple(OnShift(p.name, always(zone)) for p in people)
    return (PeopleGate(qualification, on_shift),)
