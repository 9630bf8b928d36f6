"""One hub's stock list on one page: what to order, by when, why, what it protects; as CSV and as paper."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from waystation.journeys.paper.listed import stock_paper
from waystation.journeys.studio import Target, hub_of, studio
from waystation.kernel.authority import Authority
from waystation.kernel.cells import csv_text
from waystation.kernel.units import counted
from waystation.spares import queries as spares

COLUMNS = ("part group", "have", "position", "target", "order now", "order by", "late", "why", "protects", "unit cost")


@dataclass(frozen=True, slots=True)
class StockList:
    """The targets of a hub at an instant, those to order first, and what the order costs.

    `unpriced` are groups to order whose price nobody recorded: they are not in the cost.
    """

    hub: str
    name: str
    at: datetime
    rows: tuple[Target, ...]
    basis: str

    @property
    def cost(self) -> float:
        """Money for everything to order now."""
        return sum(t.to_order * t.unit_cost for t in self.rows)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Groups to order without a price."""
        return tuple(t.group for t in self.rows if t.to_order and t.unit_cost <= 0.0)


def stock_list(by: Authority, code: str, *, now: datetime, budget: float | None = None) -> StockList:
    """The list of one hub, by the covers of the classes or as the best buy of all hubs for a budget."""
    hub = spares.hub(by, code)
    found = studio(by, now=now, budget=budget)
    history = f"{counted(found.quality.needs, 'need')} in {counted(found.quality.months, 'month')}"
    if found.quality.needs == 0:
        history = "no history: installed units at the family's first rate, class floors"
    how = "covers of the service classes" if budget is None else f"best buy of all hubs for {budget:.0f}"
    return StockList(hub.code, hub.name, now, hub_of(found, hub.code), f"{how}; {history}")


def as_csv(told: StockList) -> str:
    """The list as CSV with a header; instants in UTC, text that a spreadsheet would run is written as text."""
    return csv_text(COLUMNS, map(_cells, told.rows))


def _cells(t: Target) -> tuple[object, ...]:
    late, price = "late" if t.is_late else "", f"{t.unit_cost:.2f}" if t.unit_cost > 0.0 else ""
    return (t.group, t.ready, t.position, t.chosen, t.to_order, t.order_by, late, t.why, t.protects, price)


def as_pdf(told: StockList) -> bytes:
    """The list as one page of A4, more when a hub holds more than fit; the same list gives the same bytes."""
    rows = [
        [
            t.group,
            str(t.ready),
            str(t.position),
            str(t.chosen),
            str(t.to_order) if t.to_order else "",
            _when(t),
            t.why,
            t.protects,
        ]
        for t in told.rows
    ]
    missing = f"; no price on record: {', '.join(told.unpriced)}" if told.unpriced else ""
    cost = f"To order now: {sum(t.to_order for t in told.rows)} units, {told.cost:.2f}{missing}"
    return stock_paper(told.name, told.at, told.basis, cost, rows)


def _when(target: Target) -> str:
    if target.order_by is None:
        return ""
    return f"{target.order_by:%Y-%m-%d}{', late' if target.is_late else ''}"
