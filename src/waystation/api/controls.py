"""Why each control exists, by API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from waystation import wiring
from waystation.api.auth import by
from waystation.journeys import controls as verbs

router = Router()


class ControlOut(Schema):
    """A rule, gate or policy that counts now. `entry` is the number of the log entry that put it in force."""

    kind: str
    key: str
    name: str
    what: str
    why: str
    owner: str
    approved_by: str
    approved_at: datetime | None
    entry: int | None
    last_test: str
    tested_at: datetime | None


@router.get("/", response=list[ControlOut])
def controls(request: HttpRequest, kind: str = "", untested: bool = False) -> list[dict[str, Any]]:
    """Every control with reason, owner, approval and last test, `never tested` where no record shows one."""
    found = verbs.controls(by(request), now=wiring.clock().now(), kind=kind, untested=untested)
    return [_out(row) for row in found]


@router.get("/controls.csv")
def controls_csv(request: HttpRequest, kind: str = "", untested: bool = False) -> HttpResponse:
    """The same as CSV, schema waystation.controls/1."""
    found = verbs.controls(by(request), now=wiring.clock().now(), kind=kind, untested=untested)
    return HttpResponse(verbs.as_csv(found), content_type="text/csv; charset=utf-8")


def _out(row: verbs.Explained) -> dict[str, Any]:
    one = row.control
    own = {name: getattr(one, name) for name in ("kind", "key", "name", "what", "why")}
    more = ("owner", "approved_by", "approved_at", "entry", "last_test", "tested_at")
    return own | {name: getattr(row, name) for name in more}
