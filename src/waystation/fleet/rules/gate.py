"""The readiness gate: may this site be opened, and if not, which of its conditions fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckState:
    """A check of the onboarding: mandatory or not, passed with evidence, or open, or failed with what follows."""

    key: str
    words: str
    mandatory: bool
    state: str  # open | passed | failed | waived
    evidence: str
    fail_action: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gate looks at."""

    checks: Sequence[CheckState]
    dependencies: Mapping[str, str]  # dependency → owner's name, empty when nobody
    components: Mapping[str, str]  # component class → present | waived | absent
    route_proven: bool
    cover: Mapping[str, bool]  # critical part group → a unit can be there in time
    monitored: bool  # every judging sensor is heard


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that keeps the gate shut: which of the three conditions, and what exactly."""

    condition: str  # inventoried | monitored | restorable
    words: str


def obstacles(facts: Facts) -> list[Obstacle]:
    """Everything that keeps the gate shut; empty when the site may open."""
    found = [
        Obstacle("inventoried", f"{name.replace('_', ' ')} is absent")
        for name, state in facts.components.items()
        if state == "absent"
    ]
    found += [
        Obstacle("inventoried", f"{name.replace('_', ' ')} has no owner")
        for name, owner in facts.dependencies.items()
        if not owner
    ]
    found += [
        _of_check(c) for c in facts.checks if c.mandatory and not (c.state in ("passed", "waived") and c.evidence)
    ]
    if not facts.monitored:
        found.append(Obstacle("monitored", "not every judging probe is heard"))
    if not facts.route_proven:
        found.append(Obstacle("monitored", "the alarm route is not proven: no test page was confirmed"))
    found += [
        Obstacle("restorable", f"no spare {group.replace('_', ' ')} can be there in time")
        for group, covered in facts.cover.items()
        if not covered
    ]
    return found


def _of_check(check: CheckState) -> Obstacle:
    if check.state == "failed":
        return Obstacle("monitored", f"{check.words}: failed. {check.fail_action}")
    return Obstacle("monitored", f"{check.words}: {'no evidence' if check.state == 'passed' else 'open'}")
