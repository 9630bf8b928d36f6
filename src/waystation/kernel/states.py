"""The states of the product's records and every change between them that is allowed. All else is refused."""

from __future__ import annotations

from collections.abc import Mapping

from waystation.kernel.refusals import Conflict

Machine = Mapping[str, frozenset[str]]


def _machine(**arrows: str) -> Machine:
    return {state: frozenset(targets.split()) for state, targets in arrows.items()}


SITE = _machine(
    planned="commissioning retired",
    commissioning="active planned retired",
    active="paused retired",
    paused="active retired",
    retired="",
)

UNIT = _machine(
    received="stocked quarantined",
    stocked="reserved in_transit quarantined lost",
    reserved="in_transit stocked installed",
    in_transit="installed stocked lost",
    installed="failed returning",
    failed="returning",
    returning="quarantined lost",
    quarantined="wiped",
    wiped="repaired disposed",
    repaired="stocked disposed",
    disposed="",
    lost="quarantined",
)

ALARM = _machine(
    normal="active_unacked suppressed out_of_service",
    active_unacked="active_acked cleared_unacked shelved suppressed out_of_service",
    active_acked="normal shelved suppressed out_of_service active_unacked",
    cleared_unacked="normal active_unacked shelved",
    shelved="active_unacked active_acked normal",
    suppressed="active_unacked active_acked normal",
    out_of_service="active_unacked normal",
)

INCIDENT = _machine(
    open="acknowledged mitigated resolved",
    acknowledged="mitigated resolved",
    mitigated="resolved acknowledged",
    resolved="reviewed",
    reviewed="",
)

RUN = _machine(
    proposed="awaiting_approval running canceled",
    awaiting_approval="running canceled failed",
    running="awaiting_approval undoing succeeded failed canceled stuck",
    undoing="rolled_back stuck failed",
    stuck="running undoing failed canceled",
    succeeded="",
    rolled_back="",
    failed="",
    canceled="",
)

RESERVATION = _machine(held="consumed released expired", consumed="", released="", expired="")

PLAN = _machine(proposed="approved superseded", approved="applied superseded", applied="superseded", superseded="")

SUBSCRIPTION = _machine(active="paused ended", paused="active ended", ended="")

MAINTENANCE = _machine(
    planned="underway done done_with_remarks not_done cancelled",
    underway="done done_with_remarks not_done",
    done="",
    done_with_remarks="",
    not_done="",
    cancelled="",
)

MACHINES: Mapping[str, Machine] = {
    "site": SITE,
    "unit": UNIT,
    "alarm": ALARM,
    "incident": INCIDENT,
    "run": RUN,
    "reservation": RESERVATION,
    "plan": PLAN,
    "subscription": SUBSCRIPTION,
    "maintenance": MAINTENANCE,
}


def choices(kind: str) -> list[tuple[str, str]]:
    """The states of `kind` in order, as (value, words) pairs."""
    return [(state, state.replace("_", " ")) for state in MACHINES[kind]]


def step(kind: str, current: str, target: str) -> str:
    """`target`, when the machine of `kind` allows it from `current`; otherwise a Conflict that names both."""
    return follow(MACHINES[kind], kind, current, target)


def follow(machine: Machine, kind: str, current: str, target: str) -> str:
    """`target`, when this machine draws an arrow to it from `current`; `kind` is what the refusal calls the thing."""
    allowed = machine.get(current, frozenset())
    if target not in allowed:
        ways = ", ".join(sorted(allowed)).replace("_", " ") or "nothing: it has ended"
        raise Conflict(
            "state.refused",
            f"This {kind} is {current.replace('_', ' ')} and cannot become {target.replace('_', ' ')}.",
            f"From here it can become: {ways}.",
        )
    return target
