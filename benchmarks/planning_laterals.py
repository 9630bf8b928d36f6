"""Hubs that lend: the law against needs played one by one, the walk against every stock, plans and what they save.

No package of the lock does any of it. `--quick` leaves out the plan of 100 parts.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from benchmarks.harness import Report
from tests.rooms.planning.lending import by_play, centre, met, priced_case, some_lenders, spread_out, units
from waystation.planning.rules.planner import plan
from waystation.planning.rules.problem import read

NETWORKS, PRICED = 200, 150


def main() -> None:
    """Check, time, judge."""
    report = Report("planning_laterals", "no database")
    report.add("load_before", os.getloadavg()[0])
    _law(report)
    _walk(report)
    for parts, hubs, seed in ((20, 8, 4), (100, 10, 5))[: 1 if "--quick" in sys.argv else 2]:
        _plans(report, parts, hubs, seed)
    report.keep()


def _law(report: Report) -> None:
    """Two to five hubs, any of which may lend; stock at random."""
    rng, off, wide = np.random.default_rng(1), [], 0
    while len(off) < NETWORKS:
        hubs = int(rng.integers(2, 6))
        rates = [float(rng.choice([0.0, rng.uniform(0.0, 5.0)])), *rng.uniform(0.2, 6.0, hubs).tolist()]
        lenders = some_lenders(rng, rates, 3)
        held = [int(n) for n in rng.integers(0, 4, hubs + 1)]
        days, supply = float(rng.choice([1.0, 3.0, 7.0])), float(rng.choice([10.0, 20.0, 45.0]))
        of = centre(rates, lenders, days, supply)
        seen, error = by_play(rates, lenders, held, days, supply)
        off.append(met(of, units(of, held)) - seen)
        wide += abs(off[-1]) > 3.0 * error + 0.005
    report.add("networks_played", len(off))
    report.add("met_at_once_mean_error", float(np.mean(off)))
    report.add("met_at_once_mean_absolute_error", float(np.abs(off).mean()))
    report.add("met_at_once_worst_error", max(off, key=abs))
    report.add("beyond_3_standard_errors_and_0.005", int(wide))
    report.judge(
        "met at once within 3 standard errors + 0.005 of the play in 98 of 100 networks", wide <= 0.02 * NETWORKS
    )


def _walk(report: Report) -> None:
    """A centre and two or three hubs, every stock of up to four units a shelf, at random prices."""
    missed, broken = 0, 0
    for seed in range(PRICED):
        best, walked, bound = priced_case(seed)
        missed += walked > best + 1e-6 * abs(best)
        broken += bound > min(best, walked) + 1e-6
    report.add("walks_that_missed_the_best_of_every_stock_percent", 100.0 * missed / PRICED)
    report.add("bounds_above_the_best_of_every_stock", broken)
    report.judge("no bound is above the best of every stock", broken == 0)


def _plans(report: Report, parts: int, hubs: int, seed: int) -> None:
    alone = plan(read(spread_out(parts, hubs, seed, laterals=False)))
    cpu, begin = time.process_time(), time.perf_counter()
    found = plan(read(spread_out(parts, hubs, seed, laterals=True)))
    report.add(f"{parts}_parts_{hubs}_hubs_s", time.perf_counter() - begin)
    report.add(f"{parts}_parts_{hubs}_hubs_cpu_s", time.process_time() - cpu)
    report.add(f"{parts}_parts_{hubs}_hubs_capital_saved_percent", 100.0 * (1.0 - found.value / alone.value))
    report.add(f"{parts}_parts_{hubs}_hubs_gap_percent", 100.0 * found.gap)


if __name__ == "__main__":
    main()
