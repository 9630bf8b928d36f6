"""Consignments, product holds, moves and deviations by API."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by, proved
from waystation.api.reading import Body
from waystation.incidents import queries as incidents
from waystation.product import queries
from waystation.product.actions import holds as hold_verbs
from waystation.product.actions import lots, moves, values

router = Router()


class LotIn(Body):
    """A lot that stands in a space from `at` (now, when left out)."""

    lot: str
    product: str
    quantity: Decimal
    unit: str
    customer: str = ""
    profile: str = ""
    volume_l: float | None = None
    at: AwareDatetime | None = None


class ValueIn(Body):
    """What one unit of a lot is worth: an amount as text, the currency (ISO 4217), and where it is from."""

    unit_value: str
    currency: str
    source: str


class ValueOut(Schema):
    """A statement of worth; `superseded_at` null while it counts."""

    id: UUID
    consignment_id: UUID
    unit_value: Decimal
    currency: str
    source: str
    stated_by: UUID
    stated_at: datetime
    superseded_at: datetime | None


class PresenceOut(Schema):
    """Where a lot stood."""

    id: UUID
    consignment_id: UUID
    space_id: UUID
    since: datetime
    until: datetime | None


class ConsignmentOut(Schema):
    """A lot."""

    id: UUID
    lot: str
    product: str
    quantity: Decimal
    unit: str
    customer: str
    profile: str
    volume_l: float | None

    @staticmethod
    def resolve_profile(lot: Any) -> str:
        return str(lot.profile.code)


class FileIn(Schema):
    """The text of a CSV file; `apply` brings it in, whole or not at all."""

    text: str
    apply: bool = False


class RowErrorOut(Schema):
    """A line that cannot be used."""

    line: int
    message: str
    field: str


class ImportedOut(Schema):
    """What a file holds."""

    lots: int
    errors: list[RowErrorOut]
    applied: bool

    @staticmethod
    def resolve_lots(found: Any) -> int:
        return len(found.lots)


class TakeOut(Schema):
    """When a lot left, and why."""

    at: AwareDatetime | None = None
    reason: str = ""


class HoldOut(Schema):
    """A product hold."""

    id: UUID
    consignment_id: UUID
    lot: str
    space_id: UUID
    excursion_id: UUID
    incident_id: UUID | None
    measured_s: float
    worst_case_s: float
    unproven_s: float
    opened_at: datetime
    state: str
    reason: str
    signed_name: str
    signed_meaning: str
    signed_digest: str
    decided_at: datetime | None

    @staticmethod
    def resolve_lot(hold: Any) -> str:
        return str(hold.consignment.lot)


class DecisionIn(Schema):
    """QA's decision."""

    outcome: str
    reason: str
    password: str


class MoveIn(Schema):
    """Lots to another space."""

    from_space_id: UUID
    to_space_id: UUID
    consignment_ids: list[UUID]
    incident_id: UUID | None = None


class ArrivalIn(Body):
    """The temperature at which they came."""

    arrival_c: float


class MoveOut(Schema):
    """A move."""

    id: UUID
    from_space_id: UUID
    to_space_id: UUID
    consignments: list[str]
    started_at: datetime
    arrived_at: datetime | None
    arrival_c: float | None


class BackupSpaceIn(Body):
    """A backup space with likely and worst minutes."""

    backup_id: UUID
    pack_min: list[float]
    travel_min: list[float]
    unpack_min: list[float]
    source: str = "assumed"
    name: str = ""


class DeviationIn(Schema):
    """The excursion of a deviation."""

    excursion_id: UUID
    space_id: UUID


class DeviationText(Schema):
    """Fields of a deviation; those left out stay."""

    assessment: str | None = None
    corrective: str | None = None
    preventive: str | None = None
    recipients: list[str] | None = None


class DeviationOut(Schema):
    """A deviation."""

    id: UUID
    excursion_id: UUID
    space_id: UUID
    assessment: str
    corrective: str
    preventive: str
    recipients: list[str]
    opened_at: datetime
    closed_at: datetime | None


def _now() -> datetime:
    return wiring.clock().now()


@router.get("/consignments", response=list[ConsignmentOut])
def consignments(request: HttpRequest, lot: str = "") -> Any:
    """Lots by code."""
    return queries.consignments(by(request), lot=lot)


@router.get("/consignments/{key}/way", response=list[PresenceOut])
def way(request: HttpRequest, key: UUID) -> Any:
    """Where a lot stood, in order."""
    return queries.way_of(by(request), key)


