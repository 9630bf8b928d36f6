"""Webhooks: which addresses hear which events, how each fares, and the acts upon it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.console.frame import who
from waystation.evidence import subscriptions
from waystation.kernel.refusals import BadInput
from waystation.registry import queries as registry

HERE = "/webhooks/"


def webhooks(request: HttpRequest) -> HttpResponse:
    """All of them; POST makes one and shows its secret this once."""
    by = who(request)
    made: dict[str, Any] = {}
    if request.method == "POST":
        site = request.POST.get("site", "")
        row, secret = subscriptions.subscribe(
            by,
            url=request.POST.get("url", ""),
            kinds=request.POST.get("kinds", "").replace(",", " ").split(),
            site_id=registry.site(by, site).pk if site else None,
            now=wiring.clock().now(),
        )
        made = {"made": row, "secret": secret}
    rows = subscriptions.subscriptions(by)
    context = {"section": HERE, "rows": rows, **_names(request, rows), **made}
    return render(request, "evidence/webhooks.html", context, status=201 if made else 200)


def webhook(request: HttpRequest, key: UUID) -> HttpResponse:
    """One of them with its newest tries at sending."""
    by = who(request)
    row = subscriptions.subscription(by, key)
    tries = subscriptions.attempts(by, key)
    return render(
        request, "evidence/webhook.html", {"section": HERE, "row": row, "tries": tries, **_names(request, [row])}
    )


@require_POST
def pause(request: HttpRequest, key: UUID) -> HttpResponse:
    """Stop sending; events wait."""
    subscriptions.pause(who(request), key, reason=_reason(request), now=wiring.clock().now())
    return _back(request, key, "Paused. Events wait until it is resumed.")


@require_POST
def resume(request: HttpRequest, key: UUID) -> HttpResponse:
    """Go on where it stopped."""
    subscriptions.resume(who(request), key, now=wiring.clock().now())
    return _back(request, key, "Resumed. It goes on with the first event that was not delivered.")


@require_POST
def replay(request: HttpRequest, key: UUID) -> HttpResponse:
    """Send everything behind a position again."""
    asked = request.POST.get("after", "").strip()
    if not (asked.isascii() and asked.isdigit() and len(asked) < 19):
        raise BadInput("evidence.position", f"{asked!r} is no position.", "Write a number from 0.", field="after")
    count = subscriptions.replay(who(request), key, after=int(asked), now=wiring.clock().now())
    return _back(request, key, f"Everything behind {asked} is sent again; {count} were delivered before.")


@require_POST
def end(request: HttpRequest, key: UUID) -> HttpResponse:
    """Never send again."""
    subscriptions.end(who(request), key, reason=_reason(request), now=wiring.clock().now())
    return _back(request, key, "Ended. Nothing more is sent.")


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "")


def _back(request: HttpRequest, key: UUID, words: str) -> HttpResponse:
    messages.success(request, words)
    return HttpResponseRedirect(f"{HERE}{key}/")


def _names(request: HttpRequest, rows: list[subscriptions.Standing]) -> dict[str, Any]:
    """Names of owners and sites, by id."""
    sites = list(registry.sites(who(request)))
    return {
        "sites": sites,
        "places": {site.pk: site.name for site in sites},
        "owners": access.names({row.owner_id for row in rows}),
    }
