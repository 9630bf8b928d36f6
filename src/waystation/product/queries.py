"""Reading product: lots with their exposure over all spaces, holds, backup spaces with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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
