"""A plan with laterals, played: the same stock against needs drawn one by one, since no exact law covers lending."""

from __future__ import annotations

import math
from collections.abc import Mapping

from waystation.planning.rules.living.playing import MOST_A_YEAR, Asked, Group, KitAsked, Played, Source, play
from waystation.planning.rules.planner import Plan, lenders_of
from waystation.planning.rules.problem import Problem

HOURS_PER_DAY = 24.0


def played(plan: Plan, problem: Problem, seed: int = 1) -> Played | None:
    """What the plan's stock does when units are lent; None where nothing is lent, and for what is not played.

    Not played: trees of more than two tiers, and more than `MOST_A_YEAR` needs a year.
    """
    total = math.fsum([*(d.per_year for d in problem.demand), *(k.per_year for k in problem.kits)])
    deep = any(n.parent not in (None, problem.nodes[0].id) for n in problem.nodes)
    if plan.stock is None or not plan.laid.fleet.lenders or deep or not 0.0 < total <= MOST_A_YEAR:
        return None
    home = {s.id: problem.nodes[n].id for s, n in zip(problem.sites, plan.laid.site_node, strict=True) if n >= 0}
    ratio = dict(zip((p.id for p in problem.parts), plan.laid.fleet.ratio.tolist(), strict=True))
    supply = problem.nodes[0].lead_time_h
    groups = [Group(p.id, ((p.supply_h or supply) / HOURS_PER_DAY,), ratio[p.id]) for p in problem.parts]
    stock = {
        (node.id, part.id): int(plan.stock[p, n])
        for n, node in enumerate(problem.nodes)
        for p, part in enumerate(problem.parts)
    }
    limits = {s.id: s.max_restore_h for s in problem.sites}
    lent = {s.id: lenders_of(plan.laid, problem, n) for n, s in enumerate(problem.sites)}
    ways = {
        at: _ways(problem, home, lent, at) for at in {d.node for d in problem.demand} | {k.node for k in problem.kits}
    }

    def asked(at: str, part: str, per_year: float) -> Asked:
        return Asked(at, part, per_year, 1, home.get(at, at), limits.get(at, math.inf), ways[at])

    return play(
        [asked(d.node, d.part, d.per_year) for d in problem.demand],
        groups,
        problem.nodes[0].id,
        {n.id: n.lead_time_h / HOURS_PER_DAY for n in problem.nodes[1:]},
        {"plan": stock},
        kits=[KitAsked(tuple(asked(k.node, p, 0.0) for p in k.parts), k.per_year) for k in problem.kits],
        seed=seed,
    )[0]


def _ways(
    problem: Problem, home: Mapping[str, str], lent: Mapping[str, tuple[str, ...]], at: str
) -> tuple[Source, ...]:
    """A site's own node and its lenders; a node that is asked itself."""
    if at not in home:
        return (Source(at, (0.0,)),)
    return tuple(Source(n, (problem.travel_h[n][at],)) for n in (home[at], *lent[at]))
