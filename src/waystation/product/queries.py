"""Reading product: lots with their exposure over all spaces, holds, backup spaces with reasons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from waystation.kernel.authority import Authority
from waystation.product import models as m
from waystation.product.facts import UNKNOWN, SpaceState
from waystation.product.rules import exposure as rules
from waystation.product.rules import moving
from waystation.registry.models import Space
from waystation.registry.queries import one


@dataclass(frozen=True, slots=True)
class LotHere:
    """A lot in a space, where it stood before, its exposure over all of it, and its open holds."""

    consignment: m.Consignment
    since: datetime
    exposure: rules.Exposure
    holds: tuple[m.ProductHold, ...]


def lots(
    by: Authority, space_id: UUID, judged: Mapping[str, Sequence[rules.Judged]], until: datetime
) -> tuple[LotHere, ...]:
    """The lots that stand in a space now. `judged`: verdicts by space id as text, over all spaces where lots stood.

    Time of a space that no verdict covers is not proven.
    """
    space = one(Space, space_id)
    by.require("registry.read", space.site_id)
    here = list(m.Presence.objects.filter(space=space, until=None).select_related("consignment__profile"))
    keys = [stay.consignment_id for stay in here]
    ways = _ways(keys)
    holds: dict[UUID, list[m.ProductHold]] = {}
    for hold in m.ProductHold.objects.filter(consignment_id__in=keys, state="open").select_related("space"):
        holds.setdefault(hold.consignment_id, []).append(hold)
    return tuple(
        LotHere(
            stay.consignment,
            stay.since,
            rules.exposure(ways[stay.consignment_id], judged, until),
            tuple(holds.get(stay.consignment_id, ())),
        )
        for stay in sorted(here, key=lambda s: (s.consignment.lot, s.since))
    )


def exposure_of(
    by: Authority, consignment_id: UUID, judged: Mapping[str, Sequence[rules.Judged]], until: datetime
) -> rules.Exposure:
    """One lot's time out of range over every space in which it stood."""
    by.require("registry.read")
    lot = one(m.Consignment, consignment_id)
    return rules.exposure(_ways([lot.pk])[lot.pk], judged, until)


def way_of(by: Authority, consignment_id: UUID) -> list[m.Presence]:
    """Where a lot stood, in order."""
    by.require("registry.read")
    return list(m.Presence.objects.filter(consignment_id=consignment_id).select_related("space__site"))


def stays(by: Authority, space_id: UUID, start: datetime, end: datetime) -> list[m.Presence]:
    """The stays of lots in a space that touch [start, end), in order, each with its lot."""
    space = one(Space, space_id)
    by.require("registry.read", space.site_id)
    rows = m.Presence.objects.filter(space=space, since__lt=end).select_related("consignment").order_by("since")
    return [stay for stay in rows if stay.until is None or stay.until > start]


def consignments(by: Authority, *, lot: str = "") -> list[m.Consignment]:
    """Lots by code, at most 1 000."""
    by.require("registry.read")
    rows = m.Consignment.objects.select_related("profile")
    return list((rows.filter(lot=lot) if lot else rows)[:1000])


def holds(by: Authority, *, open_only: bool = True, space_id: UUID | None = None) -> list[m.ProductHold]:
    """Product holds of the sites that the caller may see, oldest first."""
    rows = m.ProductHold.objects.select_related("consignment", "space__site")
    sites = by.sites("registry.read")
    rows = rows if sites is None else rows.filter(space__site_id__in=sites)
    rows = rows.filter(state="open") if open_only else rows
    return list(rows.filter(space_id=space_id) if space_id else rows)


def backups(
    by: Authority, space_id: UUID, states: Mapping[UUID, SpaceState], now: datetime, limit_at: datetime | None
) -> tuple[moving.Move, ...]:
    """Where the product of a space can go: fitting profile, room, proven state; each with its reason.

    `states` says what is known now of each backup space; one that is missing is not proven.
    """
    space = one(Space, space_id, among=Space.objects.select_related("profile"))
    by.require("registry.read", space.site_id)
    named = m.BackupSpace.objects.filter(space=space).select_related("backup__profile", "backup__site")
    found = [_backup(row, space, states.get(row.backup_id, UNKNOWN)) for row in named.order_by("backup__name")]
    return moving.rank(_load(space), found, now, limit_at)


def _load(space: Space) -> moving.Load:
    lots_here = [s.consignment for s in _standing(space)]
    profiles = {lot.profile.code for lot in lots_here} or ({space.profile.code} if space.profile else set())
    accepted = frozenset(profiles) if len(profiles) == 1 else frozenset[str]()
    return moving.Load(_litres([lot.volume_l for lot in lots_here]), accepted)


