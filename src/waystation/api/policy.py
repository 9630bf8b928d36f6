"""What the live stock policy faces, by API: run-out, excess, stress, accuracy, cohorts, models, look-back."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema

from waystation import wiring
from waystation.api.auth import by
from waystation.api.reading import Body
from waystation.journeys import model_findings, stock_outlook
from waystation.planning.rules.living.points import Setting, one_at_a_time
from waystation.planning.rules.living.stress import Stress

router = Router()


class RunOutOut(Schema):
    """A shelf and the instants on which it may run out, is expected to, and has to be ordered by."""

    hub: str
    group: str
    ready: int
    reorder_point: int | None
    order_up_to: int | None
    runs_out_at: datetime | None
    expected_out_at: datetime | None
    order_by: datetime | None
    is_late: bool
    words: str


class StressIn(Body):
    """A scenario by name: lead times and demand times a factor, a group alone, a hub lost."""

    name: str
    lead_time_factor: float = 1.0
    demand_factor: float = 1.0
    group: str = ""
    hub: str = ""


class SettingIn(Body):
    """One hub and family, as far as a target depends on it beside the failures."""

    sites: int
    failures_per_site_month: float
    lead_time_days: float
    late_share: float = 0.1
    late_days: float = 7.0
    distance_days: float = 0.0
    parts_per_swap: float = 1.0
    models: int = 1
    dispersion: float = 1.2
    cover: float = 0.95


class LeavingIn(Body):
    """Units of a model that leave the field, by month from now."""

    model: str
    leaving: list[tuple[int, int]]


@router.get("/run-out", response=list[RunOutOut])
def run_out(request: HttpRequest) -> list[Any]:
    """Projected stock-out and order-by date of every shelf, the most urgent first."""
    return list(stock_outlook.run_outs(by(request), now=wiring.clock().now()))


@router.get("/excess", response=dict[str, list[dict[str, Any]]])
def excess(request: HttpRequest) -> dict[str, Any]:
    """Stock above its level with capital freed and risk added, and what would better lie elsewhere."""
    over, moves = stock_outlook.excess(by(request), now=wiring.clock().now())
    return {"excess": [asdict(e) for e in over], "misplaced": [asdict(m) for m in moves]}


@router.post("/stress", response=list[dict[str, Any]])
def stress(request: HttpRequest, body: StressIn) -> list[Any]:
    """What breaks first under a scenario."""
    return [asdict(b) for b in stock_outlook.stress(by(request), Stress(**body.dict()), now=wiring.clock().now())]


@router.post("/factors", response=list[dict[str, Any]])
def factors(request: HttpRequest, body: SettingIn) -> list[Any]:
    """Each factor of a target changed by itself, with the direction in which the target moves."""
    by(request).require("planning.read")
    given = body.dict()
    cover = given.pop("cover")
    return [asdict(m) | {"holds": m.holds} for m in one_at_a_time(Setting(**given), cover)]


@router.get("/accuracy", response=list[dict[str, Any]])
def accuracy(request: HttpRequest) -> list[Any]:
    """How good forecasts were by region and family, beside a naive one; "no skill" where there is none."""
    return [_plain(a) for a in stock_outlook.accuracy(by(request), now=wiring.clock().now())]


@router.get("/cohorts/{family}", response=list[dict[str, Any]])
def cohorts(request: HttpRequest, family: str) -> list[Any]:
    """The regions of a family beside each other, with intervals."""
    return [_plain(c) for c in stock_outlook.cohorts(by(request), family, now=wiring.clock().now())]


@router.get("/points/{key}/look-back", response=list[dict[str, Any]])
def look_back(request: HttpRequest, key: UUID) -> list[Any]:
    """Every change of a point: why, and whether it was right."""
    told = stock_outlook.was_it_right(by(request), key, now=wiring.clock().now())
    return [
        {
            "at": t.change.at,
            "until": t.until,
            "plan": t.change.plan.number,
            "before_point": t.change.before_point,
            "before_level": t.change.before_level,
            "reorder_point": t.change.reorder_point,
            "order_up_to": t.change.order_up_to,
            "reason": t.change.reason,
            **asdict(t.verdict),
        }
        for t in told
    ]


@router.get("/plans/{key}/pilot", response=list[dict[str, Any]])
def pilot(request: HttpRequest, key: UUID) -> list[Any]:
    """Planned rates of an applied plan beside what came since."""
    return [{"hub": hub} | asdict(d) for hub, d in stock_outlook.pilot(by(request), key, now=wiring.clock().now())]


@router.get("/models/{group}", response=list[dict[str, Any]])
def models(request: HttpRequest, group: str) -> list[Any]:
    """Models of a part group beside each other, and what is proposed about those that fail more."""
    return [_plain(f) for f in model_findings.findings(by(request), group, now=wiring.clock().now())]


@router.get("/models/{group}/fewer", response=dict[str, Any])
def fewer(request: HttpRequest, group: str) -> dict[str, Any]:
    """The group on fewer models: what goes, what it saves, what stands in the way."""
    return asdict(model_findings.fewer_models(by(request), group, now=wiring.clock().now()))


@router.post("/models/{group}/way-out", response=dict[str, Any] | None)
def way_out(request: HttpRequest, group: str, body: LeavingIn) -> dict[str, Any] | None:
    """Run-out and last-site month of a model that leaves the field; null for one that the group has not."""
    told = model_findings.way_out(by(request), group, body.model, body.leaving, now=wiring.clock().now())
    return None if told is None else asdict(told)


def _plain(row: Any) -> dict[str, Any]:
    """The record with what is infinite as null."""
    return {k: plain(v) for k, v in asdict(row).items()}


def plain(value: Any) -> Any:
    """The value with what is infinite as null."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
