"""Stock, sourcing, dispatches, returns and the hub desk by API."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status

from waystation import wiring
from waystation.api.auth import by
from waystation.spares import papers, queries
from waystation.spares.actions import desk, hold, returns, setup, sourcing, stock, travel

router = Router()
Made = dict[str, UUID]


class RecordIn(Schema):
    """Columns of a hub, lane, target, offer, replacement or sourcing rule; foreign keys as `<name>_id`."""

    values: dict[str, Any]
    reason: str = ""


class HubOut(Schema):
    """A hub."""

    id: UUID
    code: str
    name: str
    tier: str
    zone: str
    site_id: UUID | None


class UnitOut(Schema):
    """A unit with its place and state."""

    id: UUID
    serial: str
    part: str
    group: str
    state: str
    hub: str | None
    site: str | None
    custodian: str
    revision: str
    firmware: str
    certificate: str
    certificate_until: datetime | None
    checked_at: datetime | None
    break_glass: bool

    @staticmethod
    def resolve_part(unit: Any) -> str:
        return str(unit.part.code)

    @staticmethod
    def resolve_group(unit: Any) -> str:
        return str(unit.part.group)

    @staticmethod
    def resolve_hub(unit: Any) -> str | None:
        return unit.hub.code if unit.hub else None

    @staticmethod
    def resolve_site(unit: Any) -> str | None:
        return unit.site.code if unit.site else None


class CustodyOut(Schema):
    """One line of a unit's life."""

    state: str
    giver: str
    taker: str
    at: datetime
    by_id: UUID
    incident_id: UUID | None
    note: str


class ShelfOut(Schema):
    """One part at one hub: only `ready` is cover."""

    hub: str
    group: str
    part: str
    ready: int
    not_cover: list[tuple[str, int]]
    break_glass: int


class AlertOut(Schema):
    """A shelf below its minimum."""

    place: str
    group: str
    band: int
    cover: int
    minimum: int
    short: int
    reason: str


class CandidateOut(Schema):
    """A candidate of an incident with its outcome and reason."""

    source: str
    channel: str
    serial: str
    outcome: str
    likely_at: datetime | None
    p90_at: datetime | None
    in_time: bool
    reason: str
    conditions: str
    basis: dict[str, Any]


class ReservationOut(Schema):
    """A unit held for an incident."""

    id: UUID
    unit_id: UUID
    incident_id: UUID
    state: str
    reserved_at: datetime
    expires_at: datetime
    reason: str


class DispatchOut(Schema):
    """A unit on its way."""

    id: UUID
    unit_id: UUID
    incident_id: UUID | None
    state: str
    mode: str
    label: str
    label_kind: str
    task: str
    task_person_id: UUID | None
    promised_at: datetime | None
    picked_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None


class SourcedOut(Schema):
    """What was decided for an incident."""

    reservation: ReservationOut | None
    dispatch: DispatchOut | None
    order_id: UUID | None
    candidates: list[CandidateOut]
    move_first: bool
    reason: str

    @staticmethod
    def resolve_order_id(found: Any) -> UUID | None:
        return found.order.pk if found.order else None


class NeedIn(Schema):
    """What an incident needs; `limit_at` null means unknown."""

    incident_id: UUID
    site_id: UUID
    part_id: UUID
    limit_at: datetime | None = None
    incident_name: str = ""
    product_at_stake: bool = True
    revision: str = ""
    connector: str = ""
    runs: list[tuple[str, str]] = []
    max_check_age_s: float | None = None


class UnitIn(Schema):
    """A unit that enters the books."""

    part_id: UUID
    serial: str
    hub_id: UUID
    values: dict[str, Any] = {}


class CheckIn(Schema):
    """A health check."""

    passed: bool
    note: str = ""
    image: str = ""


class Words(Schema):
    """A reason, note or certificate."""

    reason: str


class ForIncident(Schema):
    """For which incident, where and why."""

    incident_id: UUID
    site_id: UUID
    reason: str = ""
    name: str = ""


class ShipIn(Schema):
    """The carrier's own number, where it gave one."""

    carrier: str = ""
    number: str = ""


class CourierIn(Schema):
    """What a carrier says; the same (carrier, event_id) is taken once."""

    carrier: str
    event_id: str
    label: str
    kind: str
    observed_at: datetime


class CourierOut(Schema):
    """What became of it."""

    id: UUID
    outcome: str
    repeats: int
    dispatch_id: UUID | None


class ToHub(Schema):
    """A hub."""

    hub_id: UUID
    note: str = ""


class ReturnIn(Schema):
    """The RMA of a unit at a site."""

    incident_id: UUID | None = None
    to_hub_id: UUID | None = None
    due_at: datetime | None = None
    reason: str = ""


class ReturnOut(Schema):
    """A return, its review and its intake."""

    id: UUID
    unit_id: UUID
    incident_id: UUID | None
    due_at: datetime
    received_at: datetime | None
    review: dict[str, Any]
    intake: dict[str, Any]


