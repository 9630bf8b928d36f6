"""The agents of sites: enrolment by a one-time token, their keys, and how they stand."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status

from waystation import wiring
from waystation.access import enrolling
from waystation.api.auth import by
from waystation.journeys import agents
from waystation.kernel.refusals import NotSignedIn
from waystation.registry import queries as registry

router = Router()
MOST_BYTES = 4096


class EnrolmentIn(Schema):
    """A name for the machine, and the site that it will write for."""

    name: str
    site_id: UUID


class EnrolmentOut(Schema):
    """The token, shown this once; it works once within three days."""

    token: str


class MachineOut(Schema):
    """The machine that the key belongs to."""

    machine: UUID
    site: str


class KeyOut(Schema):
    """The key that is in use from now on."""

    public_key: str


class GatewayOut(Schema):
    """How an agent said it stands, since when."""

    machine: UUID
    name: str
    site: str
    state: dict[str, str]
    since: datetime


@router.get("/", response=list[GatewayOut])
def gateways(request: HttpRequest) -> list[GatewayOut]:
    """The agents of the sites that the caller may see."""
    found = agents.gateways(by(request))
    return [
        GatewayOut(machine=row.machine_id, name=name, site=site.code, state=row.state, since=row.since)
        for row, name, site in found
    ]


@router.post("/enrolments", response={201: EnrolmentOut})
def open_enrolment(request: HttpRequest, body: EnrolmentIn) -> Status[EnrolmentOut]:
    """Open an enrolment for a site; the installer gives the token to the agent."""
    who = by(request)
    who.require("access.administer")
    site = registry.site_by_code(str(body.site_id))
    token = enrolling.open_enrolment(who, name=body.name, site_id=site.pk, now=wiring.clock().now())
    return Status(201, EnrolmentOut(token=token))


@router.post("/enrol", response={201: MachineOut}, auth=None)
def enrol(request: HttpRequest) -> Status[MachineOut]:
    """Bring a key with a one-time token: `{"token", "public_key"}`, signed by that key in `X-Waystation-Signature`."""
    said = _object(request)
    signature = _signature(request, "X-Waystation-Signature")
    words = (str(said.get("token", "")), str(said.get("public_key", "")))
    machine = enrolling.enrol(*words, request.body, signature, now=wiring.clock().now())
    assert machine.site_id is not None
    return Status(201, MachineOut(machine=machine.pk, site=registry.site_by_code(str(machine.site_id)).code))


@router.post("/key", response=KeyOut, auth=None)
def rotate_key(request: HttpRequest) -> KeyOut:
    """Put a new key in place: the body `<machine> <key>`, signed by the present key and by the new one."""
    try:
        machine_id = UUID(request.headers.get("X-Waystation-Machine", ""))
    except ValueError:
        raise NotSignedIn("access.key_machine", "The machine's id cannot be read.", "Send all three headers.") from None
    signatures = [_signature(request, f"X-Waystation-{name}") for name in ("Signature", "Next-Signature")]
    machine = enrolling.rotate_key(machine_id, request.body[:MOST_BYTES], *signatures, now=wiring.clock().now())
    return KeyOut(public_key=machine.public_key)


def _object(request: HttpRequest) -> dict[str, Any]:
    try:
        said = json.loads(request.body[:MOST_BYTES])
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise NotSignedIn("access.enrol_token", "There is no token in the body.", 'Send {"token", "public_key"}.')
    return said


def _signature(request: HttpRequest, header: str) -> bytes:
    try:
        return base64.b64decode(request.headers.get(header, ""), validate=True)
    except (ValueError, binascii.Error):
        raise NotSignedIn("access.signature_header", f"{header} cannot be read.", "Send base64.") from None
