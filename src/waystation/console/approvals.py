"""Approvals: what waits for another person's word, with exactly what would be done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.kernel.authority import Authority
from waystation.runbooks import actions, queries


@dataclass(frozen=True, slots=True)
class Card:
    """One question: the exact content, its digest, who asked, until when, and why this person may not answer it."""

    row: Any
    title: str
    content: str
    digest: str
    asker: str
    zone: str
    site: str
    expired: bool
    why_not: str
    approvers: tuple[str, ...]


def shown(by: Authority, row: Any, now: datetime) -> Card:
    """A waiting approval as its card shows it."""
    run = row.run
    title = next((s["title"] for s in run.definition.data["steps"] if s["key"] == row.step), row.step)
    asker = access.names({row.asked_by}).get(row.asked_by, "somebody")
    involved = by.principal_id in (row.asked_by, run.proposed_by)
    others = [p.name for p in access.people_with("runbooks.approve", run.site_id, now)]
    expired = now >= row.expires_at
    why = ""
    if expired:
        why = "It expired, so nothing is done. Propose the run again."
    elif involved:
        why = "You asked, so another person approves."
    elif not by.may("runbooks.approve", run.site_id):
        why = f"Your role does not approve. {', '.join(others[:3]) or 'A supervisor'} may."
    digest = " ".join(row.digest[i : i + 4] for i in range(0, 32, 4))
    name = "you" if row.asked_by == by.principal_id else asker
    return Card(row, title, exact(row.content), digest, name, run.site.zone, run.site.name, expired, why, tuple(others))


def exact(content: list[dict[str, Any]]) -> str:
    """Every phase with its target and parameters, as it would be done."""
    lines = []
    for call in content:
        lines.append(f"{call['phase']:<4} {call['kind']}  {call['target']}")
        for name, value in sorted(call["parameters"].items()):
            said = value if isinstance(value, str) else json.dumps(value)
            lines.append(f"       {name} = {said}")
    return "\n".join(lines)


def approvals(request: HttpRequest) -> HttpResponse:
    """All that wait, the nearest end first."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    now = wiring.clock().now()
    cards = [shown(by, row, now) for row in queries.waiting(by, now)]
    return render(request, "approvals/list.html", {"section": "/approvals/", "cards": cards})


@require_POST
def decide(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Yes or no to exactly what was seen."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    now, row = wiring.clock().now(), queries.approval(by, approval_id)
    seen, reason = request.POST.get("digest", ""), request.POST.get("reason", "").strip()
    if request.POST.get("decision") == "approve":
        actions.approve(by, row.pk, digest_seen=seen, reason=reason, now=now)
        messages.success(request, "Approved. The step runs next.")
    else:
        actions.deny(by, row.pk, digest_seen=seen, reason=reason or "denied", now=now)
        messages.success(request, "Denied. The step does not run.")
    back = request.POST.get("back", "")
    ours = url_has_allowed_host_and_scheme(back, {request.get_host()})
    return HttpResponseRedirect(back if ours else "/approvals/")
