"""Readings in, verdicts and series out."""

from __future__ import annotations

import base64
import binascii
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import File, Form, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.api.reading import Body
from waystation.journeys import reading
from waystation.journeys.agents import Heard
from waystation.kernel.refusals import NotSignedIn
from waystation.registry import queries as registry
from waystation.telemetry import queries
from waystation.telemetry.actions import backup, care, hand, ingest, probes

router = Router()


class AlarmAnswerOut(Schema):
    """Whether somebody answered that a sensor is out of range, and that it is silent."""

    sensor: str
    answered: bool
    silent_answered: bool


class AskedTestOut(Schema):
    """A test of one uplink that somebody asks the agent for."""

    id: str
    uplink: str


class LimitsOut(Schema):
    """What a site's agent is to judge by: rows by sensor as `edge.toml` has them, and their digest."""

    digest: str
    sensors: list[dict[str, Any]]


class AcceptedOut(Schema):
    """What became durable; `digest` is the `previous` of the next batch; `unknown` codes wait for adoption.

    `alarms`: for each sensor named in `state.asks`, whether somebody answered its alarms. `test`: what
    the agent is asked to test, told with the answer to a heartbeat until it begins. `limits`: what it is to judge by,
    told with the answer to a heartbeat that names other ones.
    """

    readings: int
    digest: str
    unknown: list[str]
    alarms: list[AlarmAnswerOut] = []
    test: AskedTestOut | None = None
    limits: LimitsOut | None = None


def _accepted(accepted: ingest.Accepted, heard: Heard) -> AcceptedOut:
    told = [
        AlarmAnswerOut(sensor=one.sensor, answered=one.out_of_range, silent_answered=one.silent)
        for one in heard.answers
    ]
    unknown = list(accepted.unknown)
    test = None if heard.test is None else AskedTestOut(id=str(heard.test.pk), uplink=heard.test.uplink)
    limits = None if heard.limits is None else LimitsOut(digest=heard.limits[0], sensors=heard.limits[1])
    return AcceptedOut(
        readings=accepted.readings,
        digest=accepted.digest,
        unknown=unknown,
        alarms=told,
        test=test,
        limits=limits,
    )


class MemoryIn(Body):
    """What a minimum-maximum thermometer remembers since it was last reset."""

    since: AwareDatetime
    lowest_c: float
    highest_c: float


class HandReadingIn(Body):
    """A temperature that a person read, in degrees Celsius."""

    value_c: float
    observed_at: AwareDatetime
    instrument: str
    certificate: str = ""
    certificate_until: date | None = None
    reason: str = ""
    memory: MemoryIn | None = None


class BackupIn(Schema):
    """A backup logger with its certificate, and when it stood in the space (default: the whole file)."""

    logger: str
    certificate: str = ""
    certificate_until: date | None = None
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    reason: str = ""


class BackupOut(Schema):
    """What was kept of the file."""

    id: UUID
    sha256: str
    rows: int
    rows_refused: int
    first_at: datetime
    last_at: datetime
    doubt: str


class DoubtIn(Schema):
    """What the sensor's doubted readings are: sensor_failed or readings_stand."""

    decision: str
    reason: str


class BindIn(Body):
    """A probe with its certificate."""

    probe_serial: str
    certificate: str
    laboratory: str
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    offset_c: float = 0.0
    uncertainty_c: float = 0.0
    as_found_c: float | None = None
    as_left_c: float | None = None
    tolerance_c: float = 0.5


@router.post("/batches", response={202: AcceptedOut}, auth=None)
def batches(request: HttpRequest) -> Status[AcceptedOut]:
    """A batch signed by a gateway: `X-Waystation-Machine` names it, `X-Waystation-Signature` is Ed25519 in base64."""
    try:
        machine_id = UUID(request.headers.get("X-Waystation-Machine", ""))
        signature = base64.b64decode(request.headers.get("X-Waystation-Signature", ""), validate=True)
    except (ValueError, binascii.Error):
        raise NotSignedIn(
            "telemetry.signature_header", "The machine's id or signature cannot be read.", "Send both headers."
        ) from None
    now = wiring.clock().now()
    who, accepted = ingest.signed_batch(machine_id, request.body, signature, now=now)
    return Status(202, _accepted(accepted, reading.heard(who, accepted, now=now)))