def _backup(row: m.BackupSpace, space: Space, state: SpaceState) -> moving.Backup:
    there = row.backup
    used = _litres([s.consignment.volume_l for s in _standing(there)])
    free = there.capacity_l - used if used is not None and there.capacity_l > 0 else None
    named: Sequence[tuple[str, list[float]]] = (
        ("pack", row.pack_min),
        ("travel", row.travel_min),
        ("unpack", row.unpack_min),
    )
    legs = tuple(
        moving.Leg(kind, pair[0] * 60, pair[1] * 60, row.source)  # type: ignore[arg-type]
        for kind, pair in named
    )
    return moving.Backup(
        str(there),
        there.site_id == space.site_id,
        there.profile.code if there.profile else "none",
        free,
        state.verdict,
        state.words,
        legs,
        state.at_risk,
        state.open_from,
    )


def _standing(space: Space) -> list[m.Presence]:
    return list(m.Presence.objects.filter(space=space, until=None).select_related("consignment__profile"))


def _litres(volumes: Sequence[float | None]) -> float | None:
    """The sum; None as soon as one is unknown."""
    known = [v for v in volumes if v is not None]
    return sum(known) if len(known) == len(volumes) else None


def _ways(keys: Sequence[UUID]) -> dict[UUID, list[rules.Presence]]:
    found: dict[UUID, list[rules.Presence]] = {key: [] for key in keys}
    for stay in m.Presence.objects.filter(consignment_id__in=list(keys)):
        found[stay.consignment_id].append(rules.Presence(str(stay.space_id), stay.since, stay.until))
    return found


def lots_by_space(site_id: UUID) -> dict[UUID, int]:
    """How many lots stand in each space of a site now."""
    stays = m.Presence.objects.filter(space__site_id=site_id, until=None)
    found: dict[UUID, int] = {}
    for space_id in stays.values_list("space_id", flat=True):
        found[space_id] = found.get(space_id, 0) + 1
    return found


def backup_sites(space_id: UUID) -> set[UUID]:
    """The sites of the spaces that are named as backup of a space."""
    return set(m.BackupSpace.objects.filter(space_id=space_id).values_list("backup__site_id", flat=True))


def standing_in(space_id: UUID) -> list[m.Consignment]:
    """The lots that stand in a space now."""
    stays = m.Presence.objects.filter(space_id=space_id, until=None).select_related("consignment")
    return [stay.consignment for stay in stays.order_by("consignment__lot")]


def backup_places(space_id: UUID) -> dict[str, UUID]:
    """The named backup spaces of a space: its name as ranked, and its id."""
    rows = m.BackupSpace.objects.filter(space_id=space_id).select_related("backup__site")
    return {str(row.backup): row.backup_id for row in rows}


def moves_of(incident_id: UUID) -> list[m.Move]:
    """The moves of an incident, oldest first."""
    rows = m.Move.objects.filter(incident_id=incident_id).select_related("from_space__site", "to_space__site")
    return list(rows.order_by("started_at", "pk"))


def where_lots_stand(by: Authority, words: str) -> list[m.Presence]:
    """Where the lots whose code begins with some words stand now, at the sites that the caller may see."""
    rows = m.Presence.objects.filter(until=None, consignment__lot__istartswith=words)
    allowed = by.sites("registry.read")
    rows = rows if allowed is None else rows.filter(space__site_id__in=allowed)
    return list(rows.select_related("consignment", "space__site").order_by("consignment__lot")[:20])


def lots_named(by: Authority, lot: str) -> list[m.Consignment]:
    """The consignments of exactly that lot; several customers may have one each."""
    by.require("registry.read")
    return list(m.Consignment.objects.filter(lot=lot))


def sites_of_lot(consignment_id: UUID) -> list[UUID]:
    """The sites where a consignment ever stood."""
    rows = m.Presence.objects.filter(consignment_id=consignment_id)
    return list(rows.order_by().values_list("space__site_id", flat=True).distinct())


def deviations_of(excursion_ids: Collection[UUID]) -> list[m.Deviation]:
    """The deviations of some excursions."""
    return list(m.Deviation.objects.filter(excursion_id__in=list(excursion_ids)))


def deviations(by: Authority, *, open_only: bool = False) -> list[m.Deviation]:
    """The deviations at the caller's sites, the open ones first, newest first. Needs registry.read."""
    allowed = by.sites("registry.read")
    rows = m.Deviation.objects.select_related("space__site").order_by("-opened_at", "-pk")
    rows = rows if allowed is None else rows.filter(space__site_id__in=allowed)
    found = list(rows.filter(closed_at=None))
    return found if open_only else found + list(rows.exclude(closed_at=None))


def value_of(consignment_id: UUID) -> m.LotValue | None:
    """What one unit of a lot is worth, as last stated; None where nobody said."""
    return m.LotValue.objects.filter(consignment_id=consignment_id, superseded_at=None).first()


