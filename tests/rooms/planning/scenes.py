"""History as files, and a small network of two hubs whose shelves can be planned."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.conftest import START
from tests.rooms.spares.network import a_hub, a_lane, a_part, a_unit, system, the_site
from tests.samples import a_device, a_model
from waystation.kernel.authority import Authority
from waystation.planning import models as m
from waystation.planning.actions import importing, plans
from waystation.planning.rules.history_files import Reading
from waystation.planning.rules.living.points import Point
from waystation.spares.models import Hub

MONTH = timedelta(days=30.4375)


def csv_of(header: str, rows: Iterable[str]) -> bytes:
    """A file of that header and these rows."""
    return "\n".join([header, *rows, ""]).encode()


def tickets(days_ago: Iterable[float], region: str = "sevilla", family: str = "controller", first: int = 1) -> bytes:
    """Tickets of one region and family, so many days before the start of the test."""
    rows = [
        f"T{n},{(START - timedelta(days=d)).isoformat()},{region},{family},compressor"
        for n, d in enumerate(days_ago, first)
    ]
    return csv_of("id,opened_at,region,family,mode", rows)


def take(content: bytes, kind: str = "ticket", *, by: Authority | None = None, **reading: Any) -> m.HistoryFile:
    """The file taken in with all of its rejected rows known."""
    who = by or system()
    seen = importing.preview(who, content, Reading(kind, **reading), now=START)  # type: ignore[arg-type]
    made = importing.apply(who, seen, f"{kind}.csv", rejected_seen=len(seen.rejected), now=START)
    assert made is not None
    return made


def two_hubs() -> tuple[Hub, Hub]:
    """Sevilla near, Madrid further from Córdoba, where ten controllers work."""
    a_part()
    near, far = a_hub(), a_hub("madrid", "central")
    a_lane(near, 90), a_lane(far, 400)
    for n in range(10):
        controller(f"ctl-{n}")
    return near, far


def controller(name: str, site: str = "cordoba") -> Any:
    """A controller in the field."""
    the_site(site)
    return a_device(
        site, name, component_class="controller", model=a_model("CTL-220", "controller"), part=a_part(), serial=name
    )


def on_shelf(hub: Hub, count: int, first: int = 1) -> None:
    """Checked controllers on a shelf."""
    for n in range(first, first + count):
        a_unit(f"{hub.code}-{n}", hub)


def a_line(hub: Hub, point: tuple[int, int], group: str = "controller", **changes: Any) -> plans.NewLine:
    """A line as a plan proposes it."""
    values: dict[str, Any] = {"reason": "cover of the lead time", "figures": {"per_day": 0.05, "cover_asked": 0.95}}
    return plans.NewLine(hub.pk, hub.code, group, Point(*point), **(values | changes))


def a_live_point(
    hub: Hub, point: tuple[int, int], *, approver: Authority, now: datetime = START, group: str = "controller"
) -> m.PolicyPoint:
    """A point that was proposed, approved by somebody else and made live."""
    plan = plans.propose(system(), [a_line(hub, point, group)], reason="to begin with", now=now)
    plans.approve(approver, plan.pk, shown=plan.digest, reason="agreed", now=now)
    return plans.make_live(system(), plan.pk, now=now)[1][0]


def point_id(hub: Hub, group: str = "controller") -> UUID:
    """The id of a live point."""
    return m.PolicyPoint.objects.get(hub_id=hub.pk, group=group).pk
