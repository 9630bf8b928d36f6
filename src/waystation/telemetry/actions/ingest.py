"""Taking readings in: checked, appended to the log, durable when this returns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from waystation.access import queries as access
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotSignedIn
from waystation.kernel.units import TemperatureUnit
from waystation.registry.models import Sensor
from waystation.telemetry import stores, taken
from waystation.telemetry.rules.agents import Told
from waystation.telemetry.rules.batch import BatchReading, parse_batch
from waystation.telemetry.rules.cells import number_to_celsius, unit_of
from waystation.telemetry.rules.clocks import RECEIPT_TIME, by_clock
from waystation.telemetry.store.log import Frame

NAN = float("nan")
CELSIUS = ("degC", "c", "C")  # as records mostly say it


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became durable: how many readings, the digest to name as `previous`, and codes that no sensor has yet."""

    readings: int
    digest: str
    unknown: tuple[str, ...]
    alarms: tuple[dict[str, Any], ...] = ()
    check_ins: tuple[dict[str, Any], ...] = ()
    site_id: UUID | None = None
    machine: str = ""
    told: Told = field(default_factory=Told)


def signed_batch(machine_id: UUID, body: bytes, signature: bytes, *, now: datetime) -> tuple[Authority, Accepted]:
    """Take a batch signed with the machine's Ed25519 key over the exact bytes of the body."""
    machine = access.machine(machine_id)
    if machine is None or not machine.public_key or machine.site_id is None:
        raise NotSignedIn("telemetry.machine_unknown", f"No enrolled gateway {machine_id}.", "Enrol it for its site.")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(machine.public_key)).verify(signature, body)
    except (InvalidSignature, ValueError):
        raise NotSignedIn(
            "telemetry.signature",
            f"The signature of {machine.name} does not fit the body.",
            "Sign the exact bytes sent.",
        ) from None
    by = access.authority_of_machine(machine, now, strength="device_key")
    by.require("telemetry.ingest", machine.site_id)
    return by, accept(by, machine.site_id, body, now=now, source_class="signed_batch", machine=str(machine.pk))


def accept(by: Authority, site_id: UUID, body: bytes, *, now: datetime, source_class: str, machine: str) -> Accepted:
    """Take a batch for a site under a source class; readings of unknown codes are kept for adoption and named."""
    by.require("telemetry.ingest", site_id)
    now_us = round(now.timestamp() * 1e6)
    batch = parse_batch(body)
    digest = hashlib.sha256(body).hexdigest()
    once = f"{machine} {digest}"  # alike devices that begin in 1970 may well say the same
    if batch.readings and taken.fresh([once]):
        head: dict[str, Any] = {"boot": batch.boot, "digest": digest, "previous": batch.previous}
        numbers = [r.seq for r in batch.readings]
        head["span"] = list(batch.span or (min(numbers), max(numbers)))
        readings = _in_celsius(site_id, batch.readings)
        groups = by_clock(readings, attrgetter("at_us"), attrgetter("sensor"), now_us)
        stores.log().append(_frames(site_id, groups, now_us, source_class, machine, head))
        if any(ahead_us for ahead_us, _ in groups):  # come again, it might be believed: by then its future is past
            taken.remember([once], now)
    unknown = unknown_codes(site_id, {r.sensor for r in batch.readings})
    alarms = tuple(dict(a) for a in batch.alarms)
    check_ins = tuple(dict(c) for c in batch.check_ins)
    return Accepted(len(batch.readings), digest, unknown, alarms, check_ins, site_id, machine, batch.told)


def _frames(
    site_id: UUID,
    groups: Sequence[tuple[int, list[BatchReading]]],
    received_us: int,
    source_class: str,
    machine: str,
    head: dict[str, Any],
) -> list[Frame]:
    """The frames of a batch: one, unless a clock that nobody can believe dated some of it. The first answers for it."""
    found: list[Frame] = []
    for ahead_us, some in groups:
        mine = head if not found else {"boot": head["boot"], "digest": head["digest"]}
        if ahead_us:
            some = [replace(r, at_us=r.at_us - ahead_us) for r in some]
            mine = mine | {"ahead_us": ahead_us, "came_as": source_class if not found else ""}
        found.append(frame_of(site_id, some, received_us, RECEIPT_TIME if ahead_us else source_class, machine, mine))
    return found


def frame_of(
    site_id: UUID,
    readings: Iterable[BatchReading],
    received_us: int,
    source_class: str,
    machine: str,
    head: dict[str, Any],
) -> Frame:
    """Readings as one frame of the log."""
    rows = list(readings)
    codes = sorted({r.sensor for r in rows})
    index = {code: number for number, code in enumerate(codes)}
    common = {"site": str(site_id), "machine": machine, "source_class": source_class, "received_us": received_us}
    return Frame(
        common | head | {"sensors": codes},
        [index[r.sensor] for r in rows],
        [r.at_us for r in rows],
        [NAN if r.value is None else r.value for r in rows],
        [r.seq for r in rows],
    )


def _in_celsius(site_id: UUID, readings: Sequence[BatchReading]) -> Sequence[BatchReading]:
    """Readings as they are stored: a temperature comes in the unit of its sensor's record.

    A record whose unit nobody can read is a refusal of the whole batch: 5 may be a fridge, or one that froze.
    """
    held = Sensor.objects.filter(site_id=site_id, removed_at=None, quantity="temperature")
    units: dict[str, TemperatureUnit] = {}
    for code, unit in held.exclude(unit__in=CELSIUS).values_list("code", "unit"):
        try:
            units[code] = unit_of(unit)
        except ValueError as error:
            if any(r.sensor == code for r in readings):
                raise BadInput(
                    "telemetry.unit_of_record",
                    f"The record of {code}: {error}.",
                    "Correct the sensor's record; keep the batch and send it again.",
                    field="unit",
                    value=unit,
                ) from None
    if not units:
        return readings
    return [
        r
        if r.value is None or r.sensor not in units
        else replace(r, value=number_to_celsius(repr(r.value), units[r.sensor]))
        for r in readings
    ]


def unknown_codes(site_id: UUID, codes: set[str]) -> tuple[str, ...]:
    """The codes that are no live sensor of the site."""
    known = set(Sensor.objects.filter(site_id=site_id, removed_at=None, code__in=codes).values_list("code", flat=True))
    return tuple(sorted(codes - known))
