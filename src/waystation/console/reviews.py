"""The audit-trail review: the changes of a period by group, each with its entry, and QA's signature under them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.console.fields import read_uuid, words
from waystation.console.frame import who
from waystation.console.product import proved_again
from waystation.evidence import reviews as verbs
from waystation.kernel.instants import read_instant
from waystation.registry import queries as registry

HERE = "/evidence/review/"


def review(request: HttpRequest) -> HttpResponse:
    """The month that ended last unless a period is asked for; days are UTC, the last one belongs to it."""
    by, now, asked = who(request), wiring.clock().now(), request.GET
    start, end = _last_month(now)
    if asked.get("from") and asked.get("to"):
        start, end = read_instant(asked["from"], "from", zone=UTC), read_instant(asked["to"], "to", zone=UTC)
    found = verbs.trail(by, start, end)
    actors = {read_uuid(line.actor, "actor") for line in found.lines if line.actor}
    context = {
        "section": "/evidence/",
        "trail": found,
        "groups": verbs.grouped(found.lines),
        "start": start,
        "end": end,
        "last_day": end - timedelta(seconds=1),
        "is_over": end <= now,
        "months": verbs.months(by, now),
        "reviews": verbs.reviews(by),
        "names": {str(key): name for key, name in access.names(actors).items()},
        "sites": {site.pk: site.name for site in registry.sites(by)},
        "may_sign": by.may("evidence.review"),
    }
    return render(request, "evidence/review.html", context)


@require_POST
def sign(request: HttpRequest) -> HttpResponse:
    """QA signs exactly the list that the page showed."""
    fresh = proved_again(request)
    row = verbs.sign(
        who(request),
        read_instant(words(request, "start"), "start"),
        read_instant(words(request, "end"), "end"),
        seen_digest=words(request, "list_digest"),
        zone=words(request, "zone"),
        note=request.POST.get("note", ""),
        fresh_proof=fresh,
        now=wiring.clock().now(),
    )
    messages.success(request, f"{len(row.entries)} changes are signed by {row.signed_name} at {row.signed_local}.")
    return HttpResponseRedirect(f"{HERE}?from={row.start:%Y-%m-%dT%H:%M}&to={row.end:%Y-%m-%dT%H:%M}")


def _last_month(now: datetime) -> tuple[datetime, datetime]:
    end = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (end - timedelta(days=1)).replace(day=1), end
