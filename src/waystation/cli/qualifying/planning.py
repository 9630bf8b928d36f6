"""Cases of stock: laws of one node, reorder policies, trees, splits, budgets, laterals, hubs, forecasts, bad actors.

Where a case names no budgets, base stocks or means, every one is answered that a question is likely to name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from waystation.planning.rules import (
    bad_actors,
    counts,
    echelons,
    emergency,
    installed_base,
    location,
    newsvendor,
    pooling,
    reorder,
    serial,
    splits,
)
from waystation.planning.rules.checks import above_zero

Given = Mapping[str, Any]
COVERS = (0.8, 0.9, 0.95, 0.99, 0.999)
MEANS = range(1, 101)
TABLED = 14  # the known greedy paths were tabled to this many units of an item; the library has no such end


def single_poisson(given: Given) -> dict[str, Any]:
    """One node, Poisson demand."""
    law = counts.poisson(counts.lead_time_demand(given["annual_demand"], given["lead_time_years"]))
    rows = [{"S": r.stock, "fill": r.fill, "ebo": r.ebo, "eoh": r.eoh, "vbo": r.vbo} for r in counts.stock_table(law)]
    return {"rows": rows, "min_S": {f"{c:g}": counts.smallest_base_stock(law, c) for c in COVERS}}


def single_negbin(given: Given) -> dict[str, Any]:
    """One node, negative binomial demand."""
    mean, ratio = float(given["lead_time_demand_mean"]), float(given["variance_to_mean"])
    law = counts.negative_binomial(mean, ratio)
    rows = [
        {
            "S": r.stock,
            "ready_rate": r.fill,
            "csl": counts.no_stock_out(law, r.stock),
            "ebo": r.ebo,
            "eoh": r.eoh,
            "unit_fill": counts.unit_fill(mean, ratio, r.stock),
        }
        for r in counts.stock_table(law)
    ]
    return {"rows": rows}


def single_compound(given: Given) -> dict[str, Any]:
    """One node, Poisson customers with batches."""
    batch = {int(size): float(share) for size, share in given["batch_pmf"].items()}
    law = counts.compound_poisson(counts.lead_time_demand(given["customer_rate"], given["lead_time"]), batch)
    rows = [
        {"S": r.stock, "csl": counts.no_stock_out(law, r.stock), "ebo": r.ebo, "eoh": r.eoh}
        for r in counts.stock_table(law)
    ]
    return {"rows": rows}


def _two_echelons(given: Given, transit: Any) -> echelons.Tree:
    demand = given["base_demand"]
    each = transit if isinstance(transit, list) else [transit] * len(demand)
    repair = given.get("base_repair_fraction", 0.0), given.get("base_repair_time", 0.0)
    return echelons.two_echelons(demand, given["depot_resupply_time"], each, *repair)


def two_echelon(given: Given) -> dict[str, Any]:
    """A depot and its bases by each method."""
    tree = _two_echelons(given, given["transit"])
    stock = [given["depot_stock"], *given["base_stock"]]
    return {method: _depot_and_bases(echelons.evaluate(tree, stock, method)) for method in echelons.METHODS}


def _depot_and_bases(found: Sequence[echelons.Node]) -> dict[str, Any]:
    depot, bases = found[0], found[1:]
    return {
        "depot_ebo": depot.ebo,
        "depot_vbo": depot.vbo,
        "base_pipeline": [b.mean for b in bases],
        "base_pipeline_var": [b.variance for b in bases],
        "base_ebo": [b.ebo for b in bases],
        "base_fill": [b.fill for b in bases],
        "total_base_ebo": sum(b.ebo for b in bases),
    }


def three_echelon(given: Given) -> dict[str, Any]:
    """A tree of three tiers by each method."""
    tree = echelons.tree(given["tree"])
    stock = [given["stock"][name] for name in tree.names]
    return {
        method: {
            name: {"fill": n.fill, "ebo": n.ebo, "mean_outstanding": n.mean, "var_outstanding": n.variance}
            for name, n in zip(tree.names, echelons.evaluate(tree, stock, method), strict=True)
        }
        for method in echelons.METHODS
    }


def optimal_split(given: Given) -> dict[str, Any]:
    """The best split of each total by each method."""
    tree = _two_echelons(given, given["transit"])
    return {
        method: [
            {"total": s.total, "ebo": s.ebo, "depot": s.stock[0], "bases": list(s.stock[1:])}
            for s in splits.splits(tree, given["totals"], method)
        ]
        for method in echelons.METHODS
    }


def budget_single_site(given: Given) -> dict[str, Any]:
    """The best for each budget by enumeration, and the greedy path over a table of 0 to 14 units of each item."""
    items = given["items"]
    laws = [counts.poisson(counts.lead_time_demand(i["annual_demand"], i["lead_time_years"])) for i in items]
    costs = [float(i["unit_cost"]) for i in items]
    start = sum(counts.at_base_stock(law, 0).ebo for law in laws)
    path = list(splits.greedy_path(laws, costs, lambda steps, ebo: steps >= 25 and ebo <= 2e-3 * start, TABLED))
    budgets = given.get("budgets", splits.asked_budgets(costs, max(row[0] for row in path)))
    options = [
        [(stock * cost, counts.at_base_stock(law, stock).ebo) for stock in range(len(law))]
        for law, cost in zip(laws, costs, strict=True)
    ]
    best = splits.best_for_budgets(options, budgets)
    return {
        "exact": [{"budget": b.budget, "min_ebo": b.ebo, "spent": b.spent, "stock": list(b.taken)} for b in best],
        "greedy_path": [{"cost": cost, "ebo": ebo, "stock": list(stock)} for cost, ebo, stock in path],
    }


def budget_two_echelon(given: Given) -> dict[str, Any]:
    """The best for each budget over depots and bases, by the exact law."""
    found = [
        (
            above_zero("unit_cost", sku["unit_cost"]),
            splits.enumerated(_two_echelons(sku, given["transit"]), sku["max_units"]),
        )
        for sku in given["skus"]
    ]
    costs = [cost for cost, _ in found]
    top = sum(cost * rows[-1].total for cost, rows in found)
    options = [[(cost * row.total, row.ebo) for row in rows] for cost, rows in found]
    best = splits.best_for_budgets(options, given.get("budgets", splits.asked_budgets(costs, top)))
    return {
        "exact": [
            {
                "budget": b.budget,
                "min_total_base_ebo": b.ebo,
                "spent": b.spent,
                "stock_depot_then_bases": [
                    list(rows[taken].stock) for (_, rows), taken in zip(found, b.taken, strict=True)
                ],
            }
            for b in best
        ]
    }


def emergency_break_even(given: Given) -> dict[str, Any]:
    """The courier behind a shelf: what to hold, and from which rate the first unit pays."""
    event = given["courier"] + given["downtime_per_h"] * given["dh"]
    channel = emergency.Channel(given["lam"], given["lead"], given["unit"], given["hold_rate"], event)
    best = emergency.best_stock(channel)
    return {
        "best_S": best.stock,
        "annual_cost": best.cost,
        "fill": best.fill,
        "cost_S0": channel.cost(0),
        "break_even_rate_first_unit": best.break_even_rate,
        "curve": [
            {"S": s, "loss": emergency.erlang_loss(s, channel.rate * channel.lead_time), "cost": channel.cost(s)}
            for s in range(max(5, best.stock + 2) + 1)
        ],
    }


def central_only_baseline(given: Given) -> dict[str, Any]:
    """Shelves at sites against the centre alone."""
    sites = [emergency.LocalSite(s["rate"], s["lead_years"], s["stock"], s["local_h"]) for s in given["sites"]]
    names = ("central_response_h", "courier", "downtime_per_h", "hold_rate", "unit_cost")
    costs = emergency.Costs(*(float(given[name]) for name in names))
    central, tiered = emergency.central_only(sites, costs), emergency.with_shelves(sites, costs)
    saving = central.cost - tiered.cost
    told = [
        {"mttr": s.restore_h, "emergency_per_year": s.emergencies, "cost": s.cost, "capital": s.capital}
        for s in (central, tiered)
    ]
    return {
        "central_only": told[0],
        "tiered": told[1] | {"fill": tiered.fill},
        "annual_saving": saving,
        "payback_years": tiered.capital / saving if saving > 0.0 else None,
    }


def s_q(given: Given) -> dict[str, Any]:
    """(s,Q)."""
    found = reorder.s_q(given["rate"], given["lead_time"], given["s"], given["Q"])
    return {"fill": found.fill, "ebo": found.ebo, "eoh": found.eoh, "order_freq": found.orders}


def r_s(given: Given) -> dict[str, Any]:
    """(R,S)."""
    found = reorder.r_s(given["rate"], given["review"], given["lead_time"], given["S"])
    return {"fill": found.fill, "ebo": found.ebo, "eoh": found.eoh}


def r_q_poisson(given: Given) -> dict[str, Any]:
    """The optimal (r,Q)."""
    names = ("holding", "backorder_per_unit_time", "fixed", "rate", "lead_time")
    found = reorder.best_r_q(*(float(given[name]) for name in names))
    return {"r": int(found.low), "Q": int(found.high), "cost": found.cost}


def r_q_normal(given: Given) -> dict[str, Any]:
    """(r,Q) under normal demand by four approximations."""
    names = ("holding_cost", "stockout_cost", "fixed_cost", "demand_mean", "demand_sd", "lead_time")
    asked = reorder.Normal(*(float(given[name]) for name in names))
    level = reorder.r_q_expected_level(asked)
    others = {
        "eoqb": reorder.r_q_economic_backorders(asked),
        "eoqss": reorder.r_q_economic_safety(asked),
        "loss_function": reorder.r_q_loss(asked),
    }
    return {
        "eil": {"r": level.low, "Q": level.high, "cost": level.cost},
        **{name: {"r": best.low, "Q": best.high} for name, best in others.items()},
    }


def s_s(given: Given) -> dict[str, Any]:
    """The optimal (s,S) of one demand."""
    names = ("holding_cost", "stockout_cost", "fixed_cost", "demand_mean")
    found = reorder.best_s_s(*(float(given[name]) for name in names))
    return {"s": found.low, "S": found.high, "cost": found.cost}


def s_s_table(given: Given) -> dict[str, Any]:
    """The optimal (s,S) of each mean demand; without lead time."""
    if given.get("lead_time", 0):
        raise ValueError("a lead time is not carried by this law")
    costs = (float(given["holding"]), float(given["backorder"]), float(given["fixed"]))
    rows = []
    for mean in given.get("means", MEANS):
        found = reorder.best_s_s(*costs, float(mean))
        rows.append({"mean": mean, "s": found.low, "S": found.high, "cost": found.cost})
    return {"rows": rows}


def lateral(given: Given) -> dict[str, Any]:
    """Hubs that share stock."""
    found = pooling.pooled(given["demand"], given["replenishment_rate"], given["stock"], given["preference"])
    return {
        "hubs": [{"local": h.local, "lateral": h.lateral, "emergency": h.emergency} for h in found.hubs],
        "system_emergency": found.emergency,
    }


def hub_location(given: Given) -> dict[str, Any]:
    """Which part at which hub."""
    parts = [
        location.Part(s["unit_cost"], s["hold_rate"], s["penalty"], tuple(map(float, s["demand"])))
        for s in given["skus"]
    ]
    network = location.Network(
        tuple(float(h["lead_years"]) for h in given["hubs"]),
        tuple(float(s["sla_h"]) for s in given["sites"]),
        tuple(tuple(map(float, row)) for row in given["travel_h"]),
    )
    found = location.locate(parts, network, float(given["budget"]), int(given["max_stock_per_hub"]))
    return {
        "min_annual_cost": found.cost,
        "capital": found.capital,
        "stock": [list(stock) for stock in found.stock],
        "demand_served_in_radius": found.served,
    }


def newsvendor_normal(given: Given) -> dict[str, Any]:
    """One order, normal demand."""
    names = ("holding_cost", "stockout_cost", "demand_mean", "demand_sd")
    found = newsvendor.normal(*(float(given[name]) for name in names))
    return {"S": found.stock, "cost": found.cost, "critical_ratio": found.critical_ratio}


def newsvendor_poisson(given: Given) -> dict[str, Any]:
    """One order, Poisson demand."""
    found = newsvendor.discrete(*(float(given[name]) for name in ("holding_cost", "stockout_cost", "demand_mean")))
    return {"S": found.stock, "cost": found.cost}


def serial_service(given: Given) -> dict[str, Any]:
    """Echelon base stocks of a serial system."""
    asked = (given["stockout"], given["demand_mean"], given["demand_sd"])
    found = serial.serial_base_stocks(given["echelon_holding"], given["lead_times"], *map(float, asked))
    return {"echelon_base_stock": list(found.echelon_base_stock), "cost": found.cost}


def availability(given: Given) -> dict[str, Any]:
    """Share of systems that wait for nothing, to the six decimals that such answers are given in."""
    items = [(int(i["quantity_per_system"]), float(i["ebo"])) for i in given["items"]]
    return {"availability": round(emergency.availability(int(given["systems"]), items), 6)}


def installed(given: Given) -> dict[str, Any]:
    """Demand from the installed base, and stock that covers it."""
    cohorts = [
        installed_base.Cohort(c["model"], c["install_month"], c["retire_month"], c["qty"], c["warranty_months"])
        for c in given["cohorts"]
    ]
    modes = [installed_base.Mode(m["name"], m["shape"], m["scale_months"]) for m in given["modes"]]
    odd = given["defect"]
    names = ("model", "mode", "age_from", "age_to", "multiplier")
    defect = installed_base.Defect(*(odd[name] for name in names)) if odd else None
    found = installed_base.forecast(cohorts, modes, given["months"], defect)
    means = found.lead_time_mean(given["lead_time_months"])
    return {
        "mean_per_month": list(found.mean),
        "in_warranty_per_month": list(found.in_warranty),
        "lead_time_mean": list(means),
        "min_stock_csl": {f"{c:g}": list(installed_base.stock_to_cover(means, c)) for c in (0.9, 0.95, 0.99)},
    }


def bad_actor(given: Given) -> dict[str, Any]:
    """Which models fail more than the rest."""
    table = [bad_actors.Exposure(r["model"], r["unit_days"], r["failures"]) for r in given["table"]]
    found = bad_actors.bad_actors(table, given["fdr"], given["min_ratio"])
    rows = [
        {
            "model": f.model,
            "rate_per_year": f.rate,
            "lo95": f.low,
            "hi95": f.high,
            "ratio_to_rest": f.ratio,
            "p_one_sided": f.p_one_sided,
        }
        for f in found
    ]
    return {"rows": rows, "flagged": sorted(f.model for f in found if f.flagged)}


FAMILIES: Mapping[str, Callable[[Given], Any]] = {
    "single_site_poisson": single_poisson,
    "single_site_negbin": single_negbin,
    "single_site_compound_poisson": single_compound,
    "two_echelon": two_echelon,
    "two_echelon_optimal_split": optimal_split,
    "three_echelon": three_echelon,
    "budget_single_site": budget_single_site,
    "budget_two_echelon": budget_two_echelon,
    "emergency_break_even": emergency_break_even,
    "central_only_baseline": central_only_baseline,
    "sQ_poisson": s_q,
    "RS_poisson": r_s,
    "rQ_poisson_optimal": r_q_poisson,
    "rQ_normal": r_q_normal,
    "sS_poisson_discounted_none": s_s,
    "sS_poisson_table": s_s_table,
    "lateral": lateral,
    "hub_location_budget": hub_location,
    "newsvendor_normal": newsvendor_normal,
    "newsvendor_poisson": newsvendor_poisson,
    "serial_stochastic_service": serial_service,
    "availability": availability,
    "installed_base_forecast": installed,
    "bad_actor_statistics": bad_actor,
}
