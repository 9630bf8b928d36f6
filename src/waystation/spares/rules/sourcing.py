"""Which unit fills a need: every candidate with its reason, chosen by time to restored service.

What is in time runs by the pre-approved chain (own stock at the site and hubs, central, vendor, emergency
purchase) and within a step by time, never by distance. When nothing is in time, or the limit is unknown,
the quickest wins, with a purchase last, and the product is moved first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from waystation.kernel.units import duration_text
from waystation.spares.rules.compatibility import Verdict
from waystation.spares.rules.hours import local_words

Channel = Literal["local", "hub", "central", "vendor", "purchase"]

STOCK: frozenset[Channel] = frozenset({"local", "hub", "central"})
HIDDEN = "break-glass lane"


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One step of the pre-approved chain: its channels and what may be spent without asking (None: any sum)."""

    channels: tuple[Channel, ...]
    spend_limit: float | None = None
    approved: bool = True


CHAIN: tuple[ChainStep, ...] = (
    ChainStep(("local", "hub")),
    ChainStep(("central",)),
    ChainStep(("vendor",)),
    ChainStep(("purchase",), spend_limit=0.0),
)


@dataclass(frozen=True, slots=True)
class Release:
    """The break-glass lane is open for this incident: who released it, in which role, why."""

    by: str
    role: str
    reason: str


@dataclass(frozen=True, slots=True)
class Need:
    """What an incident needs, and when the worst case reaches the product limit.

    `limit_at` None means that it is unknown. `product_at_stake` is False where no product can be lost.
    `max_check_age_s` None means that no health check is asked for.
    """

    group: str
    site: str
    zone: str
    at: datetime
    limit_at: datetime | None
    product_at_stake: bool = True
    certificate: bool = False
    max_check_age_s: float | None = None
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class UnitView:
    """One serialised unit as the live view shows it. `taken` says who took it, when somebody did."""

    unit_id: str
    serial: str
    state: str
    break_glass: bool = False
    certificate_expires_at: datetime | None = None
    checked_at: datetime | None = None
    taken: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to fill the need: place and channel, the unit (None for vendor and purchase), fit, times and price.

    `likely_at` and `p90_at` come from the restore rule; `refusals` from it and from the lanes.
    """

    place: str
    channel: Channel
    fit: Verdict
    fit_words: str
    likely_at: datetime | None
    p90_at: datetime | None
    unit: UnitView | None = None
    cost: float = 0.0
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate's outcome: chosen, possible or refused, with the reason. A hidden one carries no unit."""

    place: str
    channel: Channel
    unit_id: str | None
    serial: str
    outcome: Literal["chosen", "possible", "refused"]
    reason: str
    conditions: str
    likely_at: datetime | None
    p90_at: datetime | None
    in_time: bool


@dataclass(frozen=True, slots=True)
class Sourcing:
    """The whole decision. `chosen` is None when every candidate is refused."""

    judged: tuple[Judged, ...]
    chosen: Judged | None
    move_first: bool
    reason: str


def source(need: Need, candidates: Sequence[Candidate], chain: tuple[ChainStep, ...] = CHAIN) -> Sourcing:
    """Every candidate in order with its reason: the chosen one, the possible ones, then the refused ones.

    Pure over the live view: when a race for the chosen unit is lost, call again with the units as they stand then.
    """
    refusals = {index: _refusal(need, c, chain) for index, c in enumerate(candidates)}
    usable = [c for index, c in enumerate(candidates) if not refusals[index]]
    usable.sort(key=lambda c: _key(need, c, chain))
    lost = tuple(c for c in candidates if c.unit is not None and c.unit.taken and not _sealed(need, c))
    judged = [_possible(need, c, usable[0], lost) for c in usable]
    refused = [(c, words) for index, c in enumerate(candidates) if (words := refusals[index])]
    refused.sort(key=lambda pair: (_step(chain, pair[0].channel), *_name(pair[0]), pair[1], str(pair[0].p90_at)))
    everything = (*judged, *(_refused(need, c, words) for c, words in refused))
    move_first, why = _move_first(need, usable)
    return Sourcing(everything, judged[0] if judged else None, move_first, why)


