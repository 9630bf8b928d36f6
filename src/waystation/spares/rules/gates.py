"""What lets a step start: opening hours, a courier's pick-up, a qualified person on shift. Each wait has its words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from waystation.spares.rules.hours import (
    HORIZON_DAYS,
    NEVER,
    Array,
    Pickups,
    WeeklyHours,
    local_words,
    next_open_s,
    next_opens,
    next_pickup_s,
    next_pickups,
)

MAX_ROUNDS = 64


@dataclass(frozen=True, slots=True)
class OpenGate:
    """The step starts, and when `whole` also ends, inside these hours: staffing, an access window."""

    name: str
    hours: WeeklyHours
    whole: bool = True


@dataclass(frozen=True, slots=True)
class PickupGate:
    """The step starts at a pick-up of the courier called `name`."""

    name: str
    pickups: Pickups


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody qualified for the work, and the hours of duty."""

    name: str
    hours: WeeklyHours


@dataclass(frozen=True, slots=True)
class PeopleGate:
    """One of these people does the whole step within one shift. `name` is the qualification."""

    name: str
    people: tuple[Person, ...]


Gate = OpenGate | PickupGate | PeopleGate


@dataclass(frozen=True, slots=True)
class Wait:
    """Time that passes before a gate lets the step start."""

    start: datetime
    end: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Begun:
    """When a step may start (None: not within the horizon, and why), who does it, and every wait before."""

    at: datetime | None
    who: str
    waits: tuple[Wait, ...]
    refusal: str = ""


def opening(gates: tuple[Gate, ...], at: datetime, need_s: float) -> Begun:
    """The first instant at or after `at` at which every gate allows a step of `need_s` seconds."""
    now, waits, who = at, list[Wait](), ""
    for _ in range(MAX_ROUNDS):
        before = now
        for gate in gates:
            then_s, name = _next(gate, now.timestamp(), need_s)
            if then_s == NEVER:
                return Begun(None, "", tuple(waits), _never(gate))
            who = name or who
            if then_s > now.timestamp():
                then = datetime.fromtimestamp(then_s, UTC)
                waits.append(Wait(now, then, _words(gate, now, then, name)))
                now = then
        if now == before:
            return Begun(now, who, tuple(waits))
    names = " and ".join(gate.name for gate in gates)
    return Begun(None, "", tuple(waits), f"{names} never meet within {HORIZON_DAYS} days")


def openings(gates: tuple[Gate, ...], at_s: Array, need_s: Array) -> Array:
    """The instants of `opening` in Unix seconds, without their words, for many at once, all (K,); `NEVER` for none."""
    now_s = before_s = at_s
    for _ in range(MAX_ROUNDS):
        before_s = now_s
        for gate in gates:
            now_s = _next_of_all(gate, now_s, need_s)
        if len(gates) == 1 or np.array_equal(now_s, before_s):
            return now_s
    return np.where(now_s == before_s, now_s, NEVER)


def _next_of_all(gate: Gate, at_s: Array, need_s: Array) -> Array:
    """`_next` of many instants, without the person."""
    if isinstance(gate, OpenGate):
        return next_opens(gate.hours, at_s, need_s if gate.whole else np.zeros_like(need_s))
    if isinstance(gate, PickupGate):
        return next_pickups(gate.pickups, at_s)
    shifts = {p.hours: None for p in gate.people}
    found = np.full(len(at_s), NEVER)
    for hours in shifts:
        found = np.minimum(found, next_opens(hours, at_s, need_s))
    return found


def _next(gate: Gate, at_s: float, need_s: float) -> tuple[float, str]:
    """The gate's own next instant in Unix seconds, and the person where it names one."""
    if isinstance(gate, OpenGate):
        return next_open_s(gate.hours, at_s, need_s if gate.whole else 0.0), ""
    if isinstance(gate, PickupGate):
        return next_pickup_s(gate.pickups, at_s), ""
    return min(((next_open_s(p.hours, at_s, need_s), p.name) for p in gate.people), default=(NEVER, ""))


def _zone(gate: Gate, who: str) -> str:
    if isinstance(gate, OpenGate):
        return gate.hours.zone
    if isinstance(gate, PickupGate):
        return gate.pickups.zone
    return next(p.hours.zone for p in gate.people if p.name == who)


def _words(gate: Gate, at: datetime, then: datetime, who: str) -> str:
    when = local_words(then, _zone(gate, who), seen_from=at)
    if isinstance(gate, PickupGate):
        return f"{gate.name} cut-off passed; first pick-up {when}"
    if isinstance(gate, PeopleGate):
        return f"no {gate.name} on shift for the whole step; first {who} {when}"
    return f"{gate.name} closed or too short; opens {when}"


def _never(gate: Gate) -> str:
    if isinstance(gate, PickupGate):
        return f"{gate.name} has no pick-up within {HORIZON_DAYS} days"
    if isinstance(gate, PeopleGate):
        if not gate.people:
            return f"nobody is a {gate.name}"
        return f"no {gate.name} has a shift long enough within {HORIZON_DAYS} days"
    return f"{gate.name} has no opening long enough within {HORIZON_DAYS} days"
