"""Planning by API: history, what is expected, plans and their way, live points, what they face."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.api.reading import Body
from waystation.journeys import plan as journey
from waystation.journeys import studio
from waystation.planning import queries
from waystation.planning.actions import ahead, importing, plans
from waystation.planning.rules.demand.needs import MONTH
from waystation.planning.rules.history_files import Reading
from waystation.planning.rules.living.points import Scenario

router = Router()
REJECTED_SHOWN = 200


class HistoryIn(Body):
    """A CSV file as text and how it is read; `take` with the number of `rejected` rows that were seen."""

    kind: str
    content: str
    file_name: str = "history.csv"
    mapping: dict[str, str] = {}
    dates: str = "iso"
    zone: str = "UTC"
    units: dict[str, str] = {}
    renamed: dict[str, dict[str, str]] = {}
    take: bool = False
    rejected: int = 0


class RejectedOut(Schema):
    """A row that does not count: its line, the fault (missing, negative, number, duplicate, date, unit) and words."""

    line: int
    fault: str
    words: str


class HistoryOut(Schema):
    """A file as understood with its data-quality report; `file_id` when it was taken in."""

    report: dict[str, Any]
    fresh: int
    rejected: list[RejectedOut]
    file_id: UUID | None = None


class FileOut(Schema):
    """A file of history that was taken in."""

    id: UUID
    kind: str
    file_name: str
    at: datetime
    rows: int
    report: dict[str, Any]
    undone_at: datetime | None


class GroupOut(Schema):
    """Failures of a region, family and mode, each once."""

    region: str
    family: str
    mode: str
    units: int
    kinds: dict[str, int]
    first: datetime
    last: datetime


class PlanReasonIn(Body):
    """Why."""

    reason: str


class ExpectationIn(Body):
    """Something known ahead. Kinds: context, defect_window, rollout, dated_work."""

    kind: str
    name: str
    reason: str
    from_at: AwareDatetime
    until: AwareDatetime | None = None
    region: str = ""
    family: str = ""
    model: str = ""
    revision: str = ""
    factor: float = 1.0
    part: float = 1.0
    units: int = 0
    chance: float = 1.0


class ExpectationOut(ExpectationIn):
    """An expectation on record."""

    id: UUID
    ended_at: datetime | None


class ScenarioIn(Body):
    """An event that hits many at once, for an emergency buffer."""

    name: str
    sites: int
    units_per_site: int = 1
    chance: float = 1.0
    saved: int = 0


class ProposeIn(Body):
    """What to propose: every shelf, or some groups and hubs; with a budget the best buy of all shelves for it.

    With `network` the stock of all hubs at once, a central hub feeding the others, within the budget if one is given;
    with `vendors` too, what one brings in time is left to them.
    """

    reason: str
    groups: list[str] = []
    hubs: list[str] = []
    scenario: ScenarioIn | None = None
    budget: float | None = None
    network: bool = False
    vendors: bool = False


class ApproveIn(Body):
    """The digest of the plan as it was shown, and why."""

    digest: str
    reason: str = ""


class PlanOut(Schema):
    """A plan with its state and digest."""

    id: UUID
    number: int
    state: str
    source: str
    digest: str
    reason: str
    inputs: dict[str, Any]
    proposed_by: UUID
    proposed_at: datetime
    expires_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None
    applied_at: datetime | None
    ended_at: datetime | None


class LineOut(Schema):
    """One shelf of a plan; `before_*` null where there was no point."""

    hub: str
    group: str
    before_point: int | None
    before_level: int | None
    reorder_point: int
    order_up_to: int
    reason: str
    figures: dict[str, Any]


class PointOut(Schema):
    """A live point."""

    id: UUID
    hub: str
    group: str
    reorder_point: int
    order_up_to: int
    floor: int
    changed_at: datetime
    computed_at: datetime
    plan: int
    figures: dict[str, Any]

    @staticmethod
    def resolve_plan(point: Any) -> int:
        return int(point.plan.number)


@router.post("/history", response=HistoryOut)
def history(request: HttpRequest, body: HistoryIn) -> dict[str, Any]:
    """Look at a file of tickets, RMAs or emergency shipments, or take its usable rows in."""
    who, now = by(request), wiring.clock().now()
    reading = Reading(body.kind, body.mapping, body.dates, body.zone, body.units, body.renamed)  # type: ignore[arg-type]
    seen = importing.preview(who, body.content.encode(), reading, now=now)
    made = importing.apply(who, seen, body.file_name, rejected_seen=body.rejected, now=now) if body.take else None
    return {
        "report": dict(seen.report),
        "fresh": len(seen.fresh),
        "rejected": list(seen.rejected[:REJECTED_SHOWN]),
        "file_id": made.pk if made else None,
    }


@router.get("/history", response=list[FileOut])
def files(request: HttpRequest) -> list[Any]:
    """The files of history taken in, newest first."""
    return list(queries.files(by(request)))


@router.post("/history/{key}/undo", response=FileOut)
def undo_history(request: HttpRequest, key: UUID, body: PlanReasonIn) -> Any:
    """Take a file back: its rows count no more."""
    return importing.undo(by(request), key, reason=body.reason, now=wiring.clock().now())


@router.get("/groups", response=list[GroupOut])
def groups(request: HttpRequest, months: int = 36) -> list[Any]:
    """The imported history by region, family and mode."""
    return list(queries.groups(by(request), wiring.clock().now() - min(max(months, 1), 240) * MONTH))


@router.get("/expectations", response=list[ExpectationOut])
def expectations(request: HttpRequest) -> list[Any]:
    """What is expected now or ahead."""
    return list(queries.expectations(by(request), wiring.clock().now()))


@router.post("/expectations", response={201: ExpectationOut})
def expect(request: HttpRequest, body: ExpectationIn) -> Status[Any]:
    """Put business context, a defect window, a rollout or dated work on record."""
    return Status(201, ahead.expect(by(request), body.dict(), now=wiring.clock().now()))


@router.post("/expectations/{key}/end", response=ExpectationOut)
def end_expectation(request: HttpRequest, key: UUID, body: PlanReasonIn) -> Any:
    """It is expected no more."""
    return ahead.end(by(request), key, reason=body.reason, now=wiring.clock().now())


@router.get("/plans", response=list[PlanOut])
def all_plans(request: HttpRequest) -> list[Any]:
    """Plans, newest first."""
    return list(queries.plans(by(request)))


@router.post("/plans", response={201: PlanOut})
def propose(request: HttpRequest, body: ProposeIn) -> Status[Any]:
    """Forecast, size and propose points for every shelf, or for some."""
    if body.network:
        now = wiring.clock().now()
        made = journey.propose_network(
            by(request), budget=body.budget, vendors=body.vendors, reason=body.reason, now=now
        )
        return Status(201, made)
    if body.budget is not None:
        return Status(
            201, studio.propose(by(request), budget=body.budget, reason=body.reason, now=wiring.clock().now())
        )
    scenario = Scenario(**body.scenario.dict()) if body.scenario else None
    made = journey.propose(
        by(request),
        now=wiring.clock().now(),
        reason=body.reason,
        scenario=scenario,
        groups=body.groups,
        hubs=body.hubs,
    )
    return Status(201, made)


@router.get("/plans/{key}", response=PlanOut)
def one_plan(request: HttpRequest, key: str) -> Any:
    """One plan by id or number."""
    return queries.plan(by(request), key)


@router.get("/plans/{key}/lines", response=list[LineOut])
def lines(request: HttpRequest, key: str) -> list[Any]:
    """The lines of a plan with every figure behind them."""
    who = by(request)
    return list(queries.lines(who, queries.plan(who, key).pk))


@router.post("/plans/{key}/approve", response=PlanOut)
def approve(request: HttpRequest, key: UUID, body: ApproveIn) -> Any:
    """Approve all lines of a plan as shown; never one's own."""
    return plans.approve(by(request), key, shown=body.digest, reason=body.reason, now=wiring.clock().now())


@router.post("/plans/{key}/withdraw", response=PlanOut)
def withdraw(request: HttpRequest, key: UUID, body: PlanReasonIn) -> Any:
    """Say no to a plan that is not applied."""
    return plans.withdraw(by(request), key, reason=body.reason, now=wiring.clock().now())


@router.post("/plans/{key}/apply", response=PlanOut)
def apply(request: HttpRequest, key: UUID) -> Any:
    """Make an approved plan live."""
    return journey.apply(by(request), key, now=wiring.clock().now())


@router.post("/plans/{key}/roll-back", response={201: PlanOut})
def roll_back(request: HttpRequest, key: UUID, body: PlanReasonIn) -> Status[Any]:
    """Propose the points that stood before a plan."""
    return Status(201, plans.roll_back(by(request), key, reason=body.reason, now=wiring.clock().now()))


@router.get("/points", response=list[PointOut])
def points(request: HttpRequest, hub_id: UUID | None = None) -> list[Any]:
    """The live points."""
    return list(queries.points(by(request), hub_id))