def values_of(by: Authority, consignment_id: UUID) -> list[m.LotValue]:
    """Every statement of what a lot is worth, oldest first. Needs registry.read."""
    by.require("registry.read")
    return list(m.LotValue.objects.filter(consignment_id=consignment_id).order_by("stated_at", "pk"))


def holds_of(excursion_ids: Collection[UUID]) -> list[m.ProductHold]:
    """Every hold that some excursions opened, decided or not, by lot."""
    rows = m.ProductHold.objects.filter(excursion_id__in=list(excursion_ids))
    return list(rows.select_related("consignment", "space").order_by("consignment__lot", "opened_at"))


def deviations_between(start: datetime, end: datetime, site_ids: Collection[UUID]) -> list[m.Deviation]:
    """The deviations of some sites that were open at some instant of [start, end), oldest first."""
    rows = m.Deviation.objects.filter(opened_at__lt=end).select_related("space").order_by("opened_at", "pk")
    wanted = set(site_ids)
    return [d for d in rows if d.space.site_id in wanted and (d.closed_at is None or d.closed_at >= start)]


class LotSeen(NamedTuple):
    """A lot as it is recorded."""

    pk: UUID
    lot: str
    product: str
    quantity: Decimal
    unit: str
    customer: str


class Stay(NamedTuple):
    """A lot stood in a space, half-open; `until` None while it stands there."""

    pk: UUID
    space: Space
    since: datetime
    until: datetime | None


class MoveSeen(NamedTuple):
    """A lot's way to another space; without an arrival it is still on its way."""

    pk: UUID
    to_space: Space
    arrived_at: datetime | None
    arrival_c: float | None


class HoldSeen(NamedTuple):
    """What QA held, and how it decided."""

    pk: UUID
    space: Space
    opened_at: datetime
    state: str
    decided_at: datetime | None
    signed_name: str


def lots_touched(start: datetime, end: datetime, *, after: UUID | None, most: int) -> list[LotSeen]:
    """The lots that came, stood, left, were held or decided in [start, end), in order of id, beginning behind one."""
    stood = m.Presence.objects.filter(since__lt=end).filter(Q(until=None) | Q(until__gte=start))
    held = m.ProductHold.objects.filter(opened_at__lt=end).filter(Q(decided_at=None) | Q(decided_at__gte=start))
    rows = m.Consignment.objects.filter(
        Q(Exists(stood.filter(consignment=OuterRef("pk")))) | Q(Exists(held.filter(consignment=OuterRef("pk"))))
    )
    rows = (rows if after is None else rows.filter(pk__gt=after)).order_by("pk")
    return [LotSeen(*row) for row in rows.values_list(*LotSeen._fields)[:most]]


@dataclass(frozen=True, slots=True)
class Ways:
    """Of some lots: their stays in order, the moves by (lot id as text, when it left), and their holds."""

    stays: Mapping[UUID, Sequence[Stay]]
    moves: Mapping[tuple[str, datetime], MoveSeen]
    holds: Mapping[UUID, Sequence[HoldSeen]]


def way_of_each(keys: Sequence[UUID], spaces: Mapping[UUID, Space]) -> Ways:
    """Where each of some lots stood, how it got from one place to the next, and what QA held. `spaces`: all, by id."""
    stays: dict[UUID, list[Stay]] = {}
    stood = m.Presence.objects.filter(consignment_id__in=keys).order_by("since", "pk")
    for lot, pk, space, since, until in stood.values_list("consignment_id", "pk", "space_id", "since", "until"):
        stays.setdefault(lot, []).append(Stay(pk, spaces[space], since, until))
    left = {stay.until for some in stays.values() for stay in some if stay.until is not None}
    moves: dict[tuple[str, datetime], MoveSeen] = {}
    columns = ("consignments", "started_at", "pk", "to_space_id", "arrived_at", "arrival_c")
    for lots, started_at, pk, to_space, arrived_at, arrival_c in m.Move.objects.filter(started_at__in=left).values_list(
        *columns
    ):
        seen = MoveSeen(pk, spaces[to_space], arrived_at, arrival_c)
        moves |= {(key, started_at): seen for key in lots}
    holds: dict[UUID, list[HoldSeen]] = {}
    held = m.ProductHold.objects.filter(consignment_id__in=keys).order_by("pk")
    fields = ("consignment_id", "pk", "space_id", "opened_at", "state", "decided_at", "signed_name")
    for lot, pk, space, opened_at, state, decided_at, name in held.values_list(*fields):
        holds.setdefault(lot, []).append(HoldSeen(pk, spaces[space], opened_at, state, decided_at, name))
    return Ways(stays, moves, holds)
