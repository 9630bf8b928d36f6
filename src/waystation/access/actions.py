"""Create people and machines, grant and end roles, hand out one-time links."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from waystation.access import queries, rules
from waystation.access.models import Grant, Machine, Person, Reply, WelcomeLink
from waystation.evidence.actions import NewEntry, Receipt, record
from waystation.evidence.personal import people_keys
from waystation.evidence.queries import addressed_to
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotFound

WELCOME_FOR = timedelta(hours=24)
SHARED_WORDS = ("shared", "team", "generic", "everyone")


def create_person(
    by: Authority,
    *,
    email: str,
    name: str,
    now: datetime,
    password: str | None = None,
    phone: str = "",
    employer: str = "",
) -> Person:
    """A new person without roles. `password` None leaves the account closed until a welcome link is used."""
    by.require("access.administer")
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise BadInput(
            "access.email_unusable",
            f"{email!r} is no e-mail address.",
            "Write name@example.org.",
            field="email",
            value=email,
        ) from None
    if not name.strip() or any(word in name.lower().split() for word in SHARED_WORDS):
        raise BadInput(
            "access.name_not_personal",
            f"{name!r} is not one person's name.",
            "Accounts are personal: write the person's own name.",
            field="name",
            value=name,
        )
    if Person.objects.filter(email=address).exists():
        raise Conflict("access.email_taken", f"{address} has an account already.", "Grant the role to that account.")
    person = Person(email=address, name=name.strip(), phone=phone, employer=employer)
    _set_password(person, password)
    record([person], entry=NewEntry("access.person_created", person.pk, by, now))
    return person


def _set_password(person: Person, password: str | None) -> None:
    if password is None:
        person.set_unusable_password()
        return
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise BadInput(
            "access.password_weak", " ".join(error.messages), "Choose twelve characters or more.", field="password"
        ) from None
    person.set_password(password)


def set_schedule(
    by: Authority, person_id: UUID, *, shifts: list[dict[str, object]], qualifications: list[str], now: datetime
) -> Person:
    """When a person works (weekly, in a named zone) and what they may install."""
    by.require("access.administer")
    person = _person(person_id)
    person.shifts, person.qualifications = shifts, qualifications
    record([person], entry=NewEntry("access.schedule_set", person.pk, by, now))
    return person


def set_preferences(
    by: Authority,
    *,
    now: datetime,
    temperature_unit: str | None = None,
    hours: str | None = None,
    theme: str | None = None,
) -> Person:
    """How this person likes to read temperatures and times. Everybody may set their own."""
    person = _person(by.principal_id)
    for name, value, allowed in (
        ("temperature_unit", temperature_unit, ("c", "f")),
        ("hours", hours, ("24", "12")),
        ("theme", theme, ("", "light", "dark")),
    ):
        if value is None:
            continue
        if value not in allowed:
            raise BadInput(
                "access.preference", f"{name} cannot be {value!r}.", f"Use one of {allowed}.", field=name, value=value
            )
        setattr(person, name, value)
    record([person], entry=NewEntry("access.preferences_set", person.pk, by, now))
    return person


def grant_role(
    by: Authority,
    person_id: UUID,
    role: str,
    *,
    now: datetime,
    site_id: UUID | None = None,
    until: datetime | None = None,
) -> Grant:
    """Give a person a role at a site or everywhere; refuses roles that exclude each other."""
    by.require("access.administer")
    person = _person(person_id)
    if role not in rules.HUMAN_ROLES:
        known = ", ".join(rules.HUMAN_ROLES)
        raise BadInput(
            "access.role_unknown", f"There is no role {role!r}.", f"Roles: {known}.", field="role", value=role
        )
    held = set(person.grants.filter(until=None).values_list("role", flat=True))
    if other := rules.clash(held, role):
        raise Conflict(
            "access.roles_separated",
            f"{person.name} is {other} and cannot also be {role}.",
            f"End the role {other} first.",
        )
    grant = Grant(person=person, role=role, site_id=site_id, since=now, until=until)
    record([grant], entry=NewEntry("access.role_granted", person.pk, by, now, site_id=site_id, facts={"role": role}))
    return grant


def end_grant(by: Authority, grant_id: UUID, *, reason: str, now: datetime) -> Receipt:
    """End a grant at once."""
    by.require("access.administer")
    grant = Grant.objects.select_related("person").filter(pk=grant_id).first()
    if grant is None:
        raise NotFound(
            "access.grant_unknown", f"There is no grant {grant_id}.", "Open the person to see the live ones."
        )
    grant.until = now
    facts = {"role": grant.role}
    return record([grant], entry=NewEntry("access.role_ended", grant.person_id, by, now, grant.site_id, reason, facts))


def erase_person(by: Authority, person_id: UUID, *, reason: str, now: datetime, is_sealed: bool = False) -> Person:
    """Take a person's own fields away for good: name, addresses, employer, shifts, and the address on what was sent.

    The account ends with its grants, and the person's key and salt are destroyed, so that no digest in an entry and no
    field in a backup says anything any more. What the person did stays proved under their id. Repeating it destroys
    again what a copy may have brought back, and changes nothing else. `is_sealed`: the fields came back from a backup
    without their key, so the entry says that the row cannot be shown as it was.
    """
    by.require("access.administer")
    if not reason.strip():
        raise BadInput("access.reason", "No reason is given.", "Say who asked for it.", field="reason", value=reason)
    if by.principal_id == person_id:
        raise Conflict("access.erase_self", "Nobody erases themselves.", "Ask another administrator.")
    with transaction.atomic():
        person = Person.objects.select_for_update().filter(pk=person_id).first() or _person(person_id)
        transaction.on_commit(lambda: people_keys().destroy(person_id))
        if person.is_erased:
            return person
        messages = addressed_to(person.email)
        for message in messages:
            message.recipient = person.erased_address
            if message.sent_at is None and message.gave_up_at is None:
                message.gave_up_at = now
        ended = [g for g in person.grants.all() if g.until is None or g.until > now]
        for grant in ended:
            grant.until = now
        EmailAddress.objects.filter(user=person).delete()
        person.email, person.name, person.phone, person.employer = person.erased_address, "Erased person", "", ""
        person.shifts, person.qualifications, person.is_active = [], [], False
        person.set_unusable_password()
        facts = {"messages": len(messages), "grants_ended": len(ended), "keys": "destroyed"}
        facts |= {"not_shown": Person._meta.label} if is_sealed else {}
        entry = NewEntry("access.person_erased", person.pk, by, now, reason=reason, facts=facts)
        record([person, *ended, *messages], entry=entry)
    return person


def destroy_left_keys(by: Authority) -> int:
    """Destroy keys of erased people that a kill between commit and key left behind; returns how many."""
    by.require("platform.operate")
    keys = people_keys()
    left = [row.pk for row in Person.objects.filter(email__endswith=f"@{rules.ERASED_AT}") if row.is_erased]
    found = [key for key in left if keys.find(key) is not None]
    for key in found:
        keys.destroy(key)
    return len(found)


def refuse_erasure(by: Authority, person_id: UUID, *, until: datetime, reason: str, now: datetime) -> Receipt:
    """Enter that a person was not erased: what they did must stay attributed to them until then."""
    by.require("access.administer")
    person = _person(person_id)
    facts = {"until": until, "rule": "records of who did what are kept as long as the records themselves"}
    return record([], entry=NewEntry("access.erasure_refused", person.pk, by, now, reason=reason, facts=facts))


def create_machine(
    by: Authority, *, name: str, role: str, now: datetime, site_id: UUID | None = None, public_key: str = ""
) -> tuple[Machine, str]:
    """A machine and its token, which is shown this once. With a device key there is no token (empty string)."""
    by.require("access.administer")
    if role not in rules.MACHINE_ROLES:
        known = ", ".join(rules.MACHINE_ROLES)
        raise BadInput(
            "access.role_unknown", f"A machine cannot be {role!r}.", f"Use one of: {known}.", field="role", value=role
        )
    if role == "gateway" and site_id is None:
        raise BadInput(
            "access.site_missing", "A gateway writes for one site.", "Name it: --site CODE.", field="site", value=""
        )
    if Machine.objects.filter(name=name).exists():
        raise Conflict("access.machine_taken", f"There is a machine named {name} already.", "Choose another name.")
    token = "" if public_key else "wst_" + secrets.token_urlsafe(32)
    machine = Machine(
        name=name,
        role=role,
        site_id=site_id,
        token_hash=queries.hash_of(token) if token else "",
        public_key=public_key,
        created_at=now,
    )
    record([machine], entry=NewEntry("access.machine_created", machine.pk, by, now, site_id, facts={"role": role}))
    return machine, token


def revoke_machine(by: Authority, machine_id: UUID, *, reason: str, now: datetime) -> Machine:
    """From this instant nothing the machine sends is trusted. A second revocation changes nothing."""
    by.require("access.administer" if by.roles != ("system",) else "platform.operate")
    with transaction.atomic():
        machine = Machine.objects.select_for_update().filter(pk=machine_id).first()
        if machine is None:
            raise NotFound(
                "access.machine_unknown", f"There is no machine {machine_id}.", "List them: waystation access."
            )
        if machine.revoked_at is None:
            machine.revoked_at = now
            record([machine], entry=NewEntry("access.machine_revoked", machine.pk, by, now, machine.site_id, reason))
    return machine


def make_welcome_link(by: Authority, *, now: datetime, person_id: UUID | None = None) -> str:
    """The secret of a link that works once within a day; without a person it makes an administrator.

    For a person it opens the account; Conflict when that was done: nobody else sets a password that is in use.
    """
    by.require("access.administer")
    if person_id is not None and (person := _person(person_id)).has_usable_password():
        raise Conflict(
            "access.account_open",
            f"{person.name} has opened the account already.",
            "A forgotten password is set anew by its owner, at the sign-in page.",
        )
    token = secrets.token_urlsafe(24)
    link = WelcomeLink(person_id=person_id, token_hash=queries.hash_of(token), expires_at=now + WELCOME_FOR)
    record([link], entry=NewEntry("access.welcome_made", link.pk, by, now))
    return token


def use_welcome_link(token: str, *, email: str, name: str, password: str, now: datetime) -> Person:
    """Open the account of a welcome link; refuses a used, expired or unknown one."""
    system = queries.system_authority("welcome")
    with transaction.atomic():
        link = WelcomeLink.objects.select_for_update().filter(token_hash=queries.hash_of(token)).first()
        if link is None or link.used_at is not None or link.expires_at <= now:
            raise queries.welcome_ended()
        if link.person is None:
            person = create_person(system, email=email, name=name, password=password, now=now)
            grant_role(system, person.pk, "administrator", now=now)
        else:
            person = link.person
            _set_password(person, password)
            record([person], entry=NewEntry("access.password_set", person.pk, system, now))
        link.used_at = now
        record([link], entry=NewEntry("access.welcome_used", person.pk, system, now))
    return person


def remember_reply(principal_id: UUID, key: str, request_digest: str, status: int, body: str, now: datetime) -> None:
    """Keep the answer to a request so that the same request gets the same answer."""
    Reply.objects.create(
        principal_id=principal_id, key=key, request_digest=request_digest, status=status, body=body, at=now
    )


def _person(person_id: UUID) -> Person:
    person = Person.objects.filter(pk=person_id).first()
    if person is None:
        raise NotFound("access.person_unknown", f"There is no person {person_id}.", "Create the account first.")
    return person
