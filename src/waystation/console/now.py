"""Now: what needs somebody, by time to product loss; acknowledging; what is due next; who is on call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.alarms import actions
from waystation.alarms import queries as alarms
from waystation.console.drawing.day_bar import network_bar, shares
from waystation.console.watch import watch
from waystation.evidence import beats
from waystation.incidents import actions as incidents
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Refusal
from waystation.registry import queries as registry
from waystation.runbooks import queries as runbooks
from waystation.telemetry import queries as telemetry

STALLED_AFTER = timedelta(minutes=3)
UTC = ZoneInfo("UTC")
SHARES = {"in_range_proven": "proven", "not_proven": "not proven", "out_of_range": "out of range"}


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something that happens, or must have happened, at an instant."""

    at: datetime
    zone: str
    words: str
    url: str


def now(request: HttpRequest) -> HttpResponse:
    """The operator's list by time to product loss."""
    return render(request, "now/now.html", {"section": "/"} | _context(request))


def fragment(request: HttpRequest) -> HttpResponse:
    """The same list without its frame, for the page that polls itself."""
    return render(request, "now/list.html", _context(request))


def _context(request: HttpRequest) -> dict[str, Any]:
    by: Authority = request.authority  # type: ignore[attr-defined]
    at = wiring.clock().now()
    whose = request.GET.get("whose", "all")
    sites = registry.site_lines(by)
    shown = watch(by, [s.id for s in sites], at)
    cover = alarms.covered_everywhere(at)
    people = access.names({s.person_id for c in cover for s in c.shifts})
    rows = [r for r in shown.rows if whose == "all" or (("You" in r.who) == (whose == "mine"))]
    judged_at = beats.alive_at(beats.last_beats())
    return {
        "watch": shown,
        "day_bar": network_bar(shown.day, UTC),
        "day_end": shown.day.start + timedelta(hours=24),
        "day_shares": [(state, SHARES[state], words) for state, words in shares(shown.day)],
        "rows": rows,
        "whose": whose,
        "now": at,
        "sites": len(sites),
        "deadlines": deadlines(by, at)[:6],
        "cover": [(c.role, [(people.get(s.person_id, "somebody"), s) for s in c.shifts]) for c in cover],
        "tomorrow": at + timedelta(hours=24),
        "next_week": at + timedelta(days=7),
        "me": by.principal_id,
        "stalled": judged_at is None or at - judged_at > STALLED_AFTER,
        "judged_at": judged_at,
    }


def deadlines(by: Authority, at: datetime) -> list[Deadline]:
    """What is due next at the sites that a person sees: escalations, hand readings, approvals, by time."""
    found = []
    for e in alarms.deadlines(by):
        site, asset = e.alarm.site, str(e.alarm.facts.get("asset") or "site")
        words = f"{site.name}, {asset}: page escalates" if asset != "site" else f"{site.name}: page escalates"
        found.append(Deadline(e.due_at, site.zone, words, f"/incidents/{e.alarm.incident_id}/"))
    for duty in telemetry.unmonitored():
        if by.may("registry.read", duty.space.site_id):
            url = f"/spaces/{duty.space_id}/hand-reading/"
            found.append(Deadline(duty.due_at, duty.space.site.zone, f"Hand reading, {duty.space}", url))
    for approval in runbooks.waiting(by, at):
        words = f"Approval expires, {approval.run.site.name}"
        found.append(Deadline(approval.expires_at, approval.run.site.zone, words, "/approvals/"))
    first: dict[tuple[str, str], Deadline] = {}
    for one in sorted(found, key=lambda d: (d.at, d.words)):
        first.setdefault((one.words, one.url), one)
    return list(first.values())


def acknowledge_form(request: HttpRequest, alarm_id: UUID) -> HttpResponse:
    """The alarm in words with one button: the second tap."""
    row = alarms.alarm(request.authority, alarm_id)  # type: ignore[attr-defined]
    pages = alarms.paged(row.pk)
    names = access.names({p.person_id for p in pages})
    said = [(names.get(p.person_id, "somebody"), p) for p in pages]
    may = request.authority.may("alarms.acknowledge", row.site_id)  # type: ignore[attr-defined]
    context = {"section": "/", "alarm": row, "pages": said, "may": may}
    return render(request, "now/acknowledge.html", context)


@require_POST
def acknowledge(request: HttpRequest, alarm_id: UUID) -> HttpResponse:
    """This person has it in hand: every alarm of the same incident, and the incident."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    at = wiring.clock().now()
    row = actions.acknowledge(by, alarms.alarm(by, alarm_id).pk, now=at)
    if row.incident_id is not None:
        for other in alarms.of_incident(row.incident_id):
            if other.cleared_at is None and other.severity != "informational":
                actions.acknowledge(by, other.pk, now=at)
        _take_incident(by, row.incident_id, at)
    messages.success(request, "You have it in hand. Nobody else is paged unless it becomes worse.")
    return HttpResponseRedirect(f"/incidents/{row.incident_id}/" if row.incident_id else "/")


def _take_incident(by: Authority, incident_id: UUID, at: datetime) -> None:
    """Those who work incidents respond to it too; others have only answered the page."""
    if by.grants.get("incidents.work"):
        try:
            incidents.acknowledge(by, incident_id, now=at)
        except Refusal:
            return  # their role holds at another site
