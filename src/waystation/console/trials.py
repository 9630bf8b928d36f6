"""Trials of the installation: what the log shows of them, and the form by which a person enters a failover test."""

from __future__ import annotations

from datetime import UTC

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.console.fields import words
from waystation.console.frame import who
from waystation.journeys import qualification
from waystation.kernel.instants import read_instant

HERE = "/evidence/trials/"


def trials(request: HttpRequest) -> HttpResponse:
    """Each trial with its newest record, or that it was not done."""
    by = who(request)
    if not by.may("platform.record_test"):
        by.require("evidence.read")
    context = {
        "section": "/evidence/",
        "trials": qualification.trials(),
        "parts": qualification.PARTS.items(),
        "may": by.may("platform.record_test"),
    }
    return render(request, "evidence/trials.html", context)


@require_POST
def note(request: HttpRequest) -> HttpResponse:
    """Enter a failover test; the time is UTC unless it names an offset."""
    made = qualification.note_failover(
        who(request),
        part=words(request, "part"),
        passed=request.POST.get("result") == "passed",
        how=words(request, "how"),
        found=words(request, "found"),
        tested_at=read_instant(words(request, "tested_at"), "tested_at", zone=UTC),
        now=wiring.clock().now(),
    )
    messages.success(request, f"Entered as number {made.seq} of the log {made.log}.")
    return HttpResponseRedirect(HERE)
