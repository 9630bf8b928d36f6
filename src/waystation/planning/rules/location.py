"""Which part at which hub: a site's demand goes to the nearest stocked hub inside its radius, else it is lost.

Hub fill is one minus the Erlang loss of the demand that it serves; what is not served costs a penalty. All stocks of
a part are enumerated, then one option per part is taken within the budget. Source: Alfredsson and Verrijdt,
Management Science 45 (1999); Candas and Kutanoglu, IIE Transactions 39 (2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, at_least_zero, small_enough
from waystation.planning.rules.emergency import erlang_loss
from waystation.planning.rules.splits import best_for_budgets

Stock = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part: price, yearly holding rate, money per demand that no hub serves in time, demand per year by site."""

    unit_cost: float
    holding_rate: float
    penalty: float
    demand: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """Hubs with lead times (years), sites with limits (hours), and hours from hub to site: `travel_h[hub][site]`."""

    lead_years: tuple[float, ...]
    limit_h: tuple[float, ...]
    travel_h: tuple[tuple[float, ...], ...]

    def source(self, site: int, stock: Sequence[int]) -> int | None:
        """The nearest stocked hub inside a site's limit; the earlier one of two as near; None when there is none."""
        reach = [
            (row[site], hub)
            for hub, row in enumerate(self.travel_h)
            if stock[hub] > 0 and row[site] <= self.limit_h[site]
        ]
        return min(reach)[1] if reach else None


@dataclass(frozen=True, slots=True)
class Located:
    """The cheapest stock by part and hub within the budget: money per year, capital, share of demand served in time."""

    cost: float
    capital: float
    stock: tuple[Stock, ...]
    served: float


def served(part: Part, network: Network, stock: Sequence[int]) -> float:
    """Demand per year that is served in time with `stock` units at the hubs."""
    load = [0.0] * len(network.lead_years)
    for site, rate in enumerate(part.demand):
        hub = network.source(site, stock)
        if hub is not None:
            load[hub] += rate
    return sum(
        rate * (1.0 - erlang_loss(held, rate * lead))
        for rate, held, lead in zip(load, stock, network.lead_years, strict=True)
        if held > 0
    )


def locate(parts: Sequence[Part], network: Network, budget: float, most_per_hub: int) -> Located:
    """The stock of the least yearly cost (holding and penalties) whose capital stays within the budget."""
    _check(parts, network)
    hubs = len(network.lead_years)
    small_enough("stocks of a part", float(most_per_hub + 1) ** hubs)
    stocks = list(product(range(most_per_hub + 1), repeat=hubs))
    options = []
    for part in parts:
        total = sum(part.demand)
        options.append(
            [
                (
                    sum(stock) * part.unit_cost,
                    sum(stock) * part.unit_cost * part.holding_rate
                    + part.penalty * (total - served(part, network, stock)),
                )
                for stock in stocks
            ]
        )
    best = best_for_budgets(options, [at_least_zero("budget", budget)])[0]
    chosen = tuple(stocks[taken] for taken in best.taken)
    met = sum(served(part, network, stock) for part, stock in zip(parts, chosen, strict=True))
    demand = sum(sum(part.demand) for part in parts)
    return Located(best.ebo, best.spent, chosen, met / demand if demand > 0.0 else 1.0)


def _check(parts: Sequence[Part], network: Network) -> None:
    sites, hubs = len(network.limit_h), len(network.lead_years)
    if hubs == 0 or len(network.travel_h) != hubs or any(len(row) != sites for row in network.travel_h):
        raise BadInput(
            "planning.travel",
            f"travel_h does not have {hubs} rows of {sites} hours.",
            "Give the hours from each hub to each site.",
            field="travel_h",
        )
    for lead in network.lead_years:
        at_least_zero("lead_years", lead)
    for part in parts:
        above_zero("unit_cost", part.unit_cost)
        if len(part.demand) != sites:
            raise BadInput(
                "planning.site_demand",
                f"{len(part.demand)} demands for {sites} sites.",
                "Give the yearly demand at each site.",
                field="demand",
            )
        for value in (part.holding_rate, part.penalty, *part.demand):
            at_least_zero("demand, penalty or holding rate", value)
