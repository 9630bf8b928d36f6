"""Where power was lost, and how the generator stands. Says what it rests on, and `unknown` where nobody can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

OUTLET, FACILITY, UTILITY, UNKNOWN, NONE = "local_outlet", "facility_event", "utility", "unknown", "none"
TOGETHER = timedelta(minutes=15)
STARTS_WITHIN = timedelta(minutes=2)
RUNNING, STOPPED, STARTING, FAILED, NOT_KNOWN = "running", "stopped", "starting", "failed_to_start", "unknown"


@dataclass(frozen=True, slots=True)
class Supply:
    """What a meter of power last said: on or not, since when; `is_on` None when nothing fresh is known."""

    name: str
    is_on: bool | None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class PowerVerdict:
    """Where power was lost, and the evidence, as reasons."""

    verdict: str
    reasons: tuple[str, ...]


def localise(own: Sequence[Supply], neighbours: Sequence[Supply]) -> PowerVerdict:
    """Where a site lost power: one outlet, the whole facility, or the utility.

    Another supply of the site that is on makes it the outlet. With every known supply of the site lost, a neighbour
    that lost power within a quarter of an hour makes it the utility, and neighbours that all kept it the facility.
    """
    lost = [s for s in own if s.is_on is False]
    if not lost:
        heard = [s for s in own if s.is_on]
        return PowerVerdict(NONE, tuple(f"{s.name} is on" for s in heard)) if heard else _unknown("no supply is heard")
    said = [f"{s.name} lost{f' at {s.since:%H:%M} UTC' if s.since else ''}" for s in lost]
    if on := [s for s in own if s.is_on]:
        return PowerVerdict(OUTLET, (*said, *(f"{s.name} of the same site is on" for s in on)))
    said += [f"{s.name}: nothing is known" for s in own if s.is_on is None]
    begun = min((s.since for s in lost if s.since is not None), default=None)
    with_it = [n for n in neighbours if n.is_on is False and _together(n.since, begun)]
    if with_it:
        said += [f"{n.name} lost power at {n.since:%H:%M} UTC" for n in with_it]
        return PowerVerdict(UTILITY, (*said, *(f"{n.name} has power" for n in neighbours if n.is_on)))
    kept = [n for n in neighbours if n.is_on]
    if kept and not any(s.is_on is None for s in own):
        return PowerVerdict(FACILITY, (*said, *(f"{n.name} has power" for n in kept)))
    return _unknown(*said, *(f"{n.name} has power" for n in kept), *([] if kept else ["no neighbour is heard"]))


def _together(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and abs(one - other) <= TOGETHER


def _unknown(*reasons: str) -> PowerVerdict:
    return PowerVerdict(UNKNOWN, reasons)


@dataclass(frozen=True, slots=True)
class GeneratorFacts:
    """What is said of a generator, each None when nothing fresh is known. `heard_at` is when `is_running` was said."""

    is_running: bool | None
    heard_at: datetime | None
    has_fault: bool | None
    mains: bool | None
    mains_since: datetime | None


def generator_state(said: GeneratorFacts) -> str:
    """running, stopped, starting, failed_to_start or unknown.

    It failed when it says so, or says two minutes after the mains were lost that it does not run.
    """
    if said.is_running:
        return RUNNING
    if said.has_fault:
        return FAILED
    if said.is_running is None or said.heard_at is None:
        return NOT_KNOWN
    if said.mains is not False or said.mains_since is None:
        return STOPPED if said.mains else NOT_KNOWN
    return FAILED if said.heard_at - said.mains_since >= STARTS_WITHIN else STARTING
