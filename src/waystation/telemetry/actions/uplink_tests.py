"""Tests of one uplink of a site: asked for here, made by its agent, kept as what the agent said came through."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict
from waystation.registry.models import Site
from waystation.registry.queries import one
from waystation.telemetry.actions.ingest import Accepted
from waystation.telemetry.models import Gateway, UplinkTest
from waystation.telemetry.rules.uplink_test import ANSWER_WITHIN, carried


def ask(by: Authority, site_id: UUID, uplink: str, *, now: datetime) -> UplinkTest:
    """Ask the agent of a site to use one uplink alone. One test at a time; one that nobody answered is ended first."""
    by.require("runbooks.propose", site_id)
    uplink = uplink.strip()
    if not 0 < len(uplink) <= 40:
        raise BadInput(
            "telemetry.uplink", "No uplink is named.", "Name it as the agent does.", field="uplink", value=uplink[:60]
        )
    with transaction.atomic():
        site = one(Site, site_id, among=Site.objects.select_for_update())
        if not Gateway.objects.filter(site=site).exists():
            raise Conflict("telemetry.no_agent", f"No agent of {site.name} was ever heard.", "Enrol one first.")
        held = UplinkTest.objects.filter(site=site, ended_at=None).first()
        if held is not None and now - held.asked_at <= ANSWER_WITHIN:
            raise Conflict(
                "telemetry.uplink_test_runs",
                f"{site.name} is testing {held.uplink} since {held.asked_at:%H:%M} UTC.",
                "Wait for its result, at most ten minutes.",
            )
        if held is not None:
            _end(by, held, {"cause": "nothing was heard of it"}, now)
        row = UplinkTest(site=site, uplink=uplink, asked_by=by.principal_id, asked_at=now)
        facts = {"uplink": uplink}
        record([row], [NewEvent(data=facts)], entry=NewEntry("telemetry.uplink_test_asked", row.pk, by, now, site.pk,
                                                             facts=facts))  # fmt: skip
    return row


def waiting(site_id: UUID, now: datetime) -> UplinkTest | None:
    """The test that the agent has not begun and is still asked for."""
    fresh = now - ANSWER_WITHIN
    return UplinkTest.objects.filter(site_id=site_id, ended_at=None, begun_at=None, asked_at__gte=fresh).first()


def heard(by: Authority, accepted: Accepted, *, now: datetime) -> None:
    """Keep what an agent's notes say of tests; one that was begun at the site itself is kept too."""
    for note in accepted.told.notes:
        if note["kind"] in ("failover_begun", "failover_tested") and accepted.site_id is not None:
            _take(by, accepted.site_id, note, now)


def _take(by: Authority, site_id: UUID, note: Mapping[str, Any], now: datetime) -> None:
    by.require("telemetry.ingest", site_id)
    row = _named(site_id, str(note.get("test", "")))
    if note["kind"] == "failover_begun":
        if row is not None and row.begun_at is None and row.ended_at is None:
            row.begun_at = now
            entry = NewEntry("telemetry.uplink_test_begun", row.pk, by, now, site_id, facts={"uplink": row.uplink})
            record([row], entry=entry)
        return
    if row is None:
        uplink = str(note.get("uplink", ""))[:40]
        row = UplinkTest(site_id=site_id, uplink=uplink, asked_at=now, begun_at=now)
    if not row.result.get("kind"):
        _end(by, row, dict(note), now)


def _named(site_id: UUID, test: str) -> UplinkTest | None:
    try:
        key = UUID(test)
    except ValueError:
        return None
    return UplinkTest.objects.select_for_update().filter(pk=key, site_id=site_id).first()


def _end(by: Authority, row: UplinkTest, result: dict[str, Any], now: datetime) -> None:
    row.ended_at, row.result = now, result
    came = {one.what: one.last_at for one in carried(result)}
    facts = {"uplink": row.uplink, "passed": all(came.values()), **came}
    entry = NewEntry("telemetry.uplink_tested", row.pk, by, now, row.site_id, facts=facts)
    record([row], [NewEvent(data=facts)], entry=entry)
