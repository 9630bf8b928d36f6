"""Who is asking, and what they may do at this instant. Asked afresh on every request."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from waystation.access import rules
from waystation.access.models import Grant, Machine, Person, Reply, WelcomeLink
from waystation.kernel.authority import EVERYWHERE, Authority
from waystation.kernel.refusals import NotFound, NotSignedIn

SYSTEM_ID = UUID("00000000-0000-7000-8000-000000000001")


def hash_of(token: str) -> str:
    """How a secret is stored: SHA-256 of its text (tokens carry 256 random bits, so no salt is needed)."""
    return hashlib.sha256(token.encode()).hexdigest()


def authority_of_person(person: Person, now: datetime, *, strength: str = "password", session: str = "") -> Authority:
    """The live authority of a signed-in person; an inactive one holds nothing."""
    held: list[tuple[str, str | None]] = []
    if person.is_active:
        live = Grant.objects.filter(Q(until=None) | Q(until__gt=now), person=person, since__lte=now)
        held = [(role, str(site) if site else None) for role, site in live.values_list("role", "site_id")]
    roles = tuple(sorted({role for role, _ in held}))
    shown = hash_of(session)[:16] if session else ""
    grants = rules.grants_of(held)
    return Authority(person.pk, person.name, roles, grants, strength=strength, session=shown, terms=rules.TERMS)


def authority_of_token(token: str, now: datetime) -> Authority:
    """The live authority of the machine that owns the token; NotSignedIn when there is none or it is revoked."""
    machine = Machine.objects.filter(token_hash=hash_of(token)).first() if token else None
    if machine is None:
        raise NotSignedIn(
            "access.token_unknown", "This token is not known.", "Create one: waystation access token create."
        )
    return authority_of_machine(machine, now, strength="token")


def authority_of_machine(machine: Machine, now: datetime, *, strength: str) -> Authority:
    """The live authority of a machine whose secret or signature was checked by the caller."""
    if machine.revoked_at is not None and machine.revoked_at <= now:
        raise NotSignedIn(
            "access.revoked",
            f"{machine.name} was revoked at {machine.revoked_at:%Y-%m-%d %H:%M} UTC.",
            "Enrol it again.",
        )
    held = [(machine.role, str(machine.site_id) if machine.site_id else None)]
    grants = rules.grants_of(held)
    return Authority(
        machine.pk, machine.name, (machine.role,), grants, is_machine=True, strength=strength, terms=rules.TERMS
    )


def system_authority(loop: str) -> Authority:
    """The authority under which the platform's own loops act; `loop` names which one."""
    grants = {permission: frozenset({EVERYWHERE}) for permission in rules.PERMISSIONS}
    return Authority(SYSTEM_ID, f"waystation {loop}", ("system",), grants, is_machine=True, strength="system")


def invited_by(token: str, now: datetime) -> Person | None:
    """The person whom a welcome link opens an account for; None makes the first administrator. NotFound when over."""
    link = WelcomeLink.objects.select_related("person").filter(token_hash=hash_of(token)).first()
    if link is None or link.used_at is not None or link.expires_at <= now:
        raise welcome_ended()
    return link.person


def welcome_ended() -> NotFound:
    """What is said of a link that opens nothing."""
    return NotFound(
        "access.welcome_ended",
        "This link was used or has expired.",
        "An administrator makes a new one: waystation access welcome, or waystation access person invite.",
    )


def machine(machine_id: UUID) -> Machine | None:
    """The machine of that id, revoked ones too."""
    return Machine.objects.filter(pk=machine_id).first()


def machines() -> list[Machine]:
    """All machines by name."""
    return list(Machine.objects.order_by("name"))


def person(person_id: UUID) -> Person | None:
    """The person of that id."""
    return Person.objects.filter(pk=person_id).first()


def people() -> list[Person]:
    """Everybody by name."""
    return list(Person.objects.order_by("name"))


def names(ids: set[UUID]) -> dict[UUID, str]:
    """Names of people and machines by id; the platform is called `waystation`."""
    found = dict(Person.objects.filter(pk__in=ids).values_list("pk", "name"))
    found |= dict(Machine.objects.filter(pk__in=ids).values_list("pk", "name"))
    return found | {SYSTEM_ID: "waystation"}


def people_with(permission: str, site_id: UUID | None, now: datetime) -> list[Person]:
    """Who holds the permission at the site at this instant, by name."""
    roles = [role for role, held in rules.ROLES.items() if permission in held]
    live = Grant.objects.filter(Q(until=None) | Q(until__gt=now), since__lte=now, role__in=roles)
    if site_id is not None:
        live = live.filter(Q(site_id=None) | Q(site_id=site_id))
    return list(Person.objects.filter(pk__in=live.values("person_id"), is_active=True).order_by("name"))


def people_in_role(role: str, site_id: UUID | None, now: datetime) -> list[Person]:
    """Who holds the role at the site (or everywhere) at this instant, by name."""
    live = Grant.objects.filter(Q(until=None) | Q(until__gt=now), since__lte=now, role=role)
    if site_id is not None:
        live = live.filter(Q(site_id=None) | Q(site_id=site_id))
    return list(Person.objects.filter(pk__in=live.values("person_id"), is_active=True).order_by("name"))


def never_opened() -> list[Person]:
    """Who has an account and has not yet set a password by a welcome link, by name."""
    return [p for p in people() if p.is_active and not p.has_usable_password()]


def is_empty() -> bool:
    """True while nobody can sign in."""
    return not Person.objects.exists()


def reply_to(principal_id: UUID, key: str) -> Reply | None:
    """What was answered to this principal's request of that key before."""
    return Reply.objects.filter(principal_id=principal_id, key=key).first()
