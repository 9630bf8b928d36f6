"""Curves, budgets and service targets over a fleet of slow movers on 1 + 4 + 20 nodes; gaps, errors, capital saved.

Peers in the same run: stockpyl's two-echelon METRIC-like base-stock search has no like, so its single-node search is
timed for 1,000 parts x 20 hubs where stockpyl is installed; else that is said. The peak of resident memory is that of
a process of its own. `--quick` leaves out 10,000 parts.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time

import numpy as np

from benchmarks.harness import Report, median_of, seconds
from tests.rooms.planning.fleets import three_tiers
from waystation.planning.rules.attainment import attainment, within_budget
from waystation.planning.rules.columns import Limit, constrained
from waystation.planning.rules.counts import poisson, smallest_base_stock
from waystation.planning.rules.curves import curves, place
from waystation.planning.rules.exact import exact
from waystation.planning.rules.fleet import Fleet, fleet, seen, waiting


def main() -> None:
    """Time, check and judge."""
    report = Report("planning_curves", "no database")
    _curves(report)
    _memory(report)
    _budget(report)
    _targets(report)
    _errors(report)
    _capital(report)
    _peer(report)
    report.keep()


def _curves(report: Report) -> None:
    report.add("load_before", os.getloadavg()[0])
    curves(three_tiers(50))
    for parts, most in ((1_000, 1.0), (10_000, 10.0))[: 1 if "--quick" in sys.argv else 2]:
        cpu = time.process_time()
        took = median_of(lambda n=parts: curves(three_tiers(n)), 3)  # type: ignore[misc]
        report.add(f"curves_{parts}_parts_s", took)
        report.add(f"curves_{parts}_parts_cpu_s", (time.process_time() - cpu) / 3)
        report.judge(f"{parts:,} parts x 25 nodes, full curve <= {most:g} s", took <= most)


def _memory(report: Report) -> None:
    """The peak of a process of its own that only plans 10,000 parts: the curve, a budget, the stock at every node."""
    if "--quick" in sys.argv:
        return
    code = (
        "import resource; import numpy as np; from tests.rooms.planning.fleets import three_tiers\n"
        "from waystation.planning.rules.attainment import attainment, within_budget\n"
        "from waystation.planning.rules.curves import curves, place\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "many = three_tiers(10_000); found = curves(many); curve_mb = peak()\n"
        "merged = attainment(found, many.unit_cost)\n"
        "chosen = within_budget(merged, found, many.unit_cost, 0.3 * float(merged.capital[-1]))\n"
        "stock = place(many, np.arange(many.parts), chosen.counts)\n"
        "assert stock.shape == (10_000, 25) and (stock.sum(axis=1) == chosen.counts).all()\n"
        "print(curve_mb, peak())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    curve_mb, plan_mb = map(float, done.stdout.split())
    report.add("curves_10000_parts_peak_mib", curve_mb)
    report.add("plan_of_10000_parts_peak_mib", plan_mb)
    report.judge("10,000 parts do not exhaust 8 GiB", plan_mb <= 8 * 1024)


def _budget(report: Report) -> None:
    many = three_tiers(100)
    found = curves(many)
    merged = attainment(found, many.unit_cost)
    top = float(merged.capital[-1])
    gaps = [within_budget(merged, found, many.unit_cost, top * n / 40).gap for n in range(1, 40)]
    report.add("one_budget_100_parts_worst_gap_percent", 100 * max(gaps))
    report.judge("one budget, 100 parts: proven gap <= 0.2 %", max(gaps) <= 0.002)


def _targets(report: Report) -> None:
    for parts in (100, 1_000):
        took, cpu, gap = _constrained(parts)
        report.add(f"20_targets_{parts}_parts_s", took)
        report.add(f"20_targets_{parts}_parts_cpu_s", cpu)
        report.add(f"20_targets_{parts}_parts_gap_percent", 100 * gap)
        report.judge(f"20 targets, {parts} parts: proven gap <= 1 %", gap <= 0.01)
    report.judge("20 targets, 1,000 parts <= 30 s", took <= 30.0)


def _constrained(parts: int) -> tuple[float, float, float]:
    """Seconds, processor seconds and the gap."""
    many = three_tiers(parts)
    limits = [_wait(many, leaf, 8.0 * (1 + leaf % 4)) for leaf in many.leaves]
    cpu, begin = time.process_time(), time.perf_counter()
    found = constrained(many, "money", limits)
    return time.perf_counter() - begin, time.process_time() - cpu, found.gap


def _wait(many: Fleet, leaf: int, hours: float) -> Limit:
    charge, zero = np.zeros_like(many.pipeline), np.zeros_like(many.pipeline)
    charge[:, leaf] = 1.0
    return Limit(f"hub {leaf}", zero, charge, zero, float(many.rate[:, leaf].sum()) * hours / 8760)


def _errors(report: Report) -> None:
    errors = []
    for seed in range(50):
        many = three_tiers(10, seed=seed, regions=3, locals_=3)
        found = curves(many)
        merged = attainment(found, many.unit_cost)
        for part in (0.05, 0.15, 0.3):
            chosen = within_budget(merged, found, many.unit_cost, part * float(merged.capital[-1]))
            stock = place(many, np.arange(10), chosen.counts)
            model, law = (waiting(many, w(many, np.arange(10), stock).ebo).sum() for w in (seen, exact))
            errors.append(float(model / law - 1))
    report.add("three_tier_plans", len(errors))
    report.add("three_tier_mean_error_percent", 100 * float(np.mean(errors)))
    report.add("three_tier_worst_error_percent", 100 * max(errors, key=abs))
    report.judge("VARI-METRIC against the exact law: mean <= 1 %", abs(float(np.mean(errors))) <= 0.01)
    report.judge("VARI-METRIC against the exact law: worst <= 6 %", max(map(abs, errors)) <= 0.06)


def _capital(report: Report) -> None:
    """1,000 parts at 20 hubs of their own, 14 days of lead time: a fill of 95 % each, against the curve."""
    hubs = three_tiers(1_000)
    rate = hubs.rate[:, list(hubs.leaves)].reshape(-1, 1)
    cost = np.repeat(hubs.unit_cost, len(hubs.leaves))
    many = fleet([-1], [14 / 365], rate, np.ones(len(cost)), cost)
    stock = np.array([[smallest_base_stock(poisson(float(m)), 0.95)] for m in many.pipeline[:, 0]])
    rule = float(stock[:, 0] @ cost)
    waits = float(seen(many, np.arange(len(cost)), stock).ebo.sum())
    merged = attainment(curves(many), cost)
    need = float(np.interp(-waits, -merged.waiting, merged.capital))
    report.add("capital_of_the_95_percent_rule", rule)
    report.add("capital_saved_at_equal_waiting_percent", 100 * (1 - need / rule))
    report.judge(">= 20 % less capital than 95 % fill of every part at every hub", need <= 0.8 * rule)


def _peer(report: Report) -> None:
    if importlib.util.find_spec("stockpyl") is None:
        print("planning_curves: peer stockpyl is not installed here; its figure is not measured in this run")
        return
    from stockpyl.newsvendor import newsvendor_poisson  # type: ignore[import-not-found]

    means = np.random.default_rng(1).gamma(2, 0.5, 400)
    took = seconds(lambda: [newsvendor_poisson(1.0, 19.0, float(m)) for m in means])
    report.add("peer_stockpyl_20000_base_stocks_s", took * 50)
    own = seconds(lambda: [smallest_base_stock(poisson(float(m)), 0.95) for m in means])
    report.add("own_20000_base_stocks_one_by_one_s", own * 50)


if __name__ == "__main__":
    main()