class ScanIn(Schema):
    """A scan as the phone kept it."""

    client_id: str
    verb: str
    code: str
    scanned_at: datetime
    hub_id: UUID | None = None
    note: str = ""


class ScanOut(Schema):
    """What became of a scan."""

    id: UUID
    client_id: str
    verb: str
    code: str
    scanned_at: datetime
    outcome: str
    conflict: str
    resolution: str


class DeskOut(Schema):
    """The lists of one hub."""

    to_pick: list[DispatchOut]
    on_the_way: list[DispatchOut]
    returns_due: list[ReturnOut]
    to_check: list[UnitOut]
    conflicts: list[ScanOut]


def _now() -> datetime:
    return wiring.clock().now()


@router.get("/hubs", response=list[HubOut])
def hubs(request: HttpRequest) -> Any:
    """Every hub."""
    return queries.hubs(by(request))


@router.get("/hubs/{key}/desk", response=DeskOut)
def hub_desk(request: HttpRequest, key: str) -> Any:
    """To pick, on the way, returns due, to check, scans in conflict."""
    return queries.desk(by(request), queries.hub(by(request), key).pk)


@router.get("/units", response=list[UnitOut])
def units(request: HttpRequest, hub_id: UUID | None = None, state: str = "", group: str = "") -> Any:
    """Units by place, state and group."""
    return queries.units(by(request), hub_id=hub_id, state=state, group=group)


@router.get("/units/{key}", response=UnitOut)
def unit(request: HttpRequest, key: str) -> Any:
    """One unit by id or serial."""
    return queries.unit(by(request), key)


@router.get("/units/{key}/timeline", response=list[CustodyOut])
def timeline(request: HttpRequest, key: str) -> Any:
    """A unit's whole life."""
    return queries.timeline(by(request), queries.unit(by(request), key).pk)


@router.get("/stock", response=list[ShelfOut])
def shelves(request: HttpRequest, hub_id: UUID | None = None) -> Any:
    """By hub and part; only what is ready is cover."""
    return queries.stock(by(request), hub_id=hub_id)


@router.get("/alerts", response=list[AlertOut])
def alerts(request: HttpRequest, group: str = "") -> Any:
    """Shelves below their minimum, hub by hub."""
    return queries.alerts(by(request), group)


@router.get("/incidents/{incident_id}/candidates", response=list[CandidateOut])
def candidates(request: HttpRequest, incident_id: UUID) -> Any:
    """The candidates of the newest round, in the order of the decision."""
    return queries.candidates(by(request), incident_id)


@router.post("/source", response=SourcedOut)
def source(request: HttpRequest, body: NeedIn) -> Any:
    """Find and hold what restores service, with label and task."""
    values = body.dict() | {"runs": tuple(map(tuple, body.runs))}
    return sourcing.source(by(request), sourcing.Need(**values), now=_now())


@router.post("/set-up/{kind}", response={201: Made})
def set_up(request: HttpRequest, kind: str, body: RecordIn) -> Status[Made]:
    """A hub, lane, target, offer, replacement or sourcing_rule."""
    return Status(201, {"id": setup.set_up(by(request), kind, body.values, now=_now()).pk})


@router.patch("/set-up/{kind}/{key}", response=Made)
def change(request: HttpRequest, kind: str, key: UUID, body: RecordIn) -> Made:
    """Change one."""
    return {"id": setup.change(by(request), kind, key, body.values, now=_now(), reason=body.reason).pk}


@router.post("/set-up/sourcing_rule/{key}/approve", response=Made)
def approve_chain(request: HttpRequest, key: UUID, body: Words) -> Made:
    """Pre-approve the chain of a class."""
    return {"id": setup.approve_chain(by(request), key, now=_now(), reason=body.reason).pk}


@router.post("/units", response={201: UnitOut})
def receive(request: HttpRequest, body: UnitIn) -> Status[Any]:
    """A unit enters the books."""
    return Status(
        201, stock.receive(by(request), body.part_id, body.serial, body.hub_id, now=_now(), values=body.values)
    )


@router.post("/units/{key}/check", response=UnitOut)
def check(request: HttpRequest, key: UUID, body: CheckIn) -> Any:
    """A health check at the hub."""
    return stock.check(by(request), key, body.passed, now=_now(), note=body.note, image=body.image)


@router.post("/units/{key}/transfer", response=DispatchOut)
def transfer(request: HttpRequest, key: UUID, body: ToHub) -> Any:
    """To another hub."""
    return stock.transfer(by(request), key, body.hub_id, now=_now())


@router.post("/units/{key}/lost", response=UnitOut)
def lost(request: HttpRequest, key: UUID, body: Words) -> Any:
    """Nobody can find it."""
    return stock.mark_lost(by(request), key, reason=body.reason, now=_now())


