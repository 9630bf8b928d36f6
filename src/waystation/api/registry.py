"""The inventory by API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status

from waystation import wiring
from waystation.api.auth import by
from waystation.journeys import assessment
from waystation.journeys import replay as replays
from waystation.registry import actions, queries
from waystation.registry.importing import files

router = Router()


class InventoryIn(Schema):
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


class ShippedOut(Schema):
    """A profile that comes with the platform. `read`: it was read in the source, not written from memory."""

    code: str
    name: str
    low_c: float
    high_c: float
    rules: list[dict[str, Any]]
    source: str
    clause: str
    read: bool


@router.get("/shipped-profiles", response=list[ShippedOut])
def shipped_profiles(request: HttpRequest) -> list[Any]:
    """The profiles that come with the platform and are not added yet."""
    by(request).require("registry.read")
    return list(queries.shipped_profiles())


@router.post("/shipped-profiles/{code}", response={201: dict[str, UUID]})
def add_shipped_profile(request: HttpRequest, code: str) -> Status[dict[str, UUID]]:
    """Add one as edition 1. It judges nothing until QA approved it."""
    return Status(201, {"id": actions.add_shipped_profile(by(request), code, now=wiring.clock().now()).pk})


class LineOfSite(Schema):
    """One thing of a site's inventory; `blank` names the cells that nobody has filled."""

    site: str
    group: str
    name: str
    detail: str
    source: str
    seen_at: datetime | None
    blank: list[str]


@router.get("/current-state", response=list[LineOfSite])
def current_state(request: HttpRequest) -> list[Any]:
    """Every device, circuit, sensor, firmware and contact of the sites that the caller sees, with source and age."""
    return list(assessment.all_lines(list(queries.sites(by(request))), wiring.clock().now()))


class ImportIn(Schema):
    """A file as text, how it is to be read, and whether to apply it or only to look."""

    kind: str
    content: str
    file_name: str = "import.csv"
    form: str = "csv"
    mapping: dict[str, str] = {}
    fixed: dict[str, str] = {}
    system: str = ""
    apply: bool = False


class SiteLineOut(Schema):
    """What a line does: create, update, same or error."""

    line: int
    verb: str
    key: str
    changes: dict[str, list[str]]
    error: str


class ImportOut(Schema):
    """A file as understood; `import_id` when it was applied and changed something."""

    mapping: dict[str, str]
    unused: list[str]
    counts: dict[str, int]
    lines: list[SiteLineOut]
    import_id: UUID | None = None


@router.post("/imports", response=ImportOut)
def import_file(request: HttpRequest, body: ImportIn) -> dict[str, Any]:
    """Look at a spreadsheet or NetBox export line by line, or apply it."""
    who = by(request)
    seen = files.preview(
        who,
        body.kind,
        body.content.encode(),
        form=body.form,
        mapping=body.mapping,
        fixed=body.fixed,
        system=body.system,
    )
    made = files.apply(who, seen, body.file_name, now=wiring.clock().now()) if body.apply else None
    return {
        "mapping": dict(seen.table.mapping),
        "unused": list(seen.table.unused),
        "counts": {verb: seen.count(verb) for verb in ("create", "update", "same", "error")},
        "lines": [{n: getattr(p, n) for n in ("line", "verb", "key", "changes", "error")} for p in seen.plans],
        "import_id": made.pk if made else None,
    }


@router.post("/imports/{key}/undo", response=dict[str, UUID])
def undo_import(request: HttpRequest, key: UUID, reason: str = "") -> dict[str, UUID]:
    """Take an import back, while nothing else changed its rows."""
    return {"id": files.undo(by(request), key, now=wiring.clock().now(), reason=reason).pk}


@router.post("/{kind}", response={201: dict[str, UUID]})
def create(request: HttpRequest, kind: str, body: InventoryIn) -> Status[dict[str, UUID]]:
    """Create a record of a kind (site, space, device, sensor ...)."""
    row = actions.create(by(request), kind, body.values, now=wiring.clock().now())
    return Status(201, {"id": row.pk})


@router.patch("/{kind}/{key}", response=dict[str, UUID])
def change(request: HttpRequest, kind: str, key: UUID, body: InventoryIn) -> dict[str, UUID]:
    """Change columns of a record."""
    row = actions.change(by(request), kind, key, body.values, now=wiring.clock().now(), reason=body.reason)
    return {"id": row.pk}


class ReadingHoldIn(Schema):
    """How long a reading stands, in seconds; 0 for 1.5 intervals."""

    hold_s: int
    reason: str


@router.post("/sensor/{key}/hold", response=dict[str, UUID])
def let_stand(request: HttpRequest, key: UUID, body: ReadingHoldIn) -> dict[str, UUID]:
    """QA's decision how long a reading of a sensor stands: up to 2.5 intervals for radio, never over 30 min."""
    return {"id": actions.let_stand(by(request), key, **body.dict(), now=wiring.clock().now()).pk}


@router.post("/template/{key}/publish", response=dict[str, UUID])
def publish_template(request: HttpRequest, key: UUID) -> dict[str, UUID]:
    """From now on sites of its kind can be measured against this version."""
    return {"id": actions.publish_template(by(request), key, now=wiring.clock().now()).pk}


@router.post("/product_profile/{key}/approve", response=dict[str, UUID])
def approve_profile(request: HttpRequest, key: UUID, reason: str) -> dict[str, UUID]:
    """QA's approval of an edition."""
    return {"id": actions.approve_profile(by(request), key, now=wiring.clock().now(), reason=reason).pk}


@router.get("/product_profile/{key}/replay", response=list[dict[str, Any]])
def replay_profile(
    request: HttpRequest, key: UUID, of: UUID | None = None, days: int = 30, first: int = 0
) -> list[dict[str, Any]]:
    """What a profile would have said of the last `days`, beside what is said now: ten spaces from number `first`.

    The spaces are those under another edition of its code, or those under the profile `of`.
    """
    who, now = by(request), wiring.clock().now()
    profile = queries.profile(key)
    begin = max(0, first)
    some = replays.spaces_for(who, profile, of)[begin : begin + replays.AT_ONCE]
    look = timedelta(days=max(1, min(days, 31)))
    return [replays.as_plain(row) for row in replays.replay(who, key, some, now=now, look=look)]


@router.post("/sites/{key}/state/{target}", response=SiteOut)
def set_state(request: HttpRequest, key: UUID, target: str, reason: str = "") -> Any:
    """Move a site along its states."""
    return actions.set_site_state(by(request), key, target, now=wiring.clock().now(), reason=reason)
