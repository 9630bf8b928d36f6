"""Handing over the watch: what one shift leaves, and the signature of the next on what it read."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.alarms import queries as alarms
from waystation.incidents import actions, queries
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant
from waystation.runbooks import queries as runbooks
from waystation.telemetry import queries as telemetry

TITLES = {"open": "Open", "suppressed": "Suppressed", "unmonitored": "Unmonitored", "waiting": "Waiting"}
EMPTY = {
    "open": "No incident is open.",
    "suppressed": "Nothing is quiet.",
    "unmonitored": "Every space is monitored.",
    "waiting": "Nothing waits for a person.",
}


def snapshot(by: Authority, now: datetime) -> dict[str, list[dict[str, str]]]:
    """What is open, suppressed, unmonitored and waiting, each line with words and when."""
    standing = {a.pk for a in alarms.standing(by, now)}
    unseen = [a for a in alarms.active(by) if a.pk in standing]
    opened = [_line(f"{i.name}, {i.priority}: {i.title}", i.opened_at, i.state.replace("_", " ")) for i in
              queries.open_incidents(by)]  # fmt: skip
    opened += [_line(f"Over a day: {a.site.name}, {a.rule.replace('_', ' ')}", a.raised_at, a.state) for a in unseen]
    quiet = [_line(f"{s.site.name}: {s.kind.replace('_', ' ')}, {s.reason}", s.ends_at, "until") for s in
             alarms.suppressions(by, now)]  # fmt: skip
    dark = [_line(f"{d.space}: {d.reason}", d.due_at, "hand reading due") for d in telemetry.unmonitored()
            if by.may("registry.read", d.space.site_id)]  # fmt: skip
    waits = [_line(f"Approval: {a.run.site.name}, {a.step.replace('_', ' ')}", a.expires_at, "until") for a in
             runbooks.waiting(by, now)]  # fmt: skip
    asked = [(_at_site(j.run.site.name, j.instruction or j.step), j.started_at) for j in runbooks.instructions(by)]
    waits += [_line(f"Asked of a person: {words}", since, "since") for words, since in asked]
    waits += [_line(f"QA: {i.name}, {i.title}", i.quality_task_at or now, "since") for i in queries.quality_tasks(by)]
    return {"open": opened, "suppressed": quiet, "unmonitored": dark, "waiting": waits}


def _at_site(site: str, words: str) -> str:
    return words if words.startswith(site) else f"{site}: {words}"


def _line(words: str, at: datetime, note: str) -> dict[str, str]:
    return {"words": words, "at": instant(at), "note": note}


def hand_over(request: HttpRequest) -> HttpResponse:
    """What would be left now, and the hand-overs before."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    now = wiring.clock().now()
    newest = queries.last_hand_over()
    before = queries.hand_overs()
    names = access.names({k for row in before for k in (row.by_id, row.taken_by) if k})
    context = {
        "section": "/",
        "parts": _shown(snapshot(by, now)),
        "newest": newest,
        "to_take": newest if newest is not None and newest.taken_by is None else None,
        "to_take_parts": _shown(newest.snapshot) if newest is not None and newest.taken_by is None else [],
        "own": newest is not None and newest.by_id == by.principal_id,
        "before": [
            (row, names.get(row.by_id, ""), names.get(row.taken_by, "") if row.taken_by else "") for row in before
        ],
        "left_by": names.get(newest.by_id, "") if newest is not None else "",
        "may": by.may("incidents.hand_over"),
    }
    return render(request, "incidents/hand_over.html", context)


def _shown(parts: dict[str, Any]) -> list[tuple[str, str, list[tuple[str, datetime, str, str]]]]:
    return [(TITLES[name], EMPTY[name], [_row(line) for line in lines]) for name, lines in parts.items()]


def _row(line: dict[str, Any]) -> tuple[str, datetime, str, str]:
    """The words of a line, its instant, what the instant is, and the incident that it opens."""
    words = str(line["words"])
    name = words.removeprefix("QA: ").split(",")[0]
    opens = f"/incidents/{name}/" if name.startswith("INC-") else ""
    return words, datetime.fromisoformat(line["at"]), str(line["note"]), opens


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Leave the watch as it stands at this instant."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    now = wiring.clock().now()
    actions.hand_over(by, snapshot(by, now), now=now, remark=request.POST.get("remark", "").strip())
    messages.success(request, "Left. It is handed over when the next shift signs.")
    return HttpResponseRedirect("/hand-over/")


@require_POST
def take(request: HttpRequest, key: UUID) -> HttpResponse:
    """The next shift signs what it read."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    actions.take_over(by, key, digest_read=request.POST.get("digest", ""), now=wiring.clock().now())
    messages.success(request, "You have the watch.")
    return HttpResponseRedirect("/")
