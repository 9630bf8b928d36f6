"""The inventory by API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status

from waystation import wiring
from waystation.api.auth import by
from waystation.registry import actions, queries

router = Router()


class RecordIn(Schema):
    """Columns of a record; foreign keys as `<name>_id`."""

    values: dict[str, Any]
    reason: str = ""


class SiteOut(Schema):
    """A site with its class and state."""

    id: UUID
    code: str
    name: str
    state: str
    city: str
    country: str
    zone: str
    service_class: str
    template: str

    @staticmethod
    def resolve_service_class(site: Any) -> str:
        return str(site.service_class.code)

    @staticmethod
    def resolve_template(site: Any) -> str:
        return f"{site.template.kind} v{site.template.version}"


@router.get("/sites", response=list[SiteOut])
def sites(request: HttpRequest) -> list[Any]:
    """The sites that the caller may see."""
    return list(queries.sites(by(request)))


@router.get("/sites/{key}", response=SiteOut)
def site(request: HttpRequest, key: str) -> Any:
    """One site by id or code."""
    return queries.site(by(request), key)


@router.post("/{kind}", response={201: dict[str, UUID]})
def create(request: HttpRequest, kind: str, body: RecordIn) -> Status[dict[str, UUID]]:
    """Create a record of a kind (site, space, device, sensor ...)."""
    row = actions.create(by(request), kind, body.values, now=wiring.clock().now())
    return Status(201, {"id": row.pk})


@router.patch("/{kind}/{key}", response=dict[str, UUID])
def change(request: HttpRequest, kind: str, key: UUID, body: RecordIn) -> dict[str, UUID]:
    """Change columns of a record."""
    row = actions.change(by(request), kind, key, body.values, now=wiring.clock().now(), reason=body.reason)
    return {"id": row.pk}


@router.post("/product_profile/{key}/approve", response=dict[str, UUID])
def approve_profile(request: HttpRequest, key: UUID, reason: str) -> dict[str, UUID]:
    """QA's approval of an edition."""
    return {"id": actions.approve_profile(by(request), key, now=wiring.clock().now(), reason=reason).pk}


@router.post("/sites/{key}/state/{target}", response=SiteOut)
def set_state(request: HttpRequest, key: UUID, target: str, reason: str = "") -> Any:
    """Move a site along its states."""
    return actions.set_site_state(by(request), key, target, now=wiring.clock().now(), reason=reason)
