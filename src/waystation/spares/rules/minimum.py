"""Shelf minimum per place and interchangeable group: alerts by hub, never by the sum of all hubs.

Only what lies on the shelf ready to go is cover. A unit that is pending, in quarantine, reserved or archived is
listed with its state and never counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from waystation.kernel.refusals import BadInput

COVER_STATES: frozenset[str] = frozenset({"stocked"})


@dataclass(frozen=True, slots=True)
class Held:
    """Units of one model and state at a place. `break_glass` stock covers only its own lane."""

    place: str
    model: str
    state: str
    count: int
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least (and, where set, the most) of a group at one place; `band` is its criticality."""

    place: str
    group: str
    minimum: int
    maximum: int | None = None
    band: int = 2
    break_glass: bool = False

    def __post_init__(self) -> None:
        if self.minimum < 0 or (self.maximum is not None and self.maximum < self.minimum):
            raise BadInput(
                "spares.bounds",
                f"Minimum {self.minimum} and maximum {self.maximum} cannot both hold.",
                "Give a minimum of zero or more and a maximum not below it.",
                field="minimum",
                value=self.minimum,
            )


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a place holds against its bounds. `uncounted` lists states and counts that are no cover."""

    place: str
    group: str
    band: int
    cover: int
    minimum: int
    maximum: int | None
    short: int
    excess: int
    by_model: tuple[tuple[str, int], ...]
    uncounted: tuple[tuple[str, int], ...]
    outcome: Literal["short", "enough", "excess"]
    reason: str


def shelves(held: Sequence[Held], bounds: Iterable[Bounds], groups: Mapping[str, str]) -> tuple[Shelf, ...]:
    """Every bound judged at its own place: shortest band first. `groups` maps a model to its group.

    A model without a group stands for itself.
    """
    found = [_judge(bound, [h for h in held if _belongs(h, bound, groups)]) for bound in bounds]
    order = {"short": 0, "excess": 1, "enough": 2}
    return tuple(sorted(found, key=lambda s: (order[s.outcome], s.band, -s.short, s.place, s.group)))


def alerts(judged: Iterable[Shelf]) -> tuple[Shelf, ...]:
    """The shelves below their minimum, whatever other places hold."""
    return tuple(s for s in judged if s.outcome == "short")


def unbounded(held: Sequence[Held], bounds: Sequence[Bounds], groups: Mapping[str, str]) -> tuple[Held, ...]:
    """Stock that no bound speaks of: nobody decided that it belongs there."""
    return tuple(h for h in held if h.count and not any(_belongs(h, bound, groups) for bound in bounds))


def _belongs(held: Held, bound: Bounds, groups: Mapping[str, str]) -> bool:
    group = groups.get(held.model, held.model)
    return held.place == bound.place and group == bound.group and held.break_glass == bound.break_glass


def _judge(bound: Bounds, here: Sequence[Held]) -> Shelf:
    by_model = _counts((h.model, h.count) for h in here if h.state in COVER_STATES)
    uncounted = _counts((h.state, h.count) for h in here if h.state not in COVER_STATES)
    cover = sum(count for _, count in by_model)
    short = max(0, bound.minimum - cover)
    excess = max(0, cover - bound.maximum) if bound.maximum is not None else 0
    outcome: Literal["short", "enough", "excess"] = "short" if short else "excess" if excess else "enough"
    reason = _words(bound, cover, short, excess, uncounted)
    return Shelf(
        bound.place,
        bound.group,
        bound.band,
        cover,
        bound.minimum,
        bound.maximum,
        short,
        excess,
        by_model,
        uncounted,
        outcome,
        reason,
    )


def _counts(pairs: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    sums: dict[str, int] = {}
    for name, count in pairs:
        sums[name] = sums.get(name, 0) + count
    return tuple(sorted((name, count) for name, count in sums.items() if count))


def _words(bound: Bounds, cover: int, short: int, excess: int, uncounted: tuple[tuple[str, int], ...]) -> str:
    words = f"{bound.place}: {cover} of {bound.group} ready, at least {bound.minimum}"
    words += f", at most {bound.maximum}" if bound.maximum is not None else ""
    words += f"; {short} short" if short else f"; {excess} too many" if excess else ""
    aside = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in uncounted)
    return f"{words}; not counted: {aside}." if aside else f"{words}."
