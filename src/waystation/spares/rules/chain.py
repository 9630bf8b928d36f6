"""Walking a chain of custody: only drawn arrows are taken, and the first that is not drawn ends the walk."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from waystation.kernel.refusals import Conflict
from waystation.kernel.states import follow


@dataclass(frozen=True, slots=True)
class Walk:
    """How many states were taken, where the unit stands, and the first that was refused."""

    accepted: int
    final: str
    first_rejected: str | None


def walk(initial: str, allowed: Mapping[str, Collection[str]], requested: Sequence[str]) -> Walk:
    """Take the requested states in turn from `initial`; `allowed` draws the arrows. Nothing is taken past a refusal."""
    machine = {state: frozenset(targets) for state, targets in allowed.items()}
    state = initial
    for number, target in enumerate(requested):
        try:
            state = follow(machine, "unit", state, target)
        except Conflict:
            return Walk(number, state, target)
    return Walk(len(requested), state, None)