@router.post("/units/{key}/found", response=UnitOut)
def found(request: HttpRequest, key: UUID, body: ToHub) -> Any:
    """It turned up: into quarantine."""
    return stock.found(by(request), key, body.hub_id, now=_now(), note=body.note)


@router.post("/units/{key}/reserve", response=ReservationOut)
def reserve(request: HttpRequest, key: UUID, body: ForIncident) -> Any:
    """Hold one unit for an incident."""
    return hold.reserve(by(request), key, body.incident_id, now=_now(), site_id=body.site_id, incident_name=body.name)


@router.post("/reservations/{key}/release", response=ReservationOut)
def release(request: HttpRequest, key: UUID, body: Words) -> Any:
    """Give the unit back."""
    return hold.release(by(request), key, reason=body.reason, now=_now())


@router.post("/reservations/{key}/take-over", response=ReservationOut)
def take_over(request: HttpRequest, key: UUID, body: ForIncident) -> Any:
    """Take a reserved unit for another incident, with a reason that stays."""
    return hold.take_over(
        by(request), key, body.incident_id, reason=body.reason, now=_now(), site_id=body.site_id, name=body.name
    )


@router.post("/break-glass", response=Made)
def break_glass(request: HttpRequest, body: ForIncident) -> Made:
    """Open the break-glass lane for one incident."""
    row = stock.release_break_glass(by(request), body.incident_id, reason=body.reason, now=_now(), site_id=body.site_id)
    return {"id": row.pk}


@router.post("/dispatches/{key}/pick", response=DispatchOut)
def pick(request: HttpRequest, key: UUID) -> Any:
    """In the hands of whoever carries it."""
    return travel.pick(by(request), key, now=_now())


@router.post("/dispatches/{key}/ship", response=DispatchOut)
def ship(request: HttpRequest, key: UUID, body: ShipIn) -> Any:
    """Leaves the hub."""
    return travel.ship(by(request), key, now=_now(), carrier=body.carrier, number=body.number)


@router.post("/dispatches/{key}/deliver", response=DispatchOut)
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


@router.post("/courier-events", response=CourierOut)
def courier_event(request: HttpRequest, body: CourierIn) -> Any:
    """What a carrier says: repeats and late ones are kept and do no harm."""
    return travel.courier_event(
        by(request), body.carrier, body.event_id, body.label, body.kind, observed_at=body.observed_at, now=_now()
    )


@router.post("/units/{key}/install", response=UnitOut)
def install(request: HttpRequest, key: UUID, device_name: str = "") -> Any:
    """Works at the site of its reservation."""
    return travel.install(by(request), key, now=_now(), device_name=device_name)


@router.post("/units/{key}/failed", response=UnitOut)
def failed(request: HttpRequest, key: UUID, body: Words, incident_id: UUID | None = None) -> Any:
    """No longer works."""
    return returns.mark_failed(by(request), key, reason=body.reason, now=_now(), incident_id=incident_id)


@router.post("/units/{key}/return", response=ReturnOut)
def start_return(request: HttpRequest, key: UUID, body: ReturnIn) -> Any:
    """Open the RMA."""
    return returns.start_return(by(request), key, now=_now(), **body.dict())


@router.post("/units/{key}/return/receive", response=ReturnOut)
def receive_return(request: HttpRequest, key: UUID, body: ToHub) -> Any:
    """Into quarantine; credentials revoked."""
    return returns.receive_return(by(request), key, body.hub_id, now=_now(), note=body.note)


@router.post("/units/{key}/wipe", response=UnitOut)
def wipe(request: HttpRequest, key: UUID, body: Words) -> Any:
    """Wiped; `reason` is the certificate's number."""
    return returns.wipe(by(request), key, certificate=body.reason, now=_now())


@router.post("/units/{key}/repair", response=UnitOut)
def repair(request: HttpRequest, key: UUID, body: Words) -> Any:
    """Repaired, or found good."""
    return returns.repair(by(request), key, note=body.reason, now=_now())


@router.post("/units/{key}/release", response=UnitOut)
def release_to_stock(request: HttpRequest, key: UUID, body: Words) -> Any:
    """Back on the shelf, by another person than who wiped it."""
    return returns.release_to_stock(by(request), key, reason=body.reason, now=_now())


@router.post("/units/{key}/dispose", response=UnitOut)
def dispose(request: HttpRequest, key: UUID, body: Words) -> Any:
    """The end of a unit."""
    return returns.dispose(by(request), key, reason=body.reason, now=_now())


@router.post("/scans", response=list[ScanOut])
def scans(request: HttpRequest, body: list[ScanIn]) -> Any:
    """Merge scans made offline; send them again as often as needed."""
    return desk.take_scans(by(request), [desk.NewScan(**scan.dict()) for scan in body], now=_now())


@router.post("/scans/{key}/resolve", response=ScanOut)
def resolve_scan(request: HttpRequest, key: UUID, body: Words) -> Any:
    """A person says what became of a conflict."""
    return desk.resolve_scan(by(request), key, resolution=body.reason, now=_now())