@router.get("/consignments/{key}/values", response=list[ValueOut])
def values_of(request: HttpRequest, key: UUID) -> Any:
    """Every statement of what a unit of the lot is worth, oldest first; the last one counts."""
    return queries.values_of(by(request), key)


@router.post("/consignments/{key}/values", response={201: ValueOut})
def state_value(request: HttpRequest, key: UUID, body: ValueIn) -> Status[Any]:
    """State what a unit of the lot is worth; it takes the place of the statement before, which stays on record."""
    return Status(201, values.state_value(by(request), key, **body.dict(), now=_now()))


@router.post("/spaces/{space_id}/bring-in", response={201: PresenceOut})
def bring_in(request: HttpRequest, space_id: UUID, body: LotIn) -> Status[Any]:
    """A lot stands in the space."""
    values = body.dict()
    at = values.pop("at") or _now()
    return Status(201, lots.bring_in(by(request), space_id, lots.Lot(**values), at=at, now=_now()))


@router.post("/consignments/{key}/take-out", response={200: PresenceOut, 204: None})
def take_out(request: HttpRequest, key: UUID, body: TakeOut) -> Status[Any]:
    """A lot leaves its space; 204 when it stood nowhere."""
    gone = lots.take_out(by(request), key, at=body.at or _now(), now=_now(), reason=body.reason)
    return Status(200, gone) if gone is not None else Status(204, None)


@router.post("/consignments/import", response=ImportedOut)
def import_csv(request: HttpRequest, body: FileIn) -> Any:
    """Preview or bring in a CSV of lots; errors name their line."""
    return lots.import_csv(by(request), body.text, now=_now(), apply=body.apply)


@router.get("/holds", response=list[HoldOut])
def holds(request: HttpRequest, open_only: bool = True, space_id: UUID | None = None) -> Any:
    """Product holds, oldest first."""
    return queries.holds(by(request), open_only=open_only, space_id=space_id)


@router.post("/holds/{key}/decide", response=HoldOut)
def decide(request: HttpRequest, key: UUID, body: DecisionIn) -> Any:
    """QA's signed decision; the password is proved afresh."""
    fresh = proved(request, body.password)
    return hold_verbs.decide(by(request), key, body.outcome, reason=body.reason, fresh_proof=fresh, now=_now())


@router.post("/spaces/{space_id}/backups", response=dict[str, UUID])
def name_backup(request: HttpRequest, space_id: UUID, body: BackupSpaceIn) -> dict[str, UUID]:
    """Name a backup space."""
    values = body.dict()
    return {"id": moves.name_backup(by(request), space_id, values.pop("backup_id"), now=_now(), **values).pk}


@router.post("/moves", response={201: MoveOut})
def start_move(request: HttpRequest, body: MoveIn) -> Status[Any]:
    """Lots leave their space now."""
    if body.incident_id is not None:
        incidents.incident(by(request), body.incident_id)
    made = moves.start_move(
        by(request),
        body.from_space_id,
        body.to_space_id,
        body.consignment_ids,
        now=_now(),
        incident_id=body.incident_id,
    )
    return Status(201, made)


@router.post("/moves/{key}/arrive", response=MoveOut)
def arrive(request: HttpRequest, key: UUID, body: ArrivalIn) -> Any:
    """They stand in the new space, at this temperature."""
    return moves.arrive(by(request), key, body.arrival_c, now=_now())


@router.get("/deviations", response=list[DeviationOut])
def deviations(request: HttpRequest, open_only: bool = True) -> Any:
    """The deviations; an excursion above its class's limit opens its own."""
    return queries.deviations(by(request), open_only=open_only)


@router.post("/deviations", response={201: DeviationOut})
def open_deviation(request: HttpRequest, body: DeviationIn) -> Status[Any]:
    """Open the deviation of an excursion."""
    return Status(201, moves.open_deviation(by(request), body.excursion_id, body.space_id, now=_now()))


@router.patch("/deviations/{key}", response=DeviationOut)
def write_deviation(request: HttpRequest, key: UUID, body: DeviationText) -> Any:
    """Write its fields."""
    return moves.write_deviation(by(request), key, now=_now(), **body.dict())


@router.post("/deviations/{key}/close", response=DeviationOut)
def close_deviation(request: HttpRequest, key: UUID) -> Any:
    """Close it, by somebody who wrote none of it; the empty fields are named."""
    return moves.close_deviation(by(request), key, now=_now())