@router.post("/sites/{site}/readings", response={202: AcceptedOut})
def readings(request: HttpRequest, site: str) -> Status[AcceptedOut]:
    """The same batch without a signature, over an authenticated connection."""
    who, now = by(request), wiring.clock().now()
    site_id = registry.site_by_code(site).pk
    accepted = ingest.accept(
        who, site_id, request.body, now=now, source_class="authenticated_connection", machine=str(who.principal_id)
    )
    return Status(202, _accepted(accepted, reading.heard(who, accepted, now=now)))


@router.post("/spaces/{space_id}/hand-readings", response={201: dict[str, UUID]})
def hand_reading(request: HttpRequest, space_id: UUID, body: HandReadingIn) -> Status[dict[str, UUID]]:
    """Record a hand reading. It covers a silence of the probes as a second source; out of range it counts."""
    words = body.dict(exclude={"memory"})
    memory = None if body.memory is None else hand.Memory(**body.memory.dict())
    row = hand.hand_reading(by(request), space_id, **words, memory=memory, now=wiring.clock().now())
    return Status(201, {"id": row.pk})


@router.post("/spaces/{space_id}/logger-files", response={201: BackupOut})
def logger_file(
    request: HttpRequest, space_id: UUID, file: File[UploadedFile], about: Form[BackupIn]
) -> Status[BackupOut]:
    """Bring the file of a backup logger: CSV, Berlinger text, line protocol or Parquet. A second source for gaps."""
    row = backup.take_backup_file(
        by(request),
        space_id,
        file.read(backup.MOST_BYTES + 1),
        file.name or "file",
        backup.Logger(about.logger, about.certificate, about.certificate_until),
        start=about.start,
        end=about.end,
        formats=wiring.logger_formats(),
        reason=about.reason,
        now=wiring.clock().now(),
    )
    return Status(201, BackupOut.from_orm(row))


@router.post("/doubts/{doubt_id}/decide", response=dict[str, str])
def decide_doubt(request: HttpRequest, doubt_id: UUID, body: DoubtIn) -> dict[str, str]:
    """Decide about a doubt; while the reading is out of range this needs QA at the console, with a fresh proof."""
    row = care.decide_doubt(by(request), doubt_id, **body.dict(), now=wiring.clock().now())
    return {"decision": row.decision}


@router.post("/sensors/{sensor_id}/bind", response={201: dict[str, UUID]})
def bind(request: HttpRequest, sensor_id: UUID, body: BindIn) -> Status[dict[str, UUID]]:
    """Bind a calibrated probe to a sensor."""
    return Status(201, {"id": probes.bind_probe(by(request), sensor_id, **body.dict(), now=wiring.clock().now()).pk})


@router.get("/sites/{site}", response=dict[str, Any])
def site_now(request: HttpRequest, site: str) -> dict[str, Any]:
    """What is known of a site now: every space with state, newest values and open excursions."""
    row = registry.site(by(request), site)
    view = queries.site_view(row.pk, wiring.clock().now())
    spaces = [
        {
            "id": space.id,
            "code": space.code,
            "state": space.state,
            "low_c": space.low_c,
            "high_c": space.high_c,
            "sensors": [
                {"code": s.code, "quantity": s.quantity, "role": s.role, "last_at": s.last_at, "last_value": s.value}
                | {"is_silent": s.is_silent, "doubt": s.doubt}
                for s in space.sensors
            ],
            "excursions": [
                {"id": e.id, "direction": e.direction, "started_at": e.started_at, "peak_c": e.peak_c}
                for e in space.excursions
            ],
        }
        for space in view.spaces
    ]
    return {"site": row.code, "at": view.at, "is_dark": view.is_dark, "spaces": spaces}
