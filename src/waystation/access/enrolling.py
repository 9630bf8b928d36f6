"""The keys of site agents: enrolled by a one-time token, rotated by the key before."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import transaction

from waystation.access import queries
from waystation.access.models import Enrolment, Machine
from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotSignedIn

ENROL_WITHIN = timedelta(hours=72)


def open_enrolment(by: Authority, *, name: str, site_id: UUID, now: datetime) -> str:
    """A token, shown this once, that makes one key the key of a new machine of the site within three days."""
    by.require("access.administer")
    name = name.strip()
    if not name:
        raise BadInput("access.machine_name", "The machine has no name.", "Name it.", field="name", value=name)
    if Machine.objects.filter(name=name).exists():
        raise Conflict("access.machine_taken", f"There is a machine named {name} already.", "Choose another name.")
    token = "wse_" + secrets.token_urlsafe(32)
    row = Enrolment(name=name, site_id=site_id, token_hash=queries.hash_of(token), opened_by=by.principal_id)
    row.expires_at = now + ENROL_WITHIN
    facts = {"name": name, "until": row.expires_at}
    record([row], entry=NewEntry("access.enrolment_opened", row.pk, by, now, site_id, facts=facts))
    return token


def enrol(token: str, public_key: str, body: bytes, signature: bytes, *, now: datetime) -> Machine:
    """Use a token: the machine of the key that signed `body`. The same key again gives the same machine."""
    if not _verifies(public_key, body, signature):
        raise NotSignedIn("access.enrol_signature", "The signature does not fit the key.", "Sign the exact bytes sent.")
    with transaction.atomic():
        row = Enrolment.objects.select_for_update().filter(token_hash=queries.hash_of(token)).first()
        if row is None:
            raise NotSignedIn("access.enrol_token", "There is no such enrolment.", "Ask for a new token.")
        if row.machine_id is not None:
            machine = queries.machine(row.machine_id)
            if machine is not None and machine.public_key == public_key and machine.revoked_at is None:
                return machine
            raise NotSignedIn("access.enrol_used", "The token was used.", "Ask for a new token.")
        if row.expires_at <= now:
            raise NotSignedIn("access.enrol_expired", "The token is too old.", "Ask for a new token.")
        return _enrolled(row, public_key, now)


def _enrolled(row: Enrolment, public_key: str, now: datetime) -> Machine:
    if Machine.objects.filter(name=row.name).exists() or Machine.objects.filter(public_key=public_key).exists():
        raise Conflict("access.machine_taken", "The name or the key is a machine's already.", "Ask for a new token.")
    machine = Machine(name=row.name, role="gateway", site_id=row.site_id, public_key=public_key, created_at=now)
    row.used_at, row.machine_id = now, machine.pk
    by = queries.authority_of_machine(machine, now, strength="enrolment_token")
    facts = {"key": public_key, "opened_by": row.opened_by, "enrolment": row.pk}
    entry = NewEntry("access.machine_enrolled", machine.pk, by, now, row.site_id, facts=facts)
    record([machine, row], [NewEvent(data={"name": row.name, "key": public_key})], entry=entry)
    return machine


def rotate_key(machine_id: UUID, body: bytes, signature: bytes, next_signature: bytes, *, now: datetime) -> Machine:
    """Put the next key in place of a machine's key. `body` is `<machine> <next key in hexadecimal>`.

    Signed by both keys: the present one allows it, the next one proves that it is held. Sent again it changes nothing.
    """
    words = body.decode("ascii", "replace").split(" ")
    with transaction.atomic():
        machine = Machine.objects.select_for_update().filter(pk=machine_id).first()
        if machine is None or not machine.public_key or len(words) != 2 or words[0] != str(machine_id):
            raise NotSignedIn("access.key_machine", "There is no such machine with a key.", "Enrol it.")
        by = queries.authority_of_machine(machine, now, strength="device_key")
        if not _verifies(words[1], body, next_signature):
            raise NotSignedIn("access.key_next", "The next key did not sign.", "Sign with both keys.")
        if machine.public_key == words[1]:
            return machine
        if not _verifies(machine.public_key, body, signature):
            raise NotSignedIn("access.key_present", "The present key did not sign.", "Sign with both keys.")
        if Machine.objects.filter(public_key=words[1]).exists():
            raise Conflict("access.key_taken", "That key is another machine's.", "Make a new key.")
        before, machine.public_key = machine.public_key, words[1]
        facts = {"before": before, "after": words[1]}
        entry = NewEntry("access.key_rotated", machine.pk, by, now, machine.site_id, facts=facts)
        record([machine], [NewEvent(data=facts)], entry=entry)
    return machine


def _verifies(public_key: str, body: bytes, signature: bytes) -> bool:
    try:
        if len(public_key) != 64 or public_key != public_key.lower():
            return False
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, body)
    except (InvalidSignature, ValueError):
        return False
    return True
