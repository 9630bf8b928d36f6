"""People, machines and roles by API."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.access import actions, queries, rules
from waystation.api.auth import by
from waystation.journeys import erasing

router = Router()


class Me(Schema):
    """The caller as the product sees it now."""

    principal_id: UUID
    name: str
    roles: list[str]
    permissions: list[str]
    is_machine: bool


class PersonOut(Schema):
    """Somebody with an account."""

    id: UUID
    name: str
    email: str
    is_active: bool


class PersonIn(Schema):
    """A new person; without a password the account waits for a welcome link."""

    email: str
    name: str
    phone: str = ""
    employer: str = ""


class WelcomeOut(Schema):
    """A link, shown this once."""

    link: str


class GrantIn(Schema):
    """A role at a site, or everywhere when no site is named."""

    role: str
    site_id: UUID | None = None
    until: AwareDatetime | None = None


class MachineIn(Schema):
    """A new machine; a gateway belongs to a site."""

    name: str
    role: str
    site_id: UUID | None = None


class TokenOut(Schema):
    """The machine and its token, shown this once."""

    id: UUID
    token: str


class GrantReasonIn(Schema):
    """Why it is done."""

    reason: str


class PreferencesIn(Schema):
    """How a person likes to read; what is not given stays."""

    temperature_unit: str | None = None
    hours: str | None = None
    theme: str | None = None


class PreferencesOut(Schema):
    """What is kept now."""

    temperature_unit: str
    hours: str
    theme: str


@router.get("/me", response=Me)
def me(request: HttpRequest) -> Me:
    """Who the caller is and what it may do."""
    who = by(request)
    return Me(
        principal_id=who.principal_id,
        name=who.name,
        roles=list(who.roles),
        permissions=sorted(who.grants),
        is_machine=who.is_machine,
    )


@router.post("/me/preferences", response=PreferencesOut)
def set_preferences(request: HttpRequest, body: PreferencesIn) -> object:
    """Keep the caller's own units, hours and theme."""
    return actions.set_preferences(by(request), now=wiring.clock().now(), **body.dict())


@router.get("/roles", response=dict[str, list[str]])
def roles(request: HttpRequest) -> dict[str, list[str]]:
    """The role matrix."""
    return {role: sorted(held) for role, held in rules.ROLES.items() if role != "system"}


@router.get("/people", response=list[PersonOut])
def people(request: HttpRequest) -> list[object]:
    """Everybody with an account."""
    by(request).require("access.administer")
    return list(queries.people())


@router.post("/people", response={201: PersonOut})
def create_person(request: HttpRequest, body: PersonIn) -> Status[object]:
    """Create an account."""
    return Status(201, actions.create_person(by(request), **body.dict(), now=wiring.clock().now()))


@router.post("/people/{person_id}/welcome", response={201: WelcomeOut})
def welcome(request: HttpRequest, person_id: UUID) -> Status[WelcomeOut]:
    """A link that works once within a day and lets the person choose a password."""
    token = actions.make_welcome_link(by(request), now=wiring.clock().now(), person_id=person_id)
    return Status(201, WelcomeOut(link=request.build_absolute_uri(f"/welcome/{token}/")))


@router.post("/people/{person_id}/grants", response={201: dict[str, UUID]})
def grant(request: HttpRequest, person_id: UUID, body: GrantIn) -> Status[dict[str, UUID]]:
    """Give a role."""
    made = actions.grant_role(
        by(request), person_id, body.role, site_id=body.site_id, until=body.until, now=wiring.clock().now()
    )
    return Status(201, {"id": made.pk})


@router.post("/people/{person_id}/erase", response=PersonOut)
def erase_person(request: HttpRequest, person_id: UUID, body: GrantReasonIn) -> object:
    """Take a person's own fields away for good; refused while what they did must stay attributed to them."""
    return erasing.erase(by(request), person_id, reason=body.reason, now=wiring.clock().now())


@router.post("/grants/{grant_id}/end", response=dict[str, str])
def end_grant(request: HttpRequest, grant_id: UUID, body: GrantReasonIn) -> dict[str, str]:
    """End a role."""
    receipt = actions.end_grant(by(request), grant_id, reason=body.reason, now=wiring.clock().now())
    return {"leaf_hash": receipt.leaf_hash}


@router.post("/machines", response={201: TokenOut})
def create_machine(request: HttpRequest, body: MachineIn) -> Status[TokenOut]:
    """Create a machine and its token."""
    machine, token = actions.create_machine(by(request), **body.dict(), now=wiring.clock().now())
    return Status(201, TokenOut(id=machine.pk, token=token))


@router.post("/machines/{machine_id}/revoke", response=dict[str, str])
def revoke_machine(request: HttpRequest, machine_id: UUID, body: GrantReasonIn) -> dict[str, str]:
    """From now on nothing it sends is trusted."""
    machine = actions.revoke_machine(by(request), machine_id, reason=body.reason, now=wiring.clock().now())
    return {"revoked_at": machine.revoked_at.isoformat() if machine.revoked_at else ""}
