"""Consignments in and out of spaces: by scan, by API, by CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from waystation.evidence.actions import NewEntry, record
from waystation.evidence.rows import Row
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant
from waystation.kernel.instants import read_instant
from waystation.kernel.refusals import BadInput, Conflict, NotReady, Refusal
from waystation.product import models as m
from waystation.registry.models import ProductProfile, Space
from waystation.registry.queries import one

COLUMNS = ("lot", "product", "quantity", "unit", "customer", "profile", "volume_l", "site", "space", "since")
NEEDED = ("lot", "product", "quantity", "unit", "site", "space")
MAX_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot as it is told: `profile` by code (empty: that of the space), `volume_l` None where unknown."""

    lot: str
    product: str
    quantity: Decimal
    unit: str
    customer: str = ""
    profile: str = ""
    volume_l: float | None = None


@dataclass(frozen=True, slots=True)
class RowError:
    """A line of a file (1 is the header) that cannot be used, and why."""

    line: int
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """A file as it was read: its usable lots, its errors, and whether it was applied. All or nothing."""

    lots: tuple[Lot, ...]
    errors: tuple[RowError, ...]
    applied: bool


def bring_in(by: Authority, space_id: UUID, lot: Lot, *, at: datetime, now: datetime) -> m.Presence:
    """A lot stands in the space from `at`; it leaves another one at the same instant. Repeating changes nothing."""
    space = one(Space, space_id, among=Space.objects.select_related("site", "profile"))
    by.require("product.consign", space.site_id)
    _not_later(at, now)
    try:
        with transaction.atomic():
            return _enter(by, space, lot, at, now)
    except IntegrityError:
        raise Conflict(
            "product.raced", f"Lot {lot.lot} was brought in by somebody else.", "Look where it is."
        ) from None


def take_out(
    by: Authority, consignment_id: UUID, *, at: datetime, now: datetime, reason: str = ""
) -> m.Presence | None:
    """The lot leaves its space; None when it stood nowhere. Held product stays until QA decides, or is moved."""
    with transaction.atomic():
        lot = one(m.Consignment, consignment_id, among=m.Consignment.objects.select_for_update())
        here = m.Presence.objects.filter(consignment=lot, until=None).select_related("space").first()
        by.require("product.consign", here.space.site_id if here else None)
        _not_later(at, now)
        if here is None:
            return None
        if m.ProductHold.objects.filter(consignment=lot, state="open").exists():
            raise NotReady(
                "product.on_hold",
                f"Lot {lot.lot} is on hold.",
                "QA decides first; to save it, move it to a backup space.",
            )
        _after(here, at)
        here.until = at
        record([here], entry=_entry("taken_out", lot, by, now, here.space, reason, at=at))
    return here


def import_csv(by: Authority, text: str, *, now: datetime, apply: bool = False) -> Imported:
    """Read lots from CSV; with `apply` bring them in, all of them or none. Errors name line and column.

    Columns: lot, product, quantity, unit, customer, profile, volume_l, site, space, since (RFC 3339; empty: now).
    """
    by.require("product.consign")
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise BadInput(
            "product.columns",
            f"The file lacks the columns {', '.join(missing)}.",
            f"Columns: {', '.join(COLUMNS)}.",
            field=missing[0],
        )
    lots: list[tuple[int, Lot, Space, datetime]] = []
    errors: list[RowError] = []
    for line, row in enumerate(rows, start=2):
        if line > MAX_ROWS + 1:
            errors.append(RowError(line, f"more than {MAX_ROWS} rows: split the file"))
            break
        try:
            lots.append((line, *_read(row, now)))
        except BadInput as bad:
            errors.append(RowError(line, str(bad), bad.field))
    errors += _twice(lots)
    if apply and not errors:
        errors += _apply(by, lots, now)
    return Imported(tuple(lot for _, lot, _, _ in lots), tuple(errors), apply and not errors)


def _apply(by: Authority, lots: list[tuple[int, Lot, Space, datetime]], now: datetime) -> list[RowError]:
    """Bring all in, or, at the first refusal, none."""
    line = 0
    try:
        with transaction.atomic():
            for line, lot, space, since in lots:  # noqa: B007  (named in the refusal)
                bring_in(by, space.pk, lot, at=since, now=now)
    except Refusal as refused:
        return [RowError(line, str(refused))]
    return []


