"""What people do to an incident at the console: each form acts once and comes back to the page."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.alarms import actions as alarm_actions
from waystation.alarms import queries as alarms
from waystation.console.fields import amount
from waystation.console.reader import degrees
from waystation.incidents import actions, feedback, queries
from waystation.incidents.rules.feedback import QUESTIONS
from waystation.journeys import failed_device, joining
from waystation.journeys.outlook import is_out_of_range
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.product import queries as product
from waystation.product.actions import moves
from waystation.runbooks import actions as runbooks
from waystation.spares import papers
from waystation.spares.actions import travel


def _asked(request: HttpRequest, key: str) -> tuple[Authority, Any, datetime]:
    by: Authority = request.authority  # type: ignore[attr-defined]
    return by, queries.incident(by, key), wiring.clock().now()


def _back(row: Any) -> HttpResponse:
    return HttpResponseRedirect(f"/incidents/{row.name}/")


def _key(request: HttpRequest, field: str) -> UUID:
    return _id(request.POST.get(field, ""), field)


def _id(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadInput("page.field", f"{text!r} names nothing.", "Open the page again.", field=field) from None


def celsius(request: HttpRequest, field: str) -> float:
    """A temperature as it was typed, in the unit that the person reads; a comma is a decimal point."""
    text = request.POST.get(field, "").strip().replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        raise BadInput(
            "page.temperature",
            f"{text!r} is no temperature.",
            "Write it as the instrument shows it, for example 5.4.",
            field=field,
        ) from None
    return (value - 32.0) * 5.0 / 9.0 if getattr(request.user, "temperature_unit", "c") == "f" else value


@require_POST
def acknowledge(request: HttpRequest, key: str) -> HttpResponse:
    """This person has it in hand, and answers its pages."""
    by, row, now = _asked(request, key)
    actions.acknowledge(by, row.pk, now=now)
    if by.may("alarms.acknowledge", row.site_id):
        for alarm in alarms.of_incident(row.pk):
            if alarm.cleared_at is None and alarm.severity != "informational":
                alarm_actions.acknowledge(by, alarm.pk, now=now)
    messages.success(request, f"You have {row.name} in hand.")
    return _back(row)


@require_POST
def note(request: HttpRequest, key: str) -> HttpResponse:
    """What somebody knows, and how."""
    by, row, now = _asked(request, key)
    actions.note(by, row.pk, request.POST.get("text", ""), standing=request.POST.get("standing", "reported"), now=now)
    messages.success(request, "Noted.")
    return _back(row)


@require_POST
def move(request: HttpRequest, key: str) -> HttpResponse:
    """The named lots leave their space now."""
    by, row, now = _asked(request, key)
    if row.space_id is None:
        raise BadInput("incidents.no_space", f"{row.name} names no space.", "Move from the page of the space.")
    lots = [_id(text, "lot") for text in request.POST.getlist("lot")]
    started = moves.start_move(by, row.space_id, _key(request, "to"), lots, now=now, incident_id=row.pk)
    joining.attach(by, row.pk, "move", started.pk, now=now)
    messages.success(request, f"{len(started.consignments)} lots are on their way to {started.to_space}.")
    return _back(row)


@require_POST
def arrive(request: HttpRequest, key: str) -> HttpResponse:
    """They stand in the new space, at this temperature."""
    by, row, now = _asked(request, key)
    wanted = _key(request, "move")
    found = next((m for m in product.moves_of(row.pk) if m.pk == wanted), None)
    if found is None:
        raise BadInput("incidents.no_move", f"{row.name} has no such move.", "Open the incident again.", field="move")
    arrival_c = celsius(request, "arrival_c")
    done = moves.arrive(by, found.pk, arrival_c, now=now)
    if by.may("incidents.work", row.site_id) and row.state in ("open", "acknowledged"):
        actions.mark_mitigated(by, row.pk, now=now, how=f"product moved to {done.to_space}")
    messages.success(request, f"Arrived in {done.to_space} at {degrees(arrival_c)}.")
    return _back(row)


@require_POST
def delivered(request: HttpRequest, key: str) -> HttpResponse:
    """The unit is at the site. Delivery restores nothing."""
    by, row, now = _asked(request, key)
    travel.deliver(by, _key(request, "dispatch"), now=now, note="recorded at the console")
    messages.success(request, "Delivered. Service is restored when the unit is installed and trusted again.")
    return _back(row)


@require_POST
def install(request: HttpRequest, key: str) -> HttpResponse:
    """The new unit stands in the place of the failed one, which is on its way back."""
    by, row, now = _asked(request, key)
    device = failed_device.swap(by, row.pk, _key(request, "unit"), now=now)
    messages.success(request, f"{device.name} is {device.serial} now. Its baseline and signals are checked again.")
    return _back(row)


@require_POST
def resolve(request: HttpRequest, key: str) -> HttpResponse:
    """End it with an outcome, once both facts that apply stand."""
    by, row, now = _asked(request, key)
    responder = row.responder_id or by.principal_id
    out = is_out_of_range(row, now)
    outcome = request.POST.get("outcome", "")
    actions.resolve(by, row.pk, outcome=outcome, responder_id=responder, out_of_range=out, now=now)
    messages.success(request, f"{row.name} is resolved.")
    return _back(row)


@require_POST
def say(request: HttpRequest, key: str) -> HttpResponse:
    """What the technician says of the repair."""
    by, row, now = _asked(request, key)
    answers = {name: request.POST.get(name, "") for name in QUESTIONS}
    minutes = int(amount(request.POST.get("work_min", "").strip(), "number of minutes"))
    words = request.POST.get("words", "").strip()
    feedback.give(by, row.pk, answers, work_min=minutes, words=words, now=now)
    messages.success(request, "It stands with the repair, and in the summary of its hub.")
    return _back(row)


@require_POST
def answer(request: HttpRequest, key: str) -> HttpResponse:
    """What came of an instruction of its runbook."""
    by, row, now = _asked(request, key)
    step, phase = request.POST.get("step", ""), request.POST.get("phase", "")
    ok = request.POST.get("ok") == "1"
    detail = request.POST.get("detail", "").strip() or ("done" if ok else "not possible")
    runbooks.answer(by, _key(request, "run"), step, phase, ok=ok, detail=detail, now=now)
    messages.success(request, f"{step.replace('_', ' ').capitalize()}: {detail}.")
    return _back(row)


def job_sheet(request: HttpRequest, dispatch_id: UUID) -> HttpResponse:
    """The job sheet of a dispatch as PDF."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    reply = HttpResponse(papers.sheet(by, dispatch_id, now=wiring.clock().now()), content_type="application/pdf")
    reply["Content-Disposition"] = f'inline; filename="job-sheet-{dispatch_id}.pdf"'
    return reply


def label(request: HttpRequest, dispatch_id: UUID) -> HttpResponse:
    """The label of a dispatch in ZPL, for the printer."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    reply = HttpResponse(papers.label(by, dispatch_id), content_type="application/zpl; charset=utf-8")
    reply["Content-Disposition"] = f'attachment; filename="label-{dispatch_id}.zpl"'
    return reply
