"""What a recomputed point may do by itself: nothing, change, or wait for somebody.

Up at once when cover is lost; down only after four weeks in which every recomputation said so, and never below the
floor of the class. A step above the limit waits for approval, in either direction. Every decision has a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from waystation.planning.rules.living.points import Point, Sized

Verb = Literal["keep", "change", "ask"]


@dataclass(frozen=True, slots=True)
class Rails:
    """Limits of a class: `floor` units, `step_units` and `step_share` (the larger is the limit of one step), slack.

    `slack` is the cover that may be missing before a point rises; `patience` is how long a lower one must be asked for.
    """

    floor: int = 0
    step_units: int = 2
    step_share: float = 0.5
    slack: float = 0.005
    patience: timedelta = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done, the point that comes of it, why, and since when a lower point is asked for (None: it is not)."""

    verb: Verb
    point: Point
    reason: str
    lower_since: datetime | None


def decide(
    held: Point | None,
    sized: Sized,
    cover: float,
    cover_of_held: float,
    rails: Rails,
    *,
    now: datetime,
    lower_since: datetime | None = None,
) -> Decision:
    """Whether a point changes. `cover_of_held` is what the held point covers by the new law (0 to 1)."""
    wanted = sized.point
    if held is None:
        return Decision("ask", wanted, "the first point of this shelf waits for approval", None)
    if wanted.least < rails.floor:
        wanted = Point(rails.floor - 1, max(rails.floor, wanted.order_up_to))
    if wanted.least > held.least:
        return _up(held, wanted, cover, cover_of_held, rails)
    if wanted.least == held.least:
        at_floor = f", at the class floor of {rails.floor}" if rails.floor and held.least == rails.floor else ""
        why = f"nothing to change: cover {cover_of_held:.1%}, {cover:.1%} asked{at_floor}"
        return Decision("keep", held, why, None)
    return _down(held, wanted, cover, cover_of_held, rails, now, lower_since or now)


def _up(held: Point, wanted: Point, cover: float, cover_of_held: float, rails: Rails) -> Decision:
    if held.least >= rails.floor and cover_of_held >= cover - rails.slack:
        missing = cover - cover_of_held
        return Decision("keep", held, f"cover misses {missing:.2%}, within the slack of {rails.slack:.2%}", None)
    why = f"cover fell to {cover_of_held:.1%}, {cover:.1%} asked"
    if held.least < rails.floor:
        why = f"below the class floor of {rails.floor}"
    return _step(held, wanted, why, rails, None)


def _down(
    held: Point, wanted: Point, cover: float, cover_of_held: float, rails: Rails, now: datetime, since: datetime
) -> Decision:
    if now - since < rails.patience:
        days = rails.patience.days
        why = f"{wanted.least} would do since {since:%Y-%m-%d}; it falls after {days} days of that"
        return Decision("keep", held, why, since)
    why = f"cover {cover_of_held:.1%} for {cover:.1%} asked, since {since:%Y-%m-%d}"
    return _step(held, wanted, why, rails, since)


def within(before: int | None, after: int, floor: int, rails: Rails) -> bool:
    """Whether a step between two reorder points needs nobody's word: it has a start, is small, and keeps the floor."""
    return before is not None and abs(after - before) <= _limit(before + 1, rails) and after + 1 >= floor


def _limit(least: int, rails: Rails) -> int:
    return max(rails.step_units, int(rails.step_share * least))


def _step(held: Point, wanted: Point, why: str, rails: Rails, since: datetime | None) -> Decision:
    step = abs(wanted.least - held.least)
    limit = _limit(held.least, rails)
    words = f"{why}: {held.least} to {wanted.least}"
    if step > limit:
        return Decision("ask", wanted, f"{words}; a step of {step} is above the limit of {limit}", since)
    return Decision("change", wanted, words, None)
