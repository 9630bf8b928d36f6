"""A unit's way from hand to hand: every change of state or place leaves a custody row beside it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from waystation.evidence.actions import NewEntry
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.registry.models import Site
from waystation.registry.queries import one
from waystation.spares import models as m


def locked(unit_id: UUID | str) -> m.Unit:
    """The unit of that id or serial, held against others until the transaction ends."""
    rows = m.Unit.objects.select_for_update(of=("self",)).select_related("part", "hub", "site")
    return one(m.Unit, unit_id, by="serial", among=rows)


def pass_on(
    by: Authority,
    unit: m.Unit,
    target: str,
    taker: str,
    *,
    now: datetime,
    hub: m.Hub | None = None,
    site: Site | None = None,
    incident_id: UUID | None = None,
    note: str = "",
) -> m.Custody:
    """Step the unit to `target` at its new place (neither: on the way) and hand it to `taker`. Saves nothing."""
    unit.state = states.step("unit", unit.state, target)
    return hand_over(by, unit, taker, now=now, hub=hub, site=site, incident_id=incident_id, note=note)


def hand_over(
    by: Authority,
    unit: m.Unit,
    taker: str,
    *,
    now: datetime,
    hub: m.Hub | None = None,
    site: Site | None = None,
    incident_id: UUID | None = None,
    note: str = "",
) -> m.Custody:
    """The custody row of a unit that changes hands or place without changing state. Saves nothing."""
    giver, unit.custodian = unit.custodian, taker[:120]
    unit.hub, unit.site = hub, site
    return m.Custody(
        unit=unit,
        state=unit.state,
        giver=giver,
        taker=taker[:160],
        at=now,
        by_id=by.principal_id,
        incident_id=incident_id,
        note=note[:300],
    )


def entry(
    kind: str,
    unit: m.Unit,
    by: Authority,
    now: datetime,
    *,
    site_id: UUID | None = None,
    reason: str = "",
    **facts: object,
) -> NewEntry:
    """An entry about a unit: its serial and state among the facts, the site it stands at by default."""
    told = {"serial": unit.serial, "state": unit.state, **facts}
    return NewEntry(f"spares.{kind}", unit.pk, by, now, site_id or unit.site_id, reason, told)


def said(reason: str, what: str) -> str:
    """A reason that is not blank; BadInput names what needs it."""
    if not reason.strip():
        raise BadInput(
            "spares.reason", f"{what} needs a reason.", "Write it in one sentence.", field="reason", value=""
        )
    return reason.strip()


def place_of(unit: m.Unit) -> str:
    """Where the unit stands, in words."""
    if unit.hub is not None:
        return unit.hub.name
    return unit.site.name if unit.site is not None else "on the way"
