"""What telemetry proved of a space, as product counts it: verdicts by stretch, holds for the lots that were inside."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from waystation.kernel.authority import Authority
from waystation.product import queries as product
from waystation.product.actions import holds, moves
from waystation.product.facts import ExcursionFacts, SpaceState
from waystation.product.queries import LotHere
from waystation.product.rules.exposure import Judged, Verdict
from waystation.registry.models import Site, Space
from waystation.telemetry.models import Excursion
from waystation.telemetry.proving import prove
from waystation.telemetry.rules.verdict import Kind
from waystation.telemetry.views import SiteView

MARGIN = timedelta(minutes=40)  # longer than any hold, so that a gap that adjoins an excursion is seen
LONGEST_LOOK = timedelta(days=7)
_VERDICT: dict[Kind, Verdict] = {
    Kind.PROVEN: "in_range_proven",
    Kind.GUARD: "not_proven",
    Kind.GAP: "not_proven",
    Kind.LOW: "out_of_range",
    Kind.HIGH: "out_of_range",
}


def verdicts(space: Space, start: datetime, end: datetime) -> list[Judged]:
    """The verdicts of a space over [start, end]; one stretch not proven when nothing judges it."""
    proof = prove(space, start, end)
    if proof is None:
        return [Judged(start, end, "not_proven")]
    return [Judged(_at(s.start_s), _at(s.end_s), _VERDICT[Kind(s.kind)]) for s in proof.timeline]


def hold_lots(by: Authority, row: Excursion, incident_id: UUID | None, *, now: datetime) -> None:
    """Put the lots that an excursion reached on hold, or bring their open holds up to date."""
    end = min(now, row.ended_at + MARGIN) if row.ended_at else now
    space = Space.objects.select_related("profile", "site").get(pk=row.space_id)
    judged = verdicts(space, row.started_at - MARGIN, end)
    holds.hold_for(by, ExcursionFacts(row.pk, row.space_id, judged, incident_id), now=now)


def open_deviation(by: Authority, first: Excursion, row: Excursion, site: Site, *, now: datetime) -> None:
    """Open the deviation of an excursion that is longer than its class allows, in the worst case.

    `first` is the excursion whose record it becomes, `row` the one that grew. Judged again, it keeps the one it has.
    """
    out_s = max(one.measured_s + one.unknown_s for one in (first, row))
    if out_s <= site.service_class.excursion_deviation_min * 60:
        return
    if not product.deviations_of(same_time(first, row, now)):
        moves.open_deviation(by, first.pk, first.space_id, now=now)


def same_time(first: Excursion, row: Excursion, now: datetime) -> list[UUID]:
    """The records that tell of the same time outside: of other probes of the space, and those that were judged anew."""
    same = Excursion.objects.filter(space_id=row.space_id, direction=row.direction, started_at__lte=_end_of(first, now))
    return [e.pk for e in same if _end_of(e, now) >= first.started_at]


def _end_of(row: Excursion, now: datetime) -> datetime:
    return row.ended_at or now


def states(views: Iterable[SiteView]) -> dict[UUID, SpaceState]:
    """What is known now of every space of some sites, for ranking the places that product may go to."""
    found = {}
    for view in views:
        for space in view.spaces:
            at_risk = any(c is not None and bool(c.value) for c in (space.of("compressor_fault"),))
            verdict = _NOW.get(space.state, "out_of_range")
            since = [s.since for s in space.judging if s.since]
            words = f"{space.state.replace('_', ' ')}, last reading {max(since):%H:%M} UTC" if since else "never heard"
            found[space.id] = SpaceState(verdict, words, at_risk)
    return found


_NOW: dict[str, Verdict] = {"in_range_proven": "in_range_proven", "not_proven": "not_proven"}


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def lots_with_exposure(by: Authority, space_id: UUID, *, now: datetime) -> tuple[LotHere, ...]:
    """The lots that stand in a space, each with its time out over the spaces and days that it stood somewhere.

    At most the last week is judged; a longer stay before it counts as it was held then.
    """
    here = product.standing_in(space_id)
    if not here:
        return ()
    stays = [stay for lot in here for stay in product.way_of(by, lot.pk)]
    begin = max(min(stay.since for stay in stays), now - LONGEST_LOOK)
    where = {stay.space_id for stay in stays if stay.until is None or stay.until > begin}
    spaces = Space.objects.filter(pk__in=where).select_related("profile", "site")
    judged = {str(space.pk): verdicts(space, begin, now) for space in spaces}
    return product.lots(by, space_id, judged, now)
