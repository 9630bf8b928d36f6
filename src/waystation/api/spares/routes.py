"""Stock, sourcing, dispatches, returns and the hub desk by API."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from waystation import wiring
from waystation.api.auth import by
from waystation.api.spares import shapes as s
from waystation.journeys import joining
from waystation.spares import papers, queries
from waystation.spares.actions import desk, hold, orders, returns, setup, sourcing, stock, travel

router = Router()
Made = dict[str, UUID]


def _now() -> datetime:
    return wiring.clock().now()


@router.get("/hubs", response=list[s.HubOut])
def hubs(request: HttpRequest) -> Any:
    """Every hub with its tier and the sites that it reaches."""
    areas = queries.service_areas(by(request))
    rows = queries.hubs(by(request))
    columns = ("id", "code", "name", "tier", "zone", "site_id", "slots")
    return [{c: getattr(h, c) for c in columns} | {"service_area": areas.get(h.pk, ())} for h in rows]


@router.get("/hubs/{key}/desk", response=s.DeskOut)
def hub_desk(request: HttpRequest, key: str) -> Any:
    """To pick, on the way, returns due, to check, scans in conflict."""
    return queries.desk(by(request), queries.hub(by(request), key).pk)


@router.get("/units", response=list[s.UnitOut])
def units(request: HttpRequest, hub_id: UUID | None = None, state: str = "", group: str = "") -> Any:
    """Units by place, state and group."""
    return queries.units(by(request), hub_id=hub_id, state=state, group=group)


@router.get("/units/{key}", response=s.UnitOut)
def unit(request: HttpRequest, key: str) -> Any:
    """One unit by id or serial."""
    return queries.unit(by(request), key)


@router.get("/units/{key}/timeline", response=list[s.CustodyOut])
def timeline(request: HttpRequest, key: str) -> Any:
    """A unit's whole life."""
    return queries.timeline(by(request), queries.unit(by(request), key).pk)


@router.get("/stock", response=list[s.ShelfOut])
def shelves(request: HttpRequest, hub_id: UUID | None = None) -> Any:
    """By hub and part; only what is ready is cover."""
    return queries.stock(by(request), hub_id=hub_id)


@router.get("/alerts", response=list[s.AlertOut])
def alerts(request: HttpRequest, group: str = "") -> Any:
    """Shelves below their minimum, hub by hub."""
    return queries.alerts(by(request), group)


@router.get("/incidents/{incident_id}/candidates", response=list[s.CandidateOut])
def candidates(request: HttpRequest, incident_id: UUID) -> Any:
    """The candidates of the newest round, in the order of the decision."""
    return queries.candidates(by(request), incident_id)


@router.post("/source", response=s.SourcedOut)
def source(request: HttpRequest, body: s.NeedIn) -> Any:
    """Find and hold what restores service, with label and task."""
    joining.demand_here(body.incident_id, body.site_id)
    values = body.dict() | {"runs": tuple(map(tuple, body.runs))}
    return sourcing.source(by(request), sourcing.Need(**values), now=_now())


@router.post("/set-up/{kind}", response={201: Made})
def set_up(request: HttpRequest, kind: str, body: s.RecordIn) -> Status[Made]:
    """A hub, lane, target, offer, replacement or sourcing_rule."""
    return Status(201, {"id": setup.set_up(by(request), kind, body.values, now=_now()).pk})


@router.patch("/set-up/{kind}/{key}", response=Made)
def change(request: HttpRequest, kind: str, key: UUID, body: s.RecordIn) -> Made:
    """Change one."""
    return {"id": setup.change(by(request), kind, key, body.values, now=_now(), reason=body.reason).pk}


@router.post("/set-up/sourcing_rule/{key}/approve", response=Made)
def approve_chain(request: HttpRequest, key: UUID, body: s.Words) -> Made:
    """Pre-approve the chain of a class."""
    return {"id": setup.approve_chain(by(request), key, now=_now(), reason=body.reason).pk}


@router.post("/units", response={201: s.UnitOut})
def receive(request: HttpRequest, body: s.UnitIn) -> Status[Any]:
    """A unit enters the books."""
    return Status(
        201, stock.receive(by(request), body.part_id, body.serial, body.hub_id, now=_now(), values=body.values)
    )


@router.post("/units/{key}/check", response=s.UnitOut)
def check(request: HttpRequest, key: UUID, body: s.CheckIn) -> Any:
    """A health check at the hub."""
    return stock.check(by(request), key, body.passed, now=_now(), note=body.note, image=body.image)


@router.post("/units/{key}/transfer", response=s.DispatchOut)
def transfer(request: HttpRequest, key: UUID, body: s.ToHub) -> Any:
    """To another hub."""
    return stock.transfer(by(request), key, body.hub_id, now=_now())


@router.post("/units/{key}/lost", response=s.UnitOut)
def lost(request: HttpRequest, key: UUID, body: s.Words) -> Any:
    """Nobody can find it."""
    return stock.mark_lost(by(request), key, reason=body.reason, now=_now())


@router.post("/units/{key}/found", response=s.UnitOut)
def found(request: HttpRequest, key: UUID, body: s.ToHub) -> Any:
    """It turned up: into quarantine."""
    return stock.found(by(request), key, body.hub_id, now=_now(), note=body.note)


@router.post("/units/{key}/reserve", response=s.ReservationOut)
def reserve(request: HttpRequest, key: UUID, body: s.ForIncident) -> Any:
    """Hold one unit for an incident."""
    joining.demand_here(body.incident_id, body.site_id)
    return hold.reserve(by(request), key, body.incident_id, now=_now(), site_id=body.site_id, incident_name=body.name)


