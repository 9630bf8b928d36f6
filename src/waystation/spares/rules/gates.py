"""What lets a step start: opening hours, a courier's pick-up, a qualified person on shift. Each wait has its words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from waystation.spares.rules.hours import (
    HORIZON_DAYS,
    Pickups,
    WeeklyHours,
    local_words,
    next_open,
    next_pickup,
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
            then, name = _next(gate, now, need_s)
            if then is None:
                return Begun(None, "", tuple(waits), _never(gate))
            who = name or who
            if then > now:
                waits.append(Wait(now, then, _words(gate, now, then, name)))
                now = then
        if now == before:
            return Begun(now, who, tuple(waits))
    names = " and ".join(gate.name for gate in gates)
    return Begun(None, "", tuple(waits), f"{names} never meet within {HORIZON_DAYS} days")


def _next(gate: Gate, at: datetime, need_s: float) -> tuple[datetime | None, str]:
    """The gate's own next instant, and the person where it names one."""
    if isinstance(gate, OpenGate):
        return next_open(gate.hours, at, need_s if gate.whole else 0.0), ""
    if isinstance(gate, PickupGate):
        return next_pickup(gate.pickups, at), ""
    free = [(then, p.name) for p in gate.people if (then := next_open(p.hours, at, need_s)) is not None]
    return min(free, default=(None, ""))


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
