"""What is learnt about a model becomes a proposal: more stock, a claim, a refresh, a ban, a retirement, a merger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.bad_actors import garwood
from waystation.planning.rules.checks import above_zero, at_least_zero, share
from waystation.planning.rules.counts import negative_binomial, smallest_cover
from waystation.planning.rules.demand.field import Suspect
from waystation.planning.rules.demand.leadtime import DAYS_PER_MONTH

Verb = Literal["stock", "vendor claim", "refresh", "ban"]
CLAIM_FROM, BAN_FROM = 1.0, 2.5
MOST_MONTHS = 600  # of a model's way out, and of its steps
SPREAD = 1.2  # variance to mean where a model has no dispersion of its own


@dataclass(frozen=True, slots=True)
class Facts:
    """About a model in the field: units, how many in warranty, how many of them old (past their refresh date)."""

    units: int
    in_warranty: int
    due_for_refresh: int
    has_replacement: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """One thing to do about a model, why, and how much of it: units of stock, of claim, of refresh."""

    model: str
    verb: Verb
    units: int
    words: str


def proposals(
    suspect: Suspect, facts: Facts, months: float, lead_time_days: float, cover: float
) -> tuple[Proposal, ...]:
    """What a finding of `months` of record asks for; nothing for a model that is not flagged.

    Nothing is done without approval.
    """
    if not suspect.flagged or suspect.ratio is None:
        return ()
    told = f"{suspect.failures:.0f} failures where {suspect.expected:.1f} are usual, {suspect.probability:.0%} sure"
    found = [Proposal(suspect.model, "stock", _more(suspect, months, lead_time_days, cover), told)]
    if facts.in_warranty and suspect.ratio > CLAIM_FROM:
        words = f"{facts.in_warranty} of {facts.units} units are in warranty; {told}"
        found.append(Proposal(suspect.model, "vendor claim", facts.in_warranty, words))
    if facts.due_for_refresh and facts.has_replacement:
        found.append(Proposal(suspect.model, "refresh", facts.due_for_refresh, f"past their refresh date; {told}"))
    if suspect.ratio >= BAN_FROM and facts.has_replacement:
        found.append(Proposal(suspect.model, "ban", 0, f"no new units: {suspect.ratio:.1f} times the others; {told}"))
    return tuple(found)


def _more(suspect: Suspect, months: float, lead_time_days: float, cover: float) -> int:
    """Units of cover that the model's own rate asks for beyond the usual one."""
    part = lead_time_days / DAYS_PER_MONTH / above_zero("months", months)
    usual = smallest_cover(negative_binomial(suspect.expected * part, SPREAD), cover)
    own = smallest_cover(negative_binomial(suspect.failures * part, SPREAD), cover)
    return max(0, own - usual)


@dataclass(frozen=True, slots=True)
class ModelStock:
    """A model of a family: units in the field, demand a month at a hub, units held, kits and labels of its own.

    `blockers` say in words why it cannot go: a certificate, a connector, a firmware.
    """

    model: str
    in_field: int
    per_month: float
    held: int
    unit_cost: float
    kits: int = 0
    labels: int = 0
    blockers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rationalised:
    """A family on fewer models: which go and stay, units, capital, kits and labels saved, what stands in the way."""

    keep: tuple[str, ...]
    retire: tuple[str, ...]
    units_saved: int
    capital_saved: float
    kits_saved: int
    labels_saved: int
    blocked: Mapping[str, tuple[str, ...]]


def rationalised(family: Sequence[ModelStock], lead_time_days: float, cover: float) -> Rationalised:
    """The family served by its largest model and by those that cannot go. Saved stock is by pooled cover."""
    share("cover", cover)
    largest = max(family, key=lambda m: (m.in_field, m.model)) if family else None
    keep = [m for m in family if m is largest or m.blockers]
    gone = [m for m in family if m not in keep]
    alone = {m.model: _needed(m.per_month, lead_time_days, cover) for m in family}
    units, capital = 0, 0.0
    if largest is not None:
        pooled = _needed(largest.per_month + sum(m.per_month for m in gone), lead_time_days, cover)
        units = alone[largest.model] + sum(alone[m.model] for m in gone) - pooled
        capital = sum(alone[m.model] * m.unit_cost for m in gone) - (pooled - alone[largest.model]) * largest.unit_cost
    return Rationalised(
        tuple(m.model for m in keep),
        tuple(m.model for m in gone),
        units,
        capital,
        sum(m.kits for m in gone),
        sum(m.labels for m in gone),
        {m.model: m.blockers for m in family if m.blockers},
    )


def _needed(per_month: float, lead_time_days: float, cover: float) -> int:
    return smallest_cover(negative_binomial(per_month * lead_time_days / DAYS_PER_MONTH, SPREAD), cover)


@dataclass(frozen=True, slots=True)
class Retirement:
    """A model on its way out: months until its stock is used, units left over, units missing, and what comes last."""

    run_out_month: float | None
    last_site_month: int
    left_over: int
    missing: int
    words: str


def retirement(model: ModelStock, leaving: Sequence[tuple[int, int]], cover: float) -> Retirement:
    """Run-out and last-site month. `leaving` are (month from now, units taken out); demand falls with the units left.

    `missing` is what the stock lacks to cover the run-out at `cover`; then a last order is due. Refused beyond 600
    months, with more than as many rows, or with units below zero.
    """
    share("cover", cover)
    if len(leaving) > MOST_MONTHS or any(not 0 <= month <= MOST_MONTHS or units < 0 for month, units in leaving):
        raise BadInput(
            "planning.leaving",
            "A model leaves within 600 months, in as many steps, some units at a time.",
            "Give months from 0 to 600 and units of 0 or more.",
            field="leaving",
        )
    last = max((month for month, _ in leaving), default=0)
    left, mean, gone = model.in_field, 0.0, None
    for month in range(last + 1):
        left -= sum(units for when, units in leaving if when == month)
        mean += model.per_month * max(0, left) / max(1, model.in_field)
        gone = month if gone is None and mean >= model.held else gone
    needed = smallest_cover(negative_binomial(mean, SPREAD), cover)
    missing, over = max(0, needed - model.held), max(0, model.held - needed)
    stays = f"; {left} units have no date" if left > 0 else ""
    words = f"last site in month {last}, {mean:.1f} failures until then{stays}"
    return Retirement(None if gone is None else float(gone), last, over, missing, words)


@dataclass(frozen=True, slots=True)
class PilotDifference:
    """One line of the policy that a pilot asks for: what was planned, what came, what is proposed."""

    group: str
    planned_per_month: float
    came_per_month: float
    low: float
    high: float
    proposed_per_month: float | None
    words: str


def pilot_difference(group: str, planned_per_month: float, months: float, came: int) -> PilotDifference:
    """The rate after a pilot: the planned one holds unless the exact interval of what came leaves it out."""
    span = max(at_least_zero("months", months), 1e-9)
    low, high = (bound / span for bound in garwood(came, 0.9))
    inside = low <= planned_per_month <= high
    seen = came / span
    # the pilot's months beside as many months of belief in the plan
    drawn = math.fsum((came, planned_per_month * span)) / (2.0 * span)
    words = f"{seen:.2g} a month came ({low:.2g} to {high:.2g}), {planned_per_month:.2g} were planned"
    return PilotDifference(
        group, planned_per_month, seen, low, high, None if inside else drawn, words + (": it stays" if inside else "")
    )
