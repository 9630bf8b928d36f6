"""What breaks first: the plan under a doubled lead time, a wave of defects, a lost hub."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero
from waystation.planning.rules.living.outlook import Stock, run_out


@dataclass(frozen=True, slots=True)
class Stress:
    """One scenario by name. `hub` is lost, `group` gets `demand_factor` times its demand ("" is every group)."""

    name: str
    lead_time_factor: float = 1.0
    demand_factor: float = 1.0
    group: str = ""
    hub: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """A shelf under stress: no-stock-out chance over a lead time before and after, and the cautious day it runs out."""

    hub: str
    group: str
    cover_before: float
    cover_after: float
    run_out_day: int | None
    words: str


def stressed(held: Sequence[Stock], stress: Stress, cover: float, next_hub: Mapping[str, str]) -> tuple[Broken, ...]:
    """Every shelf under the scenario, the first to break first; those whose cover stays above `cover` are left out.

    A lost hub's demand goes to `next_hub` of it; without one nobody serves it, and it stands first with cover 0.
    """
    above_zero("lead_time_factor", stress.lead_time_factor), above_zero("demand_factor", stress.demand_factor)
    if stress.hub and stress.hub not in {s.hub for s in held}:
        raise BadInput(
            "planning.hub", f"{stress.hub} holds nothing in this plan.", "Name a hub of the plan.", field="hub"
        )
    found = []
    for stock in held:
        after = _changed(stock, held, stress, next_hub)
        now = 1.0 - stock.use.chance_of_more(stock.ready, stock.lead_time_days)
        then = 0.0 if after is None else 1.0 - after.use.chance_of_more(after.ready, after.lead_time_days)
        if after is not None and (then >= cover or then >= now):
            continue
        if after is None and stock.use.per_day <= 0.0:
            continue
        day = 0 if after is None else run_out(after.ready, after.use, cover, after.lead_time_days, {}).cautious_day
        found.append(Broken(stock.hub, stock.group, now, then, day, _words(stock, now, then, day, after is None)))
    return tuple(
        sorted(found, key=lambda b: (10**6 if b.run_out_day is None else b.run_out_day, b.cover_after, b.hub, b.group))
    )


def _changed(stock: Stock, held: Sequence[Stock], stress: Stress, next_hub: Mapping[str, str]) -> Stock | None:
    """The shelf as the scenario leaves it; None for a shelf of a lost hub that nobody stands in for."""
    if stock.hub == stress.hub:
        heir = next_hub.get(stress.hub)
        served = any((s.hub, s.group) == (heir, stock.group) for s in held)
        return dataclasses.replace(stock, use=dataclasses.replace(stock.use, per_day=0.0)) if served else None
    use = stock.use
    if stress.group in ("", stock.group):
        use = dataclasses.replace(use, per_day=use.per_day * stress.demand_factor)
    if stress.hub and next_hub.get(stress.hub) == stock.hub:
        lost = [s for s in held if s.hub == stress.hub and s.group == stock.group]
        use = dataclasses.replace(use, per_day=use.per_day + sum(s.use.per_day for s in lost))
    return dataclasses.replace(stock, use=use, lead_time_days=stock.lead_time_days * stress.lead_time_factor)


def _words(stock: Stock, now: float, then: float, day: int | None, alone: bool) -> str:
    if alone:
        return f"{stock.group} at {stock.hub}: the hub is lost and no other stands in for it"
    when = "" if day is None else f", may run out on day {day}"
    return f"{stock.group} at {stock.hub}: cover {now:.1%} falls to {then:.1%}{when}"