def _enter(by: Authority, space: Space, lot: Lot, at: datetime, now: datetime) -> m.Presence:
    held = m.Consignment.objects.select_for_update().filter(lot=lot.lot.strip(), customer=lot.customer.strip()).first()
    here = m.Presence.objects.filter(consignment=held, until=None).select_related("space").first() if held else None
    if here is not None and here.space_id == space.pk:
        return here
    rows: list[Row] = []
    if here is not None:
        _after(here, at)
        here.until = at
        rows.append(here)
    if held is not None and m.Presence.objects.filter(consignment=held, until__gt=at).exists():
        raise Conflict(
            "product.overlap",
            f"Lot {held.lot} stood elsewhere after {instant(at)}.",
            "Give the instant at which it came.",
        )
    made = held or _new(space, lot)
    presence = m.Presence(consignment=made, space=space, since=at)
    rows += [*([] if held else [made]), presence]
    facts: dict[str, Any] = {"at": at, "came_from": here.space.code if here else ""}
    record(rows, entry=_entry("brought_in", made, by, now, space, "", **facts))
    return presence


def _new(space: Space, lot: Lot) -> m.Consignment:
    if not lot.lot.strip() or not lot.product.strip() or not lot.quantity.is_finite() or lot.quantity <= 0:
        raise BadInput(
            "product.lot",
            f"Lot {lot.lot!r} of {lot.product!r}, quantity {lot.quantity}, cannot be recorded.",
            "Give lot code, product and a quantity above zero.",
            field="lot",
            value=lot.lot,
        )
    profile = _profile(lot.profile) if lot.profile else space.profile
    if profile is None:
        raise BadInput(
            "product.profile", f"{space.name} has no product profile.", "Name the profile of the lot.", field="profile"
        )
    if lot.volume_l is not None and not 0 <= lot.volume_l < float("inf"):
        raise BadInput("product.volume", f"{lot.volume_l} litres?", "Leave it empty when unknown.", field="volume_l")
    return m.Consignment(
        lot=lot.lot.strip(),
        product=lot.product.strip(),
        quantity=lot.quantity,
        unit=lot.unit.strip(),
        customer=lot.customer.strip(),
        profile=profile,
        volume_l=lot.volume_l,
    )


def _profile(code: str) -> ProductProfile:
    found = ProductProfile.objects.filter(code=code).order_by("-edition").first()
    if found is None:
        raise BadInput("product.profile", f"There is no profile {code}.", "Create it.", field="profile", value=code)
    return found


def _read(row: Mapping[str, str | None], now: datetime) -> tuple[Lot, Space, datetime]:
    text = {name: (row.get(name) or "").strip() for name in COLUMNS}
    for name in NEEDED:
        if not text[name]:
            raise BadInput("product.row", f"{name} is empty.", "Fill it in.", field=name)
    space = Space.objects.filter(site__code=text["site"], code=text["space"]).select_related("site", "profile").first()
    if space is None:
        raise BadInput(
            "product.row", f"There is no space {text['space']} at {text['site']}.", "Use their codes.", field="space"
        )
    volume = _number("volume_l", text["volume_l"]) if text["volume_l"] else None
    lot = Lot(
        text["lot"],
        text["product"],
        _number("quantity", text["quantity"]),
        text["unit"],
        text["customer"],
        text["profile"],
        None if volume is None else float(volume),
    )
    _new(space, lot)
    since = read_instant(text["since"], "since") if text["since"] else now
    _not_later(since, now)
    return lot, space, since


def _number(name: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BadInput("product.row", f"{text!r} is no number.", "Write 12.5.", field=name, value=text) from None


def _twice(lots: list[tuple[int, Lot, Space, datetime]]) -> list[RowError]:
    first: dict[tuple[str, str], int] = {}
    found = []
    for line, lot, _, _ in lots:
        if (before := first.setdefault((lot.lot, lot.customer), line)) != line:
            found.append(RowError(line, f"lot {lot.lot} stands in line {before} already", "lot"))
    return found


def _not_later(at: datetime, now: datetime) -> None:
    if at > now:
        raise BadInput(
            "product.future", f"{instant(at)} is still to come.", "Give the instant of the scan.", field="at"
        )


def _after(here: m.Presence, at: datetime) -> None:
    if at < here.since:
        raise Conflict(
            "product.before", f"It came in at {instant(here.since)}, after {instant(at)}.", "Give a later instant."
        )


def _entry(
    kind: str, lot: m.Consignment, by: Authority, now: datetime, space: Space, reason: str, **facts: Any
) -> NewEntry:
    told = {"lot": lot.lot, "space": space.code, **facts}
    return NewEntry(f"product.{kind}", lot.pk, by, now, space.site_id, reason, told)
