"""Taking readings in: checked, appended to the log, durable when this returns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from waystation.access import queries as access
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotSignedIn
from waystation.registry.models import Sensor
from waystation.telemetry import stores
from waystation.telemetry.rules.batch import BatchReading, parse_batch
from waystation.telemetry.store.log import Frame

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became durable: how many readings, the digest to name as `previous`, and codes that no sensor has yet."""

    readings: int
    digest: str
    unknown: tuple[str, ...]
    alarms: tuple[dict[str, Any], ...] = ()
    check_ins: tuple[dict[str, Any], ...] = ()
    site_id: UUID | None = None


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
    batch = parse_batch(body, now_us=now_us)
    digest = hashlib.sha256(body).hexdigest()
    if batch.readings:
        head = {"boot": batch.boot, "digest": digest, "previous": batch.previous}
        stores.log().append([frame_of(site_id, batch.readings, now_us, source_class, machine, head)])
    unknown = unknown_codes(site_id, {r.sensor for r in batch.readings})
    alarms = tuple(dict(a) for a in batch.alarms)
    check_ins = tuple(dict(c) for c in batch.check_ins)
    return Accepted(len(batch.readings), digest, unknown, alarms, check_ins, site_id)


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


def unknown_codes(site_id: UUID, codes: set[str]) -> tuple[str, ...]:
    """The codes that are no live sensor of the site."""
    known = set(Sensor.objects.filter(site_id=site_id, removed_at=None, code__in=codes).values_list("code", flat=True))
    return tuple(sorted(codes - known))