@router.post("/reservations/{key}/release", response=s.ReservationOut)
def release(request: HttpRequest, key: UUID, body: s.Words) -> Any:
    """Give the unit back."""
    return hold.release(by(request), key, reason=body.reason, now=_now())


@router.post("/reservations/{key}/take-over", response=s.ReservationOut)
def take_over(request: HttpRequest, key: UUID, body: s.ForIncident) -> Any:
    """Take a reserved unit for another incident, with a reason that stays."""
    joining.demand_here(body.incident_id, body.site_id)
    return hold.take_over(
        by(request), key, body.incident_id, reason=body.reason, now=_now(), site_id=body.site_id, name=body.name
    )


@router.post("/break-glass", response=Made)
def break_glass(request: HttpRequest, body: s.ForIncident) -> Made:
    """Open the break-glass lane for one incident."""
    joining.demand_here(body.incident_id, body.site_id)
    row = stock.release_break_glass(by(request), body.incident_id, reason=body.reason, now=_now(), site_id=body.site_id)
    return {"id": row.pk}


@router.post("/dispatches/{key}/pick", response=s.DispatchOut)
def pick(request: HttpRequest, key: UUID) -> Any:
    """In the hands of whoever carries it."""
    return travel.pick(by(request), key, now=_now())


@router.post("/dispatches/{key}/ship", response=s.DispatchOut)
def ship(request: HttpRequest, key: UUID, body: s.ShipIn) -> Any:
    """Leaves the hub."""
    return travel.ship(by(request), key, now=_now(), carrier=body.carrier, number=body.number)


@router.post("/dispatches/{key}/deliver", response=s.DispatchOut)
def deliver(request: HttpRequest, key: UUID) -> Any:
    """At its target; not yet restored."""
    return travel.deliver(by(request), key, now=_now())


@router.get("/dispatches/{key}/label")
def label(request: HttpRequest, key: UUID) -> HttpResponse:
    """The label in ZPL."""
    return HttpResponse(papers.label(by(request), key), content_type="text/plain; charset=utf-8")


@router.get("/dispatches/{key}/job-sheet")
def job_sheet(request: HttpRequest, key: UUID) -> HttpResponse:
    """The job sheet as PDF."""
    return HttpResponse(papers.sheet(by(request), key, now=_now()), content_type="application/pdf")


@router.post("/courier-events", response=s.CourierOut)
def courier_event(request: HttpRequest, body: s.CourierIn) -> Any:
    """What a carrier says: repeats and late ones are kept and do no harm."""
    return travel.courier_event(
        by(request), body.carrier, body.event_id, body.label, body.kind, observed_at=body.observed_at, now=_now()
    )


@router.post("/units/{key}/install", response=s.UnitOut)
def install(request: HttpRequest, key: UUID, device_name: str = "") -> Any:
    """Works at the site of its reservation."""
    return travel.install(by(request), key, now=_now(), device_name=device_name)


@router.post("/units/{key}/failed", response=s.UnitOut)
def failed(request: HttpRequest, key: UUID, body: s.Words, incident_id: UUID | None = None) -> Any:
    """No longer works."""
    joining.unit_here(incident_id, key)
    return returns.mark_failed(by(request), key, reason=body.reason, now=_now(), incident_id=incident_id)


@router.post("/units/{key}/return", response=s.ReturnOut)
def start_return(request: HttpRequest, key: UUID, body: s.ReturnIn) -> Any:
    """Open the RMA."""
    joining.unit_here(body.incident_id, key)
    return returns.start_return(by(request), key, now=_now(), **body.dict())


@router.post("/units/{key}/return/receive", response=s.ReturnOut)
def receive_return(request: HttpRequest, key: UUID, body: s.ToHub) -> Any:
    """Into quarantine; credentials revoked."""
    return returns.receive_return(by(request), key, body.hub_id, now=_now(), note=body.note)


@router.post("/units/{key}/wipe", response=s.UnitOut)
def wipe(request: HttpRequest, key: UUID, body: s.Words) -> Any:
    """Wiped; `reason` is the certificate's number."""
    return returns.wipe(by(request), key, certificate=body.reason, now=_now())


@router.post("/units/{key}/repair", response=s.UnitOut)
def repair(request: HttpRequest, key: UUID, body: s.Words) -> Any:
    """Repaired, or found good."""
    return returns.repair(by(request), key, note=body.reason, now=_now())


@router.post("/units/{key}/release", response=s.UnitOut)
def release_to_stock(request: HttpRequest, key: UUID, body: s.Words) -> Any:
    """Back on the shelf, by another person than who wiped it."""
    return returns.release_to_stock(by(request), key, reason=body.reason, now=_now())


@router.post("/units/{key}/dispose", response=s.UnitOut)
def dispose(request: HttpRequest, key: UUID, body: s.Words) -> Any:
    """The end of a unit."""
    return returns.dispose(by(request), key, reason=body.reason, now=_now())


@router.post("/scans", response=list[s.ScanOut])
def scans(request: HttpRequest, body: list[s.ScanIn]) -> Any:
    """Merge scans made offline; send them again as often as needed."""
    return desk.take_scans(by(request), [desk.NewScan(**scan.dict()) for scan in body], now=_now())


@router.post("/scans/{key}/resolve", response=s.ScanOut)
def resolve_scan(request: HttpRequest, key: UUID, body: s.Words) -> Any:
    """A person says what became of a conflict."""
    return desk.resolve_scan(by(request), key, resolution=body.reason, now=_now())


@router.post("/orders/{key}/{target}", response=s.OrderOut)
def answer_order(request: HttpRequest, key: UUID, target: str, body: s.OrderIn) -> Any:
    """Confirm, receive or cancel an order: target confirmed, received or canceled."""
    return orders.answer_order(by(request), key, target, now=_now(), **body.dict())
