"""The claim of an incident or an excursion: what it would say now, what lots are worth, and the archive to send."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.console.fields import read_uuid, words
from waystation.console.frame import who
from waystation.journeys import claims
from waystation.journeys.paper.claimed import DECIDED, total_words
from waystation.product.actions import values


def claim(request: HttpRequest) -> HttpResponse:
    """The estimate as it stands, with a form for what each lot is worth."""
    by, now = who(request), wiring.clock().now()
    asked = {name: request.GET.get(name, "") for name in ("incident", "excursion")}
    about = claims.subject(by, **asked, now=now)
    found = claims.estimate(by, about)
    context = {
        "section": "/evidence/",
        "about": about,
        "found": found,
        "total": total_words(found),
        "lots": [(one, DECIDED[one["disposition"]]) for one in found["lots"]],
        "query": urlencode({k: v for k, v in asked.items() if v}),
        "asked": asked,
        "may_value": by.may("product.value", about.site.pk),
        "may_read": by.may("evidence.read", about.site.pk),
    }
    return render(request, "evidence/claim.html", context)


def pack(request: HttpRequest) -> HttpResponse:
    """The archive: the pack, the claim on one page, the pack's paper."""
    by, now, asked = who(request), wiring.clock().now(), request.GET
    about = claims.subject(by, incident=asked.get("incident", ""), excursion=asked.get("excursion", ""), now=now)
    data = claims.make(by, about, now=now, line_of=wiring.witness_line, stamper=wiring.time_stamper())
    named = {"Content-Disposition": f'attachment; filename="{claims.file_name(about)}.zip"'}
    return HttpResponse(data, content_type="application/zip", headers=named)


@require_POST
def value(request: HttpRequest) -> HttpResponse:
    """State what one unit of a lot is worth."""
    row = values.state_value(
        who(request),
        read_uuid(words(request, "lot"), "lot"),
        unit_value=words(request, "unit_value"),
        currency=words(request, "currency"),
        source=request.POST.get("source", ""),
        now=wiring.clock().now(),
    )
    messages.success(request, f"{row.consignment.lot}: {row.unit_value} {row.currency}, from {row.source}.")
    back = {k: request.POST[k] for k in ("incident", "excursion") if request.POST.get(k)}
    return HttpResponseRedirect(f"/evidence/claim/?{urlencode(back)}")
