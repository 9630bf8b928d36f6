"""What competes in an incident, prepared for drawing: places to move to, parts to bring, against the limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from waystation.console.drawing.lanes import Axis, Step, axis_of, header, lane
from waystation.console.reader import degrees, of_day
from waystation.journeys.outlook import Outlook
from waystation.kernel.units import duration_text
from waystation.product.rules.time_to_limit import TimeToLimit

NO_BREAK = "\u00a0"
_SECONDS = re.compile(r"\b(\d+(?:\.\d+)?) s\b")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row of the table."""

    name: str
    lane: SafeString
    ready_at: datetime | None
    is_chosen: bool
    is_refused: bool
    reason: str
    is_far: bool = False  # not today


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one kind with what their bars mean."""

    title: str
    bars: str
    rows: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The candidates of an incident on one axis."""

    header: SafeString
    groups: tuple[Group, ...]


def table(look: Outlook, attempts: Sequence[Any], zone: ZoneInfo, now: datetime) -> Table | None:
    """The candidate table; None when nothing competes."""
    if not look.moves and not attempts:
        return None
    ends = [m.worst_at for m in look.moves if m.worst_at] + [a.p90_at for a in attempts if a.p90_at]
    likely = look.limit.likely.at if look.limit is not None else None
    axis = axis_of(now, ends, zone, look.limit_at, likely)
    moves = Group("Move the product", "bars: pack, travel, unpack", tuple(_of_move(m, axis) for m in look.moves))
    parts = Group("Bring a part", "bars: prepare, travel, install, re-check", tuple(_merged(attempts, axis)))
    return Table(header(axis), tuple(g for g in (moves, parts) if g.rows))


def _of_move(move: Any, axis: Axis) -> Candidate:
    steps: list[Step] = [(b.kind, b.start, b.end) for b in move.bars]
    refused = move.outcome == "refused"
    chosen = move.outcome == "chosen"
    return Candidate(
        move.space, lane(steps, axis), move.worst_at, chosen, refused, move.reason, _far(move.worst_at, axis)
    )


def _far(at: datetime | None, axis: Axis) -> bool:
    return at is not None and at.astimezone(axis.zone).date() != axis.start.astimezone(axis.zone).date()


def _merged(attempts: Sequence[Any], axis: Axis) -> list[Candidate]:
    """One row for each candidate; units of one hub that are refused for one reason stand in one row."""
    alike: dict[tuple[Any, ...], list[Any]] = {}
    for a in attempts:
        alike.setdefault((a.source, a.outcome, a.reason, a.p90_at), []).append(a)
    return [_of_part(some, axis) for some in alike.values()]


def _of_part(alike: Sequence[Any], axis: Axis) -> Candidate:
    one, refused = alike[0], alike[0].outcome == "refused"
    mode = {"drive": ", by car", "courier": ", courier", "air": ", by air"}.get(str(one.basis.get("mode", "")), "")
    serials = [a.serial for a in alike if a.serial]
    shown = f" {serials[0]}{f' and {len(serials) - 1} more' if len(serials) > 1 else ''}." if serials else ""
    name, chosen = one.source + ("" if refused else mode), one.outcome == "chosen"
    reason = one.reason if refused else f"{one.reason}{shown}"
    return Candidate(name, lane(steps_of(one), axis), one.p90_at, chosen, refused, reason, _far(one.p90_at, axis))


def steps_of(attempt: Any) -> list[Step]:
    """The bars that the decision kept."""
    return [
        (str(b["kind"]), datetime.fromisoformat(b["start"]), datetime.fromisoformat(b["end"]))
        for b in attempt.basis.get("bars", [])
    ]


@dataclass(frozen=True, slots=True)
class Clock:
    """One of the clocks that stand beside each other: how long, until when, against what, and from which sources."""

    title: str
    length: str
    at: datetime | None
    verdict: str
    sources: tuple[str, ...]
    late: bool = False


def clocks(look: Outlook, chosen: Any | None, moved: Any | None, zone: ZoneInfo, now: datetime) -> list[Clock]:
    """Time to limit, time to restore, product safe by moving: equal in size, each with its sources."""
    return [_to_limit(look, zone, now), _to_restore(look, chosen, now), _by_moving(look, moved, now)]


