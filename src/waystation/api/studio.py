"""The planning studio by API: what money buys, other designs, uncovered sites, reach, stock lists."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.api.policy import plain
from waystation.api.reading import Body
from waystation.journeys import business_case, kpis, redesign, uncovered
from waystation.journeys.early_wins import early_wins
from waystation.journeys.feedback import heard
from waystation.journeys.placing import place
from waystation.journeys.playing import certificate
from waystation.journeys.stock_list import as_csv, stock_list
from waystation.journeys.studio import studio
from waystation.kernel.refusals import NotReady
from waystation.planning.rules.business import Rates
from waystation.planning.rules.living.redesign import Design

router = Router()


class DesignIn(Body):
    """A change of the network: lead times or needs times a factor, a hub less or more, a part moved."""

    name: str
    kind: Literal["slow lead times", "wave", "hub lost", "hub added", "shrunk", "vendor sends", "central"]
    hub: str = ""
    group: str = ""
    site: str = ""
    factor: float = 1.0
    in_time: float = 0.0


@router.get("/studio", response=dict[str, Any])
def what_money_buys(request: HttpRequest, budget: float | None = None) -> dict[str, Any]:
    """Data quality, the curve of capital and share in time, the chosen point, every target with reasons."""
    found = studio(by(request), now=wiring.clock().now(), budget=budget)
    curve = found.curve
    points = [[c, curve.share_of(m)] for c, m in zip(curve.capital, curve.met, strict=True)]
    chosen = found.chosen
    return {
        "quality": asdict(found.quality),
        "curve": points,
        "floor": curve.capital[0],
        "ceiling": found.ceiling,
        "chosen": {"capital": chosen.capital, "share": chosen.share, "bound": chosen.bound},
        "spots": [asdict(s) for s in found.spots],
        "targets": [asdict(t) | {"to_order": t.to_order, "moves": t.moves} for t in found.targets],
    }


@router.get("/network", response=dict[str, Any])
def whole_network(request: HttpRequest, budget: float | None = None, vendors: bool = False) -> dict[str, Any]:
    """The stock of all hubs at once: the least capital that keeps the classes, or the least waiting within a budget.

    With its bound and gap, beside the live policy, each shelf by itself, and today's stock; or the limits that clash.
    A need that takes several groups is met when every line is there. Slots that nothing else takes are never exceeded.
    A need that finds its own hub empty takes a unit of the next hub that `lends` to its site. With `vendors`, what one
    brings in time as surely as the own hub is left to them: asked of no shelf, and paid for (`left_to_vendors`).
    """
    try:
        found = place(by(request), now=wiring.clock().now(), budget=budget, vendors=vendors)
    except NotReady as refused:
        return {"status": "nothing to place", "why": refused.as_dict()}
    told = found.placing
    return {
        "status": told.status,
        "objective": told.objective,
        "value": plain(told.value),
        "bound": plain(told.bound),
        "gap": plain(told.gap),
        "conflict": told.conflict,
        "centre": found.centre.code,
        "days_to": dict(found.tree.days_to),
        "assumed_ways": found.assumed,
        "supply_days": dict(found.tree.supply_days),
        "free_slots": dict(found.tree.slots),
        "needed_together": [{"hub": h, "groups": g, "per_year": rate} for h, g, rate in found.together()],
        "planned_apart": found.drawn.apart,
        "lends": [{"hub": hub, "to": to, "sites": sites} for hub, to, sites in found.lent()],
        "left_to_vendors": None if found.by_vendors is None else asdict(found.by_vendors),
        "unpriced": told.unpriced,
        "off_exact_law": told.off_law,
        "classes": [asdict(c) for c in told.classes],
        "side_by_side": [asdict(j) for j in told.judged],
        "curve": found.curve(),
        "shelves": [
            {"hub": s.hub, "group": s.group, "units": s.units, "floor": s.floor, "cover": s.cover, "gain": s.gain}
            for s in told.shelves
        ],
    }


@router.get("/network/certificate", response=dict[str, Any])
def played(request: HttpRequest, budget: float | None = None, vendors: bool = False, seed: int = 1) -> dict[str, Any]:
    """The placed stock played against today's policy and all stock at the centre, on the same needs, with errors.

    `lone`: failures one by one; `stormy`: with days on which many fail at once. Means with standard errors.
    """
    try:
        found = certificate(by(request), now=wiring.clock().now(), budget=budget, vendors=vendors, seed=seed)
    except NotReady as refused:
        return {"status": "nothing to place", "why": refused.as_dict()}
    return {
        "status": found.whole.placing.status,
        "conflict": found.whole.placing.conflict,
        "needs_a_year": found.needs,
        "left_out_a_year": found.left_out,
        "storms": asdict(found.storms),
        "lone": [plain(asdict(p)) for p in found.lone],
        "stormy": [plain(asdict(p)) for p in found.stormy],
    }


@router.post("/designs", response=list[dict[str, Any]])
def designs(request: HttpRequest, body: list[DesignIn]) -> list[Any]:
    """The usual designs and those asked for, side by side; the first is the network as it is."""
    asked = [Design(**one.dict()) for one in body[:50]]
    return [asdict(o) for o in redesign.what_if(by(request), now=wiring.clock().now(), designs=asked)[1]]


@router.get("/uncovered", response=list[dict[str, Any]])
def uncovered_sites(request: HttpRequest) -> list[Any]:
    """What is restored later than its class tolerates, the furthest beyond first, with fixes, the cheapest first."""
    found = uncovered.uncovered_sites(by(request), now=wiring.clock().now())
    return [asdict(u) | {"over_h": None if math.isinf(u.over_h) else u.over_h} for u in found]


@router.get("/achievable", response=list[dict[str, Any]])
def achievable(request: HttpRequest) -> list[Any]:
    """Each site's promises with the factor that limits them; those that cannot be kept first."""
    return [asdict(a) for a in uncovered.achievable(by(request), now=wiring.clock().now())]


