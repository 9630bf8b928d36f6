"""Moving product to a backup space, and QA's deviations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotReady
from waystation.product import models as m
from waystation.registry.models import Space
from waystation.registry.queries import one

FIELDS = m.Deviation.FIELDS
LOWEST_C, HIGHEST_C = -200.0, 100.0


def name_backup(
    by: Authority,
    space_id: UUID,
    backup_id: UUID,
    *,
    pack_min: Sequence[float],
    travel_min: Sequence[float],
    unpack_min: Sequence[float],
    source: str = "assumed",
    name: str = "",
    now: datetime,
) -> m.BackupSpace:
    """Name a backup for a space, with likely and worst minutes of each leg. Naming it again corrects it."""
    space, backup = one(Space, space_id), one(Space, backup_id)
    by.require("product.consign", space.site_id)
    if space.pk == backup.pk:
        raise BadInput("product.backup", "A space is not its own backup.", "Name another.", field="backup_id")
    for field, pair in (("pack_min", pack_min), ("travel_min", travel_min), ("unpack_min", unpack_min)):
        if len(pair) != 2 or not 0 <= pair[0] <= pair[1] < math.inf:
            raise BadInput(
                "product.minutes",
                f"{field} {pair!r} is not likely and worst.",
                "Write [10, 15].",
                field=field,
                value=str(pair),
            )
    if source not in ("measured", "reported", "assumed"):
        raise BadInput("product.source", f"{source!r}?", "measured, reported or assumed.", field="source", value=source)
    row = m.BackupSpace.objects.filter(space=space, backup=backup).first() or m.BackupSpace(space=space, backup=backup)
    row.pack_min, row.travel_min, row.unpack_min = list(pack_min), list(travel_min), list(unpack_min)
    row.source, row.name = source, name or str(backup)
    facts = {"space": space.code, "backup": backup.code, "source": source}
    record([row], entry=NewEntry("product.backup_named", row.pk, by, now, space.site_id, facts=facts))
    return row


def start_move(
    by: Authority,
    from_space_id: UUID,
    to_space_id: UUID,
    consignment_ids: Sequence[UUID],
    *,
    now: datetime,
    incident_id: UUID | None = None,
) -> m.Move:
    """The named lots leave their space now; until they arrive nothing proves their temperature.

    The same lots on the same way again change nothing.
    """
    here, there = one(Space, from_space_id), one(Space, to_space_id)
    by.require("product.move", here.site_id)
    wanted = sorted({str(key) for key in consignment_ids})
    if not wanted or here.pk == there.pk:
        raise BadInput("product.move", "A move takes lots to another space.", "Name both.", field="consignment_ids")
    with transaction.atomic():
        lots = m.Consignment.objects.select_for_update().filter(pk__in=wanted)
        list(lots)
        same = m.Move.objects.filter(from_space=here, to_space=there, arrived_at=None)
        if (held := next((move for move in same if move.consignments == wanted), None)) is not None:
            return held
        stays = list(m.Presence.objects.filter(consignment_id__in=wanted, space=here, until=None))
        if missing := len(wanted) - len(stays):
            raise Conflict(
                "product.not_here", f"{missing} of these lots are not in {here.name}.", "Look where they are."
            )
        for stay in stays:
            stay.until = now
        move = m.Move(
            incident_id=incident_id,
            from_space=here,
            to_space=there,
            consignments=wanted,
            started_at=now,
            started_by=by.principal_id,
        )
        facts = {"from": here.code, "to": there.code, "lots": len(wanted)}
        told = NewEvent(data=facts, incident_id=incident_id)
        record(
            [*stays, move], [told], entry=NewEntry("product.move_started", move.pk, by, now, here.site_id, facts=facts)
        )
    return move


def arrive(by: Authority, move_id: UUID, arrival_c: float, *, now: datetime) -> m.Move:
    """The lots stand in the new space, with the temperature at which they came. Repeating changes nothing."""
    with transaction.atomic():
        rows = m.Move.objects.select_for_update(of=("self",)).select_related("to_space__profile")
        move = one(m.Move, move_id, among=rows)
        by.require("product.move", move.to_space.site_id)
        if not math.isfinite(arrival_c) or not LOWEST_C <= arrival_c <= HIGHEST_C:
            words = f"{arrival_c} °C is no temperature of product."
            raise BadInput("product.arrival_c", words, "Read it again.", field="arrival_c", value=str(arrival_c))
        if move.arrived_at is not None:
            return move
        move.arrived_at, move.arrived_by, move.arrival_c = now, by.principal_id, arrival_c
        stays = [
            m.Presence(consignment_id=UUID(key), space=move.to_space, since=now)
            for key in move.consignments
            if not m.Presence.objects.filter(consignment_id=key, until=None).exists()
        ]
        profile = move.to_space.profile
        inside = profile is not None and profile.low_c <= arrival_c <= profile.high_c
        facts = {"to": move.to_space.code, "arrival_c": arrival_c, "inside_profile": inside, "lots": len(stays)}
        told = NewEvent(data=facts, incident_id=move.incident_id)
        entry = NewEntry("product.move_arrived", move.pk, by, now, move.to_space.site_id, facts=facts)
        record([*stays, move], [told], entry=entry)
    return move


def open_deviation(by: Authority, excursion_id: UUID, space_id: UUID, *, now: datetime) -> m.Deviation:
    """QA opens the deviation of an excursion; there is one."""
    space = one(Space, space_id)
    by.require("product.dispose", space.site_id)
    held = m.Deviation.objects.filter(excursion_id=excursion_id).first()
    if held is not None:
        return held
    row = m.Deviation(excursion_id=excursion_id, space=space, opened_at=now, opened_by=by.principal_id)
    try:
        with transaction.atomic():
            record([row], entry=NewEntry("product.deviation_opened", row.pk, by, now, space.site_id))
    except IntegrityError:
        return m.Deviation.objects.get(excursion_id=excursion_id)
    return row


def write_deviation(
    by: Authority,
    deviation_id: UUID,
    *,
    now: datetime,
    assessment: str | None = None,
    corrective: str | None = None,
    preventive: str | None = None,
    recipients: Sequence[str] | None = None,
    seen_digest: str | None = None,
) -> m.Deviation:
    """Write fields of an open deviation; None leaves a field as it is. Who changes one may not close it.

    With `seen_digest`, the `fields_digest` of what the writer saw, nothing that another wrote since is overwritten.
    """
    with transaction.atomic():
        row = _open_one(by, deviation_id)
        before, shown = [getattr(row, name) for name in FIELDS], row.fields_digest
        given = {"assessment": assessment, "corrective": corrective, "preventive": preventive}
        for name, text in given.items():
            if text is not None:
                setattr(row, name, text.strip())
        if recipients is not None:
            row.recipients = [r.strip() for r in recipients if r.strip()]
        if [getattr(row, name) for name in FIELDS] != before:
            if seen_digest not in (None, shown):
                raise Conflict(
                    "product.deviation_written",
                    "Somebody else wrote this deviation since you opened it.",
                    "Go back to copy what you wrote, then open the deviations anew and add it to what stands there.",
                )
            row.written_by = sorted({*row.written_by, str(by.principal_id)})
        record([row], entry=NewEntry("product.deviation_written", row.pk, by, now, row.space.site_id))
    return row


def close_deviation(by: Authority, deviation_id: UUID, *, now: datetime) -> m.Deviation:
    """Close a deviation whose every field is filled, by somebody who wrote none of it. Ends no hold.

    NotReady names the empty fields, NotAllowed says that one's own is closed by another.
    """
    with transaction.atomic():
        held = one(m.Deviation, deviation_id, among=m.Deviation.objects.select_related("space"))
        by.require("product.dispose", held.space.site_id)
        if held.closed_at is not None:
            return held
        row = _open_one(by, deviation_id)
        empty = [name for name in FIELDS if not getattr(row, name)]
        if empty:
            raise NotReady("product.deviation_empty", f"Empty: {', '.join(empty)}.", "Fill them in, then close it.")
        if str(by.principal_id) in row.written_by:
            raise NotAllowed(
                "product.deviation_own", f"{by.name} wrote a part of this deviation.", "Ask another of QA to close it."
            )
        row.closed_at, row.closed_by = now, by.principal_id
        record([row], entry=NewEntry("product.deviation_closed", row.pk, by, now, row.space.site_id))
    return row


def _open_one(by: Authority, deviation_id: UUID) -> m.Deviation:
    rows = m.Deviation.objects.select_for_update(of=("self",)).select_related("space")
    row = one(m.Deviation, deviation_id, among=rows)
    by.require("product.dispose", row.space.site_id)
    if row.closed_at is not None:
        raise Conflict("product.deviation_closed", "This deviation is closed.", "Open the next one with its excursion.")
    return row
