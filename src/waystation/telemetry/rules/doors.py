"""Doors and temperature: how long a door stood open, what the probes rose by after it, and what that explains.

Instants are Unix seconds, temperatures degrees Celsius. A rise that nobody measured is None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import correlation

AFTER_S = 900.0  # a quarter of an hour after it closed still belongs to an opening
BEFORE_S = 900.0  # how old the reading before an opening may be
SHORTEST_S = 60.0  # shorter openings, alone, explain nothing
FEWEST = 3
OPEN_SHARE = 0.5  # of the rise up to the first reading outside that came before the opening: more is not the door's
Points = Sequence[tuple[float, float]]
Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Opening:
    """A door that stood open from `start_s` to `end_s`; `is_open` when it had not closed by then."""

    start_s: float
    end_s: float
    is_open: bool = False

    @property
    def open_s(self) -> float:
        """Seconds that it stood open."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Effect:
    """An opening and what the warmest judging probe rose by: from just before it to a quarter of an hour after."""

    opening: Opening
    before_c: float | None
    peak_c: float | None

    @property
    def rise_c(self) -> float | None:
        """Degrees from before to the peak; None where one of them was not measured."""
        return None if self.before_c is None or self.peak_c is None else self.peak_c - self.before_c


def openings(points: Points, hold_s: float, start_s: float, end_s: float) -> list[Opening]:
    """The openings of one door that touch [start_s, end_s), from its readings (0 closed) in order.

    A reading stands for `hold_s` at most: an opening whose end nobody saw ends there.
    """
    found: list[Opening] = []
    for number, (at_s, value) in enumerate(points):
        if not value:
            continue
        following = points[number + 1][0] if number + 1 < len(points) else end_s
        until = min(at_s + hold_s, following, end_s)
        goes_on = bool(found) and at_s <= found[-1].end_s
        first = found.pop().start_s if goes_on else at_s
        found.append(Opening(first, until, is_open=number + 1 == len(points) and until == end_s))
    return [o for o in found if o.end_s > start_s and o.start_s < end_s and o.open_s > 0]


def effects(doors: Sequence[Opening], probes: Sequence[Points]) -> list[Effect]:
    """Each opening with the rise of the probe that rose most after it."""
    return [max((_effect(o, p) for p in probes), key=_by_rise, default=Effect(o, None, None)) for o in doors]


def _by_rise(effect: Effect) -> float:
    return float("-inf") if effect.rise_c is None else effect.rise_c


def _effect(opening: Opening, points: Points) -> Effect:
    before = [v for at, v in points if opening.start_s - BEFORE_S <= at <= opening.start_s]
    after = [v for at, v in points if opening.start_s < at <= opening.end_s + AFTER_S]
    return Effect(opening, before[-1] if before else None, max(after, default=None))


def coupling(found: Sequence[Effect]) -> float | None:
    """Pearson's correlation of seconds open with degrees risen; None under three measured ones or without spread."""
    pairs = [(e.opening.open_s, e.rise_c) for e in found if e.rise_c is not None]
    lengths, rises = [a for a, _ in pairs], [b for _, b in pairs]
    if len(pairs) < FEWEST or min(lengths) == max(lengths) or min(rises) == max(rises):
        return None
    return correlation(lengths, rises)


def explains(out_s: float, high_c: float, points: Points, doors: Sequence[Opening], other: Spans) -> list[Opening]:
    """The openings that explain why a probe rose above `high_c` at `out_s`; none when anything else may have done it.

    The door opened first, with the probe still in range and not already on its way out, and stood open or had closed
    less than a quarter of an hour before. `other` are stretches with another cause: a fault, mains lost.
    """
    near = [o for o in doors if o.start_s < out_s <= o.end_s + AFTER_S]
    near = _chain(near, doors)
    if not near or sum(min(o.end_s, out_s) - o.start_s for o in near) < SHORTEST_S:
        return []
    first_s = near[0].start_s
    if any(a <= out_s and b >= first_s - BEFORE_S for a, b in other):
        return []
    before = [v for at, v in points if first_s - BEFORE_S <= at <= first_s]
    outside = [v for at, v in points if out_s <= at <= out_s + 1]
    if not before or not outside or before[-1] > high_c:
        return []
    already_c, risen_c = before[-1] - min(before), outside[0] - before[-1]
    return near if risen_c > 0 and already_c <= OPEN_SHARE * (risen_c + already_c) else []


def _chain(near: Sequence[Opening], doors: Sequence[Opening]) -> list[Opening]:
    """With the openings before that follow each other within a quarter of an hour: one busy stretch, oldest first."""
    found = sorted(near, key=lambda o: o.start_s)
    for earlier in sorted(doors, key=lambda o: -o.start_s):
        if found and earlier.start_s < found[0].start_s and earlier.end_s + AFTER_S >= found[0].start_s:
            found.insert(0, earlier)
    return found