@router.get("/reach/{site}", response=list[dict[str, Any]])
def reach(request: HttpRequest, site: str, within_h: float) -> list[Any]:
    """ "Can we reach this site within so many hours from anywhere?" """
    return [asdict(a) for a in uncovered.reach(by(request), site, within_h, now=wiring.clock().now())]


class RatesIn(Body):
    """What things cost; null is not said, and what needs it has no money. `carrying`: share of the capital a year."""

    penalty: float | None = None
    outage_hour: float | None = None
    technician_hour: float | None = None
    technician_h: float = 2.0
    carrying: float | None = None


@router.post("/business-case", response=dict[str, Any])
def case(request: HttpRequest, body: RatesIn, days: int = 365) -> dict[str, Any]:
    """Three buckets with their incidents, each against the modelled old way, carrying cost and break-even."""
    rates = Rates(**body.dict())
    return asdict(business_case.business_case(by(request), rates, days=days, now=wiring.clock().now()))


@router.get("/pilot", response=list[dict[str, Any]])
def before_and_after(request: HttpRequest, split: AwareDatetime, days: int = 365) -> list[Any]:
    """The dense and the dispersed region before and after a day, with intervals, confounders and the targets."""
    found = business_case.pilot(by(request), split=split, days=days, now=wiring.clock().now())
    return [plain(asdict(r)) for r in found]


@router.get("/feedback", response=dict[str, Any])
def technicians(request: HttpRequest, days: int = 365) -> dict[str, Any]:
    """What technicians said of repairs that needed a part: together, by hub, and in words."""
    return asdict(heard(by(request), days=days, now=wiring.clock().now()))


@router.get("/early-wins", response=list[dict[str, Any]])
def wins(request: HttpRequest, split: AwareDatetime, days: int = 90) -> list[Any]:
    """Onboarding, product time not proven and steps by hand, before and after a day."""
    return [asdict(w) for w in early_wins(by(request), split=split, days=days, now=wiring.clock().now())]


@router.get("/kpis", response=list[dict[str, Any]])
def six(request: HttpRequest) -> list[Any]:
    """The six figures by month over a year, by quarter for forecasts; null where nothing was recorded."""
    return [asdict(k) for k in kpis.kpis(by(request), now=wiring.clock().now())]


@router.get("/hubs/{code}/stock-list")
def list_of_hub(request: HttpRequest, code: str, budget: float | None = None) -> HttpResponse:
    """One hub's stock list as CSV."""
    told = stock_list(by(request), code, now=wiring.clock().now(), budget=budget)
    return HttpResponse(as_csv(told), content_type="text/csv; charset=utf-8")
