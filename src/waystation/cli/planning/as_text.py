"""The plan in words: what it costs, what it does, how near to the bound, what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN = 15


def plan_text(told: Mapping[str, Any]) -> str:
    """A page for the terminal; the file has everything."""
    if told["capital"] is None:
        return "\n".join(_none(told))
    lines = [
        f"{told['units']} units, capital {told['capital']:,.0f}, holding {told['holding_per_year']:,.0f} a year",
        f"waiting: {told['backorders']:.4g} units on average" + _service(told),
        f"{told['objective']}: lower bound {told['lower_bound']:.6g}, {_gap(told['gap'])} ({told['status']})",
        *_certificate(told),
        *_played(told["played"]),
        *(_target(row) for row in told["targets"]),
        *(_site(row) for row in told["sites"] if not row["within_limit"]),
        *_stock(told["stock"]),
    ]
    return "\n".join(lines)


def _none(told: Mapping[str, Any]) -> list[str]:
    if told["status"] == "infeasible":
        return ["No plan holds all of these; without any one of them there is a plan for the rest:"] + [
            f"  {name}" for name in told["conflict"]
        ]
    return ["No plan was found in the time given.", "  next: raise time_limit_s, or ask for less."]


def _gap(gap: float | None) -> str:
    return "gap not known: nothing above 0 was proven in the time given" if gap is None else f"gap {gap:.3%}"


def _service(told: Mapping[str, Any]) -> str:
    if told["mean_wait_h"] is None:
        return "; there is no demand"
    return f"; {told['mean_wait_h']:.3g} h for a need, {told['fill_rate']:.1%} met at once"


def _certificate(plan: Mapping[str, Any]) -> list[str]:
    told = plan["certificate"]
    without = ", nothing lent" if any(row["lenders"] for row in plan["sites"]) else ""
    lines = [
        f"exact law over {told['parts']} parts{without}: {told['backorders']:.4g} units waiting, "
        f"the model differs by {told['difference_of_model']:+.2%}"
    ]
    if told["not_covered"]:
        lines.append(f"not certified: {len(told['not_covered'])} parts, {told['why_not']}")
    return lines


def _played(told: Mapping[str, Any] | None) -> list[str]:
    if told is None:
        return []
    met = f"{told['by_own_node']:.1%} met by the own node, {told['by_a_lender']:.1%} by a lender"
    return [f"played: {met}; {told['in_time']:.1%} ± {1.96 * told['in_time_error']:.1%} in time"]


def _target(row: Mapping[str, Any]) -> str:
    return f"{'met' if row['met'] else 'MISSED'}: {row['target']}, reached {row['reached']:.4g}"


def _site(row: Mapping[str, Any]) -> str:
    if row["source"] is None:
        return f"site {row['id']}: no travel time to any node; nothing is proven in {row['max_restore_h']:g} h"
    hours = f"{row['travel_h']:g} h from {row['source']}, {row['max_restore_h']:g} h tolerable"
    return f"site {row['id']} is out of reach: {hours}"


def _stock(rows: list[Mapping[str, Any]]) -> list[str]:
    first = sorted(rows, key=lambda r: (-r["gain_per_money"], r["part"], r["node"]))[:SHOWN]
    lines = [f"  {r['part']} at {r['node']}: {r['units']}; {r['reason']}" for r in first]
    return lines + ([f"  and {len(rows) - SHOWN} more places: --json FILE"] if len(rows) > SHOWN else [])
