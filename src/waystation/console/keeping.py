"""Keeping: holds on records, retention policies, what retention did and held back, and how much the readings take."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.console.fields import read_whole, words
from waystation.console.frame import who
from waystation.console.product import proved_again
from waystation.evidence import holds
from waystation.journeys import keeping as verbs
from waystation.kernel.instants import read_instant
from waystation.registry import queries as registry
from waystation.telemetry import forecast, retention
from waystation.telemetry.actions import retain

HERE = "/evidence/keeping/"


def keeping(request: HttpRequest) -> HttpResponse:
    """Everything that decides how long readings stay, with the forms for who may use them."""
    by = who(request)
    by.require("evidence.read")
    rows, policies = holds.holds(by), retention.policies()
    people = {p for row in rows for p in (row.placed_by, row.lift_asked_by, row.lifted_by) if p}
    people |= {row.proposed_by for row in policies}
    context = {
        "section": "/evidence/",
        "holds": rows,
        "policies": policies,
        "counting": [row for row in policies if row.state == "approved"],
        "reports": retention.reports(),
        "forecast": forecast.forecast(),
        "names": access.names(people),
        "classes": registry.service_classes(),
        "me": by.principal_id,
        "may_hold": bool(by.grants.get("evidence.hold")),
        "may_propose": by.may("telemetry.retain"),
        "may_approve": by.may("telemetry.approve_retention"),
    }
    return render(request, "evidence/keeping.html", context)


@require_POST
def place_hold(request: HttpRequest) -> HttpResponse:
    """Hold records of a subject over a period, in UTC."""
    since, until = (
        read_instant(text, name) if (text := request.POST.get(name, "").strip()) else None
        for name in ("since", "until")
    )
    row = verbs.hold(
        who(request),
        subject=words(request, "subject"),
        name=words(request, "name"),
        reason=words(request, "reason"),
        since=since,
        until=until,
        now=wiring.clock().now(),
    )
    return _back(request, f"The records of {row.subject} {row.name} are held.")


@require_POST
def ask_to_lift(request: HttpRequest, key: UUID) -> HttpResponse:
    """Ask that a hold be lifted."""
    holds.ask_to_lift(who(request), key, reason=words(request, "reason"), now=wiring.clock().now())
    return _back(request, "The hold stands until another person lifts it.")


@require_POST
def keep_hold(request: HttpRequest, key: UUID) -> HttpResponse:
    """Turn down the request to lift."""
    holds.keep(who(request), key, reason=words(request, "reason"), now=wiring.clock().now())
    return _back(request, "The hold stands.")


@require_POST
def lift_hold(request: HttpRequest, key: UUID) -> HttpResponse:
    """Lift a hold as the second person."""
    fresh = proved_again(request)
    holds.lift(who(request), key, fresh_proof=fresh, now=wiring.clock().now())
    return _back(request, "The hold is lifted. It binds to the end of this day, UTC.")


@require_POST
def propose(request: HttpRequest) -> HttpResponse:
    """Propose a policy."""
    row = retain.propose(
        who(request),
        name=words(request, "name"),
        covers=words(request, "covers"),
        source=words(request, "source"),
        clause=words(request, "clause"),
        service_class=request.POST.get("service_class", ""),
        for_ever=bool(request.POST.get("for_ever")),
        keep_years=read_whole(request, "keep_years") or 0,
        keep_days=read_whole(request, "keep_days") or 0,
        full_days=read_whole(request, "full_days"),
        now=wiring.clock().now(),
    )
    return _back(request, f"{row.name} is proposed. It does nothing before QA approves it.")


@require_POST
def approve(request: HttpRequest, key: UUID) -> HttpResponse:
    """QA's signed approval."""
    fresh = proved_again(request)
    row = retain.approve(who(request), key, fresh_proof=fresh, now=wiring.clock().now())
    return _back(request, f"{row.name} counts from now on, signed by {row.signed_name}.")


@require_POST
def end(request: HttpRequest, key: UUID) -> HttpResponse:
    """End a policy, signed."""
    fresh, reason = proved_again(request), words(request, "reason")
    row = retain.end(who(request), key, reason=reason, fresh_proof=fresh, now=wiring.clock().now())
    return _back(request, f"{row.name} has ended.")


def _back(request: HttpRequest, said: str) -> HttpResponse:
    messages.success(request, said)
    return HttpResponseRedirect(HERE)
