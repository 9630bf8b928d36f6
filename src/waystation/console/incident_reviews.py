"""Post-incident reviews: the list with what is late, and one review with the figures that its records give."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.console.fields import day, read_uuid, words
from waystation.console.frame import who
from waystation.console.product import proved_again
from waystation.incidents import reviews as verbs
from waystation.journeys import post_incident

HERE = "/incidents/reviews/"


def reviews(request: HttpRequest) -> HttpResponse:
    """Those that wait, the first due first, with what is overdue; then the signed ones."""
    by, now = who(request), wiring.clock().now()
    rows = verbs.reviews(by)
    context = {
        "section": "/incidents/",
        "open": [row for row in rows if row.signed_at is None],
        "signed": [row for row in rows if row.signed_at is not None],
        "late": verbs.overdue(by, now),
        "now": now,
    }
    return render(request, "incidents/reviews.html", context)


def review(request: HttpRequest, key: UUID) -> HttpResponse:
    """One review: cause, detection, restoration and response as recorded, and what people wrote."""
    by, now = who(request), wiring.clock().now()
    row = verbs.review(by, key)
    found = post_incident.findings(row)
    actions = list(row.actions.all())
    context = {
        "section": "/incidents/",
        "review": row,
        "found": found,
        "parts": [
            ("Detection", found.detection),
            ("Restoration", found.restoration),
            (f"Response against class {row.targets['class']}", found.response),
        ],
        "actions": actions,
        "read_digest": post_incident.read_digest(row),
        "names": access.names({a.owner_id for a in actions}),
        "people": [p for p in access.people() if p.is_active],
        "may_write": by.may("incidents.work", row.site_id) and row.signed_at is None,
        "may_work": by.may("incidents.work", row.site_id),
        "may_sign": by.may("incidents.review", row.site_id) and row.signed_at is None,
        "may_claim": by.may("evidence.pack", row.site_id),
        "may_read": by.may("evidence.read", row.site_id),
        "now": now,
    }
    return render(request, "incidents/review.html", context)


@require_POST
def write(request: HttpRequest, key: UUID) -> HttpResponse:
    """Write its fields as they stand in the form."""
    sent = request.POST
    verbs.write(
        who(request),
        key,
        root_cause=sent.get("root_cause", ""),
        standing=sent.get("standing", ""),
        what_failed=sent.get("what_failed", ""),
        no_change=sent.get("no_change", ""),
        seen_digest=sent.get("seen_digest", ""),
        now=wiring.clock().now(),
    )
    messages.success(request, "Written.")
    return _back(key)


@require_POST
def add_action(request: HttpRequest, key: UUID) -> HttpResponse:
    """Name what is changed; the due day ends at its midnight, UTC."""
    verbs.add_action(
        who(request),
        key,
        what=words(request, "what"),
        owner_id=read_uuid(words(request, "owner"), "owner"),
        due_at=day(request, "due") + timedelta(days=1),
        now=wiring.clock().now(),
    )
    messages.success(request, "Named.")
    return _back(key)


@require_POST
def action_done(request: HttpRequest, key: UUID) -> HttpResponse:
    """An action is done."""
    done = verbs.action_done(who(request), key, now=wiring.clock().now())
    messages.success(request, "Done.")
    return _back(done.review_id)


@require_POST
def sign(request: HttpRequest, key: UUID) -> HttpResponse:
    """Sign what the page showed."""
    fresh = proved_again(request)
    seen, now = words(request, "read_digest"), wiring.clock().now()
    row = post_incident.sign(who(request), key, seen_digest=seen, fresh_proof=fresh, now=now)
    messages.success(request, f"Signed by {row.signed_name}.")
    return _back(key)


def _back(key: UUID) -> HttpResponse:
    return HttpResponseRedirect(f"{HERE}{key}/")