def _to_limit(look: Outlook, zone: ZoneInfo, now: datetime) -> Clock:
    title, limit = "Time to limit, worst case", look.limit
    if limit is None:
        return Clock(title, "unknown", None, "no space with a judging probe belongs to it", ())
    figures = _figures(limit)
    if limit.worst.state == "not_reached":
        return Clock(title, "not reached", None, limit.worst.reason, figures)
    if limit.worst.at is None:
        return Clock(title, "unknown", None, limit.worst.reason, figures)
    if limit.worst.at <= now:
        return Clock(title, "passed", None, _passed(look, now), figures, late=True)
    left = (limit.worst.at - now).total_seconds()
    likely = f"likely {of_day(limit.likely.at.astimezone(zone))}" if limit.likely.at else "likely unknown"
    return Clock(title, _span(left), limit.worst.at, likely, figures)


def _passed(look: Outlook, now: datetime) -> str:
    """What is measured beyond the limit and for how long; where nothing is, that only the worst case is beyond it."""
    space = look.space
    if space is None or not space.excursions:
        return "in the worst case it is passed already; no reading is beyond it"
    first = min(space.excursions, key=lambda e: e.started_at)
    side = "above" if first.direction == "high" else "below"
    beyond = f"{side} {degrees(first.limit_c)} for {_span((now - first.started_at).total_seconds())}"
    near = space.nearest_to_limit()
    if near is None or near.value is None or near.last_at is None or near.doubt:
        return f"{beyond}, now unknown"
    if near.is_silent:
        return f"{beyond}, last {degrees(near.value)} {_span((now - near.last_at).total_seconds())} ago"
    return f"{beyond}, now {degrees(near.value)}"


def _to_restore(look: Outlook, chosen: Any | None, now: datetime) -> Clock:
    title = "Time to restore, 9 of 10 cases"
    if chosen is None or chosen.p90_at is None:
        return Clock(title, "unknown", None, "no part is on its way", ())
    left = max(0.0, (chosen.p90_at - now).total_seconds())
    sources = (f"{chosen.source} {chosen.serial}".strip(), *(_timed(str(f)) for f in chosen.basis.get("figures", [])))
    return Clock(title, _span(left), chosen.p90_at, *_margin(chosen.p90_at, look.limit_at, sources))


def _by_moving(look: Outlook, moved: Any | None, now: datetime) -> Clock:
    title, best = "Product safe by moving", look.move
    if moved is not None:
        where, lots = f"to {moved.to_space}", len(moved.consignments)
        if moved.arrived_at is None:
            words = f"{lots} lots on their way {where}; nothing proves their temperature until they arrive"
            return Clock(title, "on its way", moved.started_at, words, ())
        arrived = f"{lots} lots arrived {where} at {degrees(moved.arrival_c)}"
        return Clock(title, "moved", moved.arrived_at, arrived, ("measured on arrival",))
    if not look.lots:
        return Clock(title, "no product", None, "no lot stands in the space", ())
    if best is None or best.worst_at is None:
        return Clock(title, "no place", None, "no named backup space can take all of it", ())
    sources = (best.space, *(_timed(f.words()) for f in best.figures))
    left = max(0.0, (best.worst_at - now).total_seconds())
    return Clock(title, _span(left), best.worst_at, *_margin(best.worst_at, look.limit_at, sources))


def _margin(at: datetime, limit: datetime | None, sources: tuple[str, ...]) -> tuple[str, tuple[str, ...], bool]:
    if limit is None:
        return "the limit is unknown", sources, False
    apart = _span(abs((limit - at).total_seconds()))
    return (f"in time by {apart}", sources, False) if at < limit else (f"{apart} too late", sources, True)


def _figures(limit: TimeToLimit) -> tuple[str, ...]:
    """The inputs of the forecast, those of the probe that comes first and what surrounds it."""
    probes = {f.name.rsplit(" ", 1)[0] for f in limit.figures if f.name.endswith((" reading", " trend"))}
    others = tuple(f"{probe} " for probe in probes if probe != limit.probe)
    kept = [f for f in limit.figures if not (others and f.name.startswith(others))]
    return tuple(_timed(f.words()) for f in kept)


def _timed(words: str) -> str:
    """`drive 8820 s, measured` as `drive 2 h 27 min, measured`."""
    return _SECONDS.sub(lambda found: _span(float(found[1])), words)


def _span(seconds: float) -> str:
    return duration_text(max(0.0, seconds)).replace(" ", NO_BREAK)
