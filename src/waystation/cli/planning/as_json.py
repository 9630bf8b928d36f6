"""The plan as `waystation.plan/1`: units in names; the same problem gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from waystation.planning.rules.attainment import Attainment
from waystation.planning.rules.explain import at_nodes, at_sites, held, of_all
from waystation.planning.rules.fleet import waiting
from waystation.planning.rules.laterals.played import played
from waystation.planning.rules.living.playing import OTHER, OWN
from waystation.planning.rules.planner import Plan, reached
from waystation.planning.rules.problem import Problem

SCHEMA = "waystation.plan/1"
CURVE_POINTS = 100
MODEL = "VARI-METRIC (negative binomial on two moments); the bound is of this model"
LENDING = "VARI-METRIC, with laterals by overflow given the feeder's backlog; the bound holds however units are lent"


def plan_document(plan: Plan, problem: Problem, given: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document; figures that a plan would give are null when there is none."""
    text = json.dumps(given, sort_keys=True, separators=(",", ":"))
    has = plan.stock is not None
    return {
        "schema": SCHEMA,
        "problem_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "status": plan.status,
        "objective": plan.objective,
        "model": LENDING if plan.laid.fleet.lenders else MODEL,
        "budget": problem.budget,
        **_money(plan, problem),
        "backorders": _backorders(plan),
        "mean_wait_h": of_all(plan, problem, "mean_wait_h"),
        "fill_rate": of_all(plan, problem, "fill_rate"),
        "lower_bound": plan.bound if np.isfinite(plan.bound) else None,
        "gap": plan.gap if has and np.isfinite(plan.gap) else None,
        "conflict": list(plan.conflict),
        "targets": _targets(plan, problem),
        "stock": _stock(plan, problem),
        "nodes": [
            {
                "id": n.node,
                "units": n.units,
                "capital": n.capital,
                "backorders": n.waiting,
                "fill_rate": n.fill,
            }
            for n in at_nodes(plan, problem)
        ],
        "sites": _sites(plan, problem),
        "certificate": _certificate(plan, problem),
        "played": _played(plan, problem),
        "curve": [] if plan.curve is None else _curve(plan.curve),
    }


def _money(plan: Plan, problem: Problem) -> dict[str, Any]:
    if plan.stock is None:
        return {"capital": None, "units": None, "holding_per_year": None}
    units = plan.stock.sum(axis=1)
    price = np.array([p.unit_cost for p in problem.parts])
    rate = np.array([p.holding_rate for p in problem.parts])
    return {
        "capital": float(units @ price),
        "units": int(units.sum()),
        "holding_per_year": float(units @ (price * rate)),
    }


def _backorders(plan: Plan) -> float | None:
    return None if plan.seen is None else float(waiting(plan.laid.fleet, plan.seen.ebo).sum())


def _targets(plan: Plan, problem: Problem) -> list[dict[str, Any]]:
    found = []
    for target in problem.targets:
        value = reached(plan, problem, target) if plan.stock is not None else None
        most = target.measure in ("mean_wait_h", "backorders")
        met = None if value is None else bool(value <= target.value + 1e-8 if most else value >= target.value - 1e-8)
        found.append({"target": target.words, "asked": target.value, "reached": value, "met": met})
    return found


def _stock(plan: Plan, problem: Problem) -> list[dict[str, Any]]:
    return [
        {
            "part": h.part,
            "node": h.node,
            "units": h.units,
            "gain_of_last_unit": h.gain,
            "gain_per_money": h.per_money,
            "reason": h.reason,
            "removed_by": h.removed_by,
        }
        for h in held(plan, problem)
    ]


def _sites(plan: Plan, problem: Problem) -> list[dict[str, Any]]:
    return [
        {
            "id": s.site,
            "source": s.source,
            "travel_h": s.travel_h,
            "max_restore_h": s.limit_h,
            "within_limit": s.within_limit,
            "served_in_time": s.in_time,
            "served_by_own_node": s.own,
            "others_in_time": list(s.others),
            "lenders": list(s.lenders),
        }
        for s in at_sites(plan, problem)
    ]


def _certificate(plan: Plan, problem: Problem) -> dict[str, Any] | None:
    told = plan.certified
    if told is None:
        return None
    return {
        "law": "exact (Graves 1985): Poisson demand, fixed transit, ample supply, first come first served",
        "parts": len(told.parts),
        "backorders": told.exact_waiting,
        "backorders_of_model": told.model_waiting,
        "difference_of_model": told.difference,
        "not_covered": [problem.parts[n].id for n in told.left_out.tolist()],
        "why_not": "variance to mean above 1: the exact law is of Poisson demand" if len(told.left_out) else None,
    }


def _played(plan: Plan, problem: Problem) -> dict[str, Any] | None:
    """The plan with laterals, played: shares of needs with their standard errors."""
    told = played(plan, problem)
    if told is None:
        return None
    return {
        "met_at_once": told.how[OWN] + told.how[OTHER],
        "by_own_node": told.how[OWN],
        "by_a_lender": told.how[OTHER],
        "in_time": told.in_time.mean,
        "in_time_error": told.in_time.error,
    }


def _curve(curve: Attainment) -> list[dict[str, float]]:
    rows = np.unique(np.linspace(0, len(curve.capital) - 1, CURVE_POINTS).round().astype(int))
    return [{"capital": float(curve.capital[n]), "backorders": float(curve.waiting[n])} for n in rows]
