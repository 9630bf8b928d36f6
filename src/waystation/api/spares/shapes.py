"""What the API takes and gives of stock: bodies and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema
from pydantic import AwareDatetime

from waystation.api.reading import Body


class RecordIn(Schema):
    """Columns of a hub, lane, target, offer, replacement or sourcing rule; foreign keys as `<name>_id`."""

    values: dict[str, Any]
    reason: str = ""


class ReachedOut(Schema):
    """A site that a hub has a lane to, and the travel time that nine of ten trips keep."""

    site: str
    mode: str
    p90_s: float


class HubOut(Schema):
    """A hub with its tier, the most units that it holds (null: nobody said) and its service area, nearest first."""

    id: UUID
    code: str
    name: str
    tier: str
    zone: str
    site_id: UUID | None
    slots: int | None
    service_area: list[ReachedOut]


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


class NeedIn(Body):
    """What an incident needs; `limit_at` null means unknown."""

    incident_id: UUID
    site_id: UUID
    part_id: UUID
    limit_at: AwareDatetime | None = None
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
    observed_at: AwareDatetime


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
    due_at: AwareDatetime | None = None
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
    scanned_at: AwareDatetime
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


class OrderIn(Schema):
    """The vendor's reference and promise, or the reason of a cancellation."""

    reference: str = ""
    reason: str = ""
    promised_at: AwareDatetime | None = None


class OrderOut(Schema):
    """A vendor replacement or purchase for an incident."""

    id: UUID
    incident_id: UUID
    state: str
    reference: str
    promised_at: datetime | None