def _step(chain: tuple[ChainStep, ...], channel: Channel) -> int:
    return next((n for n, step in enumerate(chain) if channel in step.channels), len(chain))


def _serial(candidate: Candidate) -> str:
    return candidate.unit.serial if candidate.unit is not None else ""


def _name(candidate: Candidate) -> tuple[str, str, str]:
    return candidate.place, candidate.channel, _serial(candidate)


def _sealed(need: Need, candidate: Candidate) -> bool:
    """True when the unit stands in the break-glass lane and nobody released it."""
    return candidate.unit is not None and candidate.unit.break_glass and need.release is None


def _in_time(need: Need, candidate: Candidate) -> bool:
    return need.limit_at is not None and candidate.p90_at is not None and candidate.p90_at < need.limit_at


def _key(need: Need, candidate: Candidate, chain: tuple[ChainStep, ...]) -> tuple[object, ...]:
    """In time: normal stock before break-glass, chain, then time. Late: purchases last, then time."""
    assert candidate.p90_at is not None, "a candidate without an instant is refused"
    glass = candidate.unit is not None and candidate.unit.break_glass
    step = _step(chain, candidate.channel)
    likely = candidate.likely_at or candidate.p90_at
    tie = (likely, candidate.fit != "allowed", candidate.cost, *_name(candidate), candidate.fit_words)
    if _in_time(need, candidate):
        return (0, glass, step, candidate.p90_at, *tie)
    return (1, candidate.channel == "purchase", candidate.p90_at, glass, step, *tie)


def _refusal(need: Need, candidate: Candidate, chain: tuple[ChainStep, ...]) -> str:
    """The first reason why the candidate may not be used; "" when it may."""
    if _sealed(need, candidate):
        return "held for major incidents; release needs the named role"
    if candidate.fit == "refused":
        return candidate.fit_words
    if candidate.unit is None and candidate.channel in STOCK:
        return "none on the shelf"
    if candidate.unit is not None and (words := _unit_refusal(need, candidate.unit, candidate.p90_at)):
        return words
    if candidate.refusals:
        return " ".join(candidate.refusals)
    if candidate.p90_at is None:
        return "no time to restored service can be given"
    return _chain_refusal(candidate, chain)


def _unit_refusal(need: Need, unit: UnitView, install_at: datetime | None) -> str:
    """State, certificate and health check of the unit, judged at the instant at which it would serve."""
    if unit.taken:
        return f"serial {unit.serial} was taken by {unit.taken}"
    if unit.state != "stocked":
        return f"serial {unit.serial} is {unit.state.replace('_', ' ')}"
    if need.certificate:
        if unit.certificate_expires_at is None:
            return f"serial {unit.serial} has no calibration certificate"
        until = local_words(unit.certificate_expires_at, need.zone, seen_from=need.at)
        if unit.certificate_expires_at <= need.at:
            return f"serial {unit.serial}: its certificate has expired ({unit.certificate_expires_at:%d %b %Y})"
        if install_at is not None and unit.certificate_expires_at <= install_at:
            return f"serial {unit.serial}: its certificate expires {until}, before the install is done"
    return _check_refusal(need, unit)


def _check_refusal(need: Need, unit: UnitView) -> str:
    if need.max_check_age_s is None:
        return ""
    allowed = duration_text(need.max_check_age_s)
    if unit.checked_at is None or unit.checked_at > need.at:
        return f"serial {unit.serial} has no health check; one within {allowed} is needed"
    age = need.at - unit.checked_at
    if age <= timedelta(seconds=need.max_check_age_s):
        return ""
    return f"serial {unit.serial}: last health check {duration_text(age.total_seconds())} ago; {allowed} allowed"


