"""What happened to lots, step by step: received, moved, sent on, held, decided. Read in chunks, so a year fits.

Where a lot stood says it all: one stay that follows another at once, or by a recorded move, is one way; a stay without
such a link came from, or went to, a place that nobody recorded, and is said to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.product import queries as product
from waystation.product.queries import HoldSeen, LotSeen, MoveSeen, Stay
from waystation.registry.models import Space

AT_ONCE = 500  # lots read together
PERMISSION = "evidence.pack"


class Step(NamedTuple):
    """One thing that happened to a lot at a space: `kind`, when, from or to which other space where that is recorded.

    `kind`: received | sent | moved (inside a site) | held | released | rejected | transferred.
    """

    kind: str
    id: str
    at: datetime
    lot: LotSeen
    space: Space
    other: Space | None = None
    move: MoveSeen | None = None
    hold: HoldSeen | None = None


def steps(by: Authority, start: datetime, end: datetime) -> Iterator[Step]:
    """Every step in [start, end) at the sites that the caller may prove, lot by lot, each lot's in order of time.

    Refuses a period that is empty or names no zone, and a caller who may prove no site.
    """
    check_period(start, end)
    sites = by.sites(PERMISSION)
    if sites == frozenset():
        by.require(PERMISSION)
    return _steps(start, end, sites)


def check_period(start: datetime, end: datetime) -> None:
    """Refuse a period that is empty or names no time zone."""
    if start.tzinfo is None or end.tzinfo is None or not start < end:
        raise BadInput(
            "evidence.export_period",
            f"{start.isoformat()} to {end.isoformat()} is no period.",
            "Write 2026-11-01T00:00:00Z, the start before the end.",
            field="to",
            value=end.isoformat(),
        )


def _steps(start: datetime, end: datetime, sites: frozenset[str] | None) -> Iterator[Step]:
    after: UUID | None = None
    spaces = {space.pk: space for space in Space.objects.select_related("site")}
    while True:
        lots = product.lots_touched(start, end, after=after, most=AT_ONCE)
        if not lots:
            return
        after = lots[-1].pk
        found = product.way_of_each([lot.pk for lot in lots], spaces)
        for lot in lots:
            for step in steps_of(lot, found.stays.get(lot.pk, ()), found.moves, found.holds.get(lot.pk, ())):
                if start <= step.at < end and (sites is None or str(step.space.site_id) in sites):
                    yield step


def steps_of(
    lot: LotSeen,
    stays: Sequence[Stay],
    moves: Mapping[tuple[str, datetime], MoveSeen],
    holds: Sequence[HoldSeen],
) -> list[Step]:
    """All steps of one lot in order. `stays` in order; `moves` by (lot id, when it left)."""
    found: list[Step] = []
    before: Stay | None = None
    for stay in stays:
        found += _between(lot, before, stay, moves)
        before = stay
    if before is not None and before.until is not None:
        move = moves.get((str(lot.pk), before.until))
        found.append(_left(lot, before, before.until, move))
    for hold in holds:
        found.append(Step("held", f"{hold.pk}/held", hold.opened_at, lot, hold.space, hold=hold))
        if hold.decided_at is not None:
            found.append(Step(hold.state, f"{hold.pk}/decided", hold.decided_at, lot, hold.space, hold=hold))
    return sorted(found, key=lambda step: step.at)


def _between(
    lot: LotSeen, before: Stay | None, stay: Stay, moves: Mapping[tuple[str, datetime], MoveSeen]
) -> list[Step]:
    """The steps from one stay to the next: a move inside a site is one, everything else is two."""
    came = f"{stay.pk}/in"
    if before is None or before.until is None:
        return [Step("received", came, stay.since, lot, stay.space)]
    move = moves.get((str(lot.pk), before.until))
    is_one_way = before.until == stay.since or (move is not None and move.arrived_at == stay.since)
    if not is_one_way:
        return [_left(lot, before, before.until, move), Step("received", came, stay.since, lot, stay.space)]
    if before.space.site_id == stay.space.site_id:
        return [Step("moved", came, stay.since, lot, stay.space, before.space, move)]
    return [
        Step("sent", f"{before.pk}/out", before.until, lot, before.space, stay.space, move),
        Step("received", came, stay.since, lot, stay.space, before.space, move),
    ]


def _left(lot: LotSeen, stay: Stay, at: datetime, move: MoveSeen | None) -> Step:
    return Step("sent", f"{stay.pk}/out", at, lot, stay.space, move.to_space if move else None, move)
