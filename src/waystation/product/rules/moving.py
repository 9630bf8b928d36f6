"""Where to move the product: backup spaces ranked by when everything stands in them, refusals with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from waystation.kernel.figures import Figure, Source
from waystation.kernel.units import duration_text
from waystation.product.rules.exposure import Verdict


@dataclass(frozen=True, slots=True)
class Leg:
    """One part of a move: likely and worst seconds, with their source."""

    kind: Literal["pack", "travel", "unpack"]
    likely_s: float
    worst_s: float
    source: Source
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What must move: its volume (None: unknown) and the profiles that QA accepts for every lot in it."""

    litres: float | None
    profiles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Backup:
    """A space that might take the product, with its own state. `state_words` says since when or why not."""

    space: str
    same_site: bool
    profile: str
    free_litres: float | None
    verdict: Verdict
    state_words: str
    legs: tuple[Leg, ...]
    at_risk: bool = False
    open_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of the bar of a move: wait, pack, travel or unpack."""

    kind: Literal["wait", "pack", "travel", "unpack"]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """A backup space's answer: when the product is safe in it, and by when to start. Refused: no times."""

    space: str
    outcome: Literal["chosen", "possible", "refused"]
    reason: str
    likely_at: datetime | None
    worst_at: datetime | None
    start_by: datetime | None
    in_time: bool
    bars: tuple[Bar, ...]
    figures: tuple[Figure, ...]


def rank(load: Load, backups: Sequence[Backup], now: datetime, limit_at: datetime | None) -> tuple[Move, ...]:
    """Every backup space: in time first, then by its worst-case instant; refused ones last, none dropped.

    `limit_at` None means that the limit is unknown: nothing is then proven to be in time.
    """
    usable = sorted(
        (b for b in backups if not refusal(load, b)), key=lambda b: (_worst_at(b, now), not b.same_site, b.space)
    )
    best = usable[0] if usable else None
    found = [_move(load, b, best, now, limit_at) for b in usable if best is not None]
    refused = sorted(
        ((b, refusal(load, b)) for b in backups if refusal(load, b)), key=lambda pair: (pair[0].space, pair[1])
    )
    found += [Move(b.space, "refused", words, None, None, None, False, (), _figures(b)) for b, words in refused]
    return tuple(found)


def refusal(load: Load, backup: Backup) -> str:
    """Why the space may not take the product; "" when it may. Its own doubt comes first."""
    if backup.verdict == "out_of_range":
        return f"Out of range itself: {backup.state_words}."
    if backup.verdict == "not_proven":
        return f"Not proven itself: {backup.state_words}."
    if backup.at_risk:
        return f"At risk itself: {backup.state_words}."
    if backup.profile not in load.profiles:
        wanted = ", ".join(sorted(load.profiles)) or "none that QA accepted for every lot"
        return f"Profile {backup.profile} does not fit; accepted: {wanted}."
    if load.litres is None:
        return "The volume to move is unknown."
    if backup.free_litres is None:
        return f"Its free room is unknown; {load.litres:g} litres needed."
    if backup.free_litres < load.litres:
        return f"Room for {backup.free_litres:g} litres, {load.litres:g} needed."
    if not backup.legs:
        return "No time for the move is known."
    return ""


def _worst_at(backup: Backup, now: datetime) -> datetime:
    begin = max(now, backup.open_from) if backup.open_from else now
    return begin + timedelta(seconds=sum(leg.worst_s for leg in backup.legs))


def _bars(backup: Backup, now: datetime) -> tuple[Bar, ...]:
    """The worst case as a seamless bar."""
    at = max(now, backup.open_from) if backup.open_from else now
    bars = [Bar("wait", now, at)] if at > now else []
    for leg in backup.legs:
        end = at + timedelta(seconds=leg.worst_s)
        bars.append(Bar(leg.kind, at, end))
        at = end
    return tuple(bars)


def _figures(backup: Backup) -> tuple[Figure, ...]:
    return tuple(Figure(leg.kind, leg.worst_s, "s", leg.source, leg.detail) for leg in backup.legs)


def _move(load: Load, b: Backup, best: Backup, now: datetime, limit_at: datetime | None) -> Move:
    worst_at = _worst_at(b, now)
    takes_s = sum(leg.worst_s for leg in b.legs)
    likely_at = worst_at - timedelta(seconds=takes_s - sum(min(leg.likely_s, leg.worst_s) for leg in b.legs))
    in_time = limit_at is not None and worst_at < limit_at
    start_by = limit_at - timedelta(seconds=takes_s) if limit_at is not None else None
    reason = f"{_why(load, b, best, now)} {_margin(worst_at, limit_at)}"
    outcome: Literal["chosen", "possible"] = "chosen" if b is best else "possible"
    return Move(b.space, outcome, reason, likely_at, worst_at, start_by, in_time, _bars(b, now), _figures(b))


def _why(load: Load, b: Backup, best: Backup, now: datetime) -> str:
    room = f"profile {b.profile}, room for {b.free_litres:g} litres, {load.litres:g} needed"
    if b is best:
        return f"Chosen: {room}."
    slower = (_worst_at(b, now) - _worst_at(best, now)).total_seconds()
    return f"Fits: {room}. Slower by {duration_text(slower)}." if slower > 0 else f"Fits: {room}. As quick."


def _margin(worst_at: datetime, limit_at: datetime | None) -> str:
    if limit_at is None:
        return "The limit is unknown."
    apart = duration_text(abs((limit_at - worst_at).total_seconds()))
    return f"In time by {apart}." if worst_at < limit_at else f"{apart} too late."