def _chain_refusal(candidate: Candidate, chain: tuple[ChainStep, ...]) -> str:
    number = _step(chain, candidate.channel)
    if number == len(chain) or not chain[number].approved:
        return f"{candidate.channel} is not pre-approved for this class"
    limit = chain[number].spend_limit
    if limit is not None and candidate.cost > limit:
        return f"costs {candidate.cost:,.2f}, above the pre-approved {limit:,.2f}"
    return ""


def _possible(need: Need, c: Candidate, best: Candidate, lost: tuple[Candidate, ...]) -> Judged:
    chosen = c is best
    reason = _why_chosen(need, c, lost) if chosen else _why_not(need, c, best)
    conditions = c.fit_words if c.fit == "conditional" else ""
    unit_id = c.unit.unit_id if c.unit is not None else None
    outcome: Literal["chosen", "possible"] = "chosen" if chosen else "possible"
    return Judged(
        c.place, c.channel, unit_id, _serial(c), outcome, reason, conditions, c.likely_at, c.p90_at, _in_time(need, c)
    )


def _refused(need: Need, c: Candidate, words: str) -> Judged:
    if _sealed(need, c):
        return Judged(HIDDEN, c.channel, None, "", "refused", f"Refused: {words}.", "", None, None, False)
    unit_id = c.unit.unit_id if c.unit is not None else None
    reason = words if words.endswith(".") else f"{c.place} refused: {words}."
    return Judged(c.place, c.channel, unit_id, _serial(c), "refused", reason, "", c.likely_at, c.p90_at, False)


def _why_chosen(need: Need, c: Candidate, lost: tuple[Candidate, ...]) -> str:
    assert c.p90_at is not None, "a chosen candidate has an instant"
    ready = local_words(c.p90_at, need.zone, seen_from=need.at)
    words = f"Chosen: restored {ready} in 9 of 10 cases, {_margin(need, c.p90_at)}."
    if c.unit is not None and c.unit.break_glass and need.release is not None:
        words += f" Break-glass released by {need.release.by} ({need.release.role}): {need.release.reason}."
    if lost:
        words += " Next path: " + "; ".join(f"{u.serial} was taken by {u.taken}" for u in _units(lost)) + "."
    return words


def _units(candidates: tuple[Candidate, ...]) -> list[UnitView]:
    return sorted((c.unit for c in candidates if c.unit is not None), key=lambda unit: unit.serial)


def _margin(need: Need, at: datetime) -> str:
    if need.limit_at is None:
        return "the limit is unknown"
    apart = duration_text(abs((need.limit_at - at).total_seconds()))
    return f"{apart} before the worst-case limit" if at < need.limit_at else f"{apart} too late"


def _why_not(need: Need, c: Candidate, best: Candidate) -> str:
    assert c.p90_at is not None, "a possible candidate has an instant"
    assert best.p90_at is not None, "a chosen candidate has an instant"
    slower_s = (c.p90_at - best.p90_at).total_seconds()
    margin = _margin(need, c.p90_at)
    if slower_s > 0:
        return f"Slower by {duration_text(slower_s)}, {margin}."
    if c.unit is not None and c.unit.break_glass:
        return f"Break-glass stock is kept while other stock serves, {margin}."
    if slower_s < 0:
        return f"Quicker, but {best.channel} comes before {c.channel} in the chain and is in time, {margin}."
    return f"As quick, {margin}; {best.place} stands first by chain, fit, cost and name."


def _move_first(need: Need, usable: list[Candidate]) -> tuple[bool, str]:
    if not need.product_at_stake:
        return False, "No product is at stake."
    if need.limit_at is None:
        return True, "The time to the limit is unknown, so no source is proven to be in time: move the product first."
    if any(_in_time(need, c) for c in usable):
        return False, "A source restores before the worst-case limit."
    what = "No part arrives" if usable else "No source can be used"
    return True, f"{what} before the worst-case limit: move the product first."
