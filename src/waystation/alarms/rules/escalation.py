"""Escalation by the clock: levels with delays; the policy stays as it was at the first page; the last level repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from waystation.kernel.refusals import BadInput

MAX_REPEAT_S = 4 * 3600


@dataclass(frozen=True, slots=True)
class Level:
    """Roles that are paged, and how long their silence is accepted."""

    roles: tuple[str, ...]
    wait_s: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Levels in order; there is no limit to their number and no way to end but acknowledge or clear."""

    levels: tuple[Level, ...]

    def as_list(self) -> list[dict[str, Any]]:
        """Plain data, to be kept with the alarm."""
        return [{"roles": list(level.roles), "wait_s": level.wait_s} for level in self.levels]


def default_policy(first: Sequence[str], acknowledge_within_s: int) -> Policy:
    """From the service class: those the matrix names, then operator with supervisor, then everybody who answers."""
    wait_s = max(min(acknowledge_within_s, MAX_REPEAT_S), 60)
    second = tuple(dict.fromkeys([*first, "operator", "supervisor"]))
    third = tuple(dict.fromkeys([*second, "site_contact", "facilities", "service_manager"]))
    return Policy((Level(tuple(first), wait_s), Level(second, wait_s), Level(third, wait_s)))


def parse(levels: Sequence[Mapping[str, Any]], acknowledge_within_s: int = 900) -> Policy:
    """A policy from plain data; a level without `wait_s` takes the class's time to acknowledge."""
    if not levels:
        raise _bad("levels", [], "A policy has at least one level.")
    found = []
    for number, level in enumerate(levels, 1):
        roles, wait_s = level.get("roles"), level.get("wait_s", acknowledge_within_s)
        if not isinstance(roles, list | tuple) or not roles or not all(isinstance(r, str) and r for r in roles):
            raise _bad("roles", roles, f"Level {number} names nobody.")
        if isinstance(wait_s, bool) or not isinstance(wait_s, int) or not 30 <= wait_s <= MAX_REPEAT_S:
            raise _bad("wait_s", wait_s, f"Level {number} waits 30 to {MAX_REPEAT_S} s.")
        found.append(Level(tuple(roles), wait_s))
    return Policy(tuple(found))


def _bad(field: str, value: object, message: str) -> BadInput:
    return BadInput("alarms.policy_unusable", message, "Correct the level and try again.", field=field, value=value)


def level_at(policy: Policy, number: int) -> Level:
    """Level `number`, counted from 1; past the end the last one repeats."""
    if number < 1:
        raise ValueError(f"levels are counted from 1, not {number}")
    return policy.levels[min(number, len(policy.levels)) - 1]


def next_due(policy: Policy, number: int, paged_at: datetime) -> datetime:
    """When level `number`, paged at `paged_at` and not answered, hands over to the next."""
    return paged_at + timedelta(seconds=level_at(policy, number).wait_s)


def deadlines(policy: Policy, paged_at: datetime, until: datetime) -> list[tuple[int, datetime]]:
    """(level number, instant) of each page that silence causes before `until`, the first page included."""
    found, number, at = [], 1, paged_at
    while at < until:
        found.append((number, at))
        at, number = next_due(policy, number, at), number + 1
    return found
