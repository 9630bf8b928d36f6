"""What people do at a space: decide about held lots, record hand readings, decide about doubted probes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.console.fields import number, read_day, read_uuid, words
from waystation.console.incident_acts import celsius
from waystation.journeys.exposure import lots_with_exposure
from waystation.kernel.authority import Authority
from waystation.kernel.instants import read_instant
from waystation.kernel.refusals import BadInput, NotAllowed, NotFound
from waystation.product.actions import holds
from waystation.registry import actions as inventory
from waystation.registry import queries as registry
from waystation.telemetry import queries as telemetry
from waystation.telemetry.actions import backup, care, hand


def inside(by: Authority, space: Any, view: Any, now: datetime) -> dict[str, Any]:
    """The side of a space's page: lots with their time out, holds, doubts, and what this person may do about them."""
    lots = lots_with_exposure(by, space.pk, now=now)
    doubts = [d for d in telemetry.doubts(space.site_id) if d.sensor.space_id == space.pk and d.decided_at is None]
    hand_readings = telemetry.hand_readings(space.pk, now - timedelta(days=1))
    return {
        "lots": lots,
        "held": sum(bool(lot.holds) for lot in lots),
        "doubts": doubts,
        "may_dispose": by.may("product.dispose", space.site_id),
        "may_read": by.may("telemetry.write_hand", space.site_id),
        "may_sign_doubt": by.may("telemetry.decide_doubt", space.site_id),
        "may_work": by.may("incidents.work", space.site_id),
        "quality": ", ".join(p.name for p in access.people_with("product.dispose", space.site_id, now)[:3]),
        "hand_readings": hand_readings,
        "readers": access.names({h.by_id for h in hand_readings}),
        "backup_files": telemetry.backup_files(space.pk, now - timedelta(days=30)),
    }


def proved_again(request: HttpRequest) -> bool:
    """True when the person has just entered their own password; a wrong one is refused at once."""
    person = request.user
    if person.is_authenticated and person.check_password(request.POST.get("password", "")):
        return True
    raise NotAllowed("product.proof", "The password is not right.", "Enter your own password beside the decision.")


def _space(request: HttpRequest, space_id: UUID) -> Any:
    row = registry.space(space_id)
    if not request.authority.may("registry.read", row.site_id):  # type: ignore[attr-defined]
        raise NotFound("registry.unknown", f"There is no space {space_id}.", "Open the site to see its spaces.")
    return row


def _page(row: Any) -> str:
    return f"/sites/{row.site.code}/{row.code}/"


@require_POST
def decide_hold(request: HttpRequest) -> HttpResponse:
    """QA releases, rejects or transfers a lot: every hold of it that was shown, signed with the password once."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    outcome, reason, fresh = request.POST.get("outcome", ""), request.POST.get("reason", ""), proved_again(request)
    now, done = wiring.clock().now(), []
    with transaction.atomic():
        for text in request.POST.getlist("hold"):
            done.append(holds.decide(by, _id(text, "hold"), outcome, reason=reason, fresh_proof=fresh, now=now))
    if not done:
        raise BadInput("page.field", "No hold is named.", "Open the page of the space again.", field="hold")
    messages.success(request, f"Lot {done[0].consignment.lot} is {done[0].state}, signed by {done[0].signed_name}.")
    return HttpResponseRedirect(f"/spaces/{done[0].space_id}/")


def _id(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadInput("page.field", f"{text!r} names nothing.", "Open the page again.", field=field) from None


def hand_reading(request: HttpRequest, space_id: UUID) -> HttpResponse:
    """The form for a temperature that this person read; posting it records the reading."""
    row, now = _space(request, space_id), wiring.clock().now()
    if request.method == "POST":
        return _record_reading(request, row, now)
    local = now.astimezone(ZoneInfo(row.site.zone))
    may = request.authority.may("telemetry.write_hand", row.site_id)  # type: ignore[attr-defined]
    context = {"section": "/sites/", "space": row, "site": row.site, "local": f"{local:%Y-%m-%dT%H:%M}", "may": may}
    return render(request, "product/hand_reading.html", context)


def _record_reading(request: HttpRequest, row: Any, now: datetime) -> HttpResponse:
    by: Authority = request.authority  # type: ignore[attr-defined]
    hand.hand_reading(
        by,
        row.pk,
        value_c=celsius(request, "value_c"),
        observed_at=_local_instant(request.POST.get("observed_at", ""), row.site.zone, now),
        instrument=request.POST.get("instrument", ""),
        certificate=request.POST.get("certificate", "").strip(),
        certificate_until=_until(request),
        reason=request.POST.get("reason", "").strip(),
        memory=_memory(request, row.site.zone, now),
        now=now,
    )
    messages.success(request, "Recorded, under your name. It stands beside the probes and replaces none of them.")
    return HttpResponseRedirect(_page(row))


def _memory(request: HttpRequest, zone: str, now: datetime) -> hand.Memory | None:
    """What a minimum-maximum thermometer remembers: all three fields, or none."""
    names = ("lowest_c", "highest_c", "since")
    given = [name for name in names if request.POST.get(name, "").strip()]
    if not given:
        return None
    if len(given) < len(names):
        missing = next(name for name in names if name not in given)
        raise BadInput(
            "page.memory",
            f"The memory of the thermometer lacks {missing.removesuffix('_c')}.",
            "Write the lowest, the highest, and when it was last reset; or leave all three empty.",
            field=missing,
        )
    since = read_instant(request.POST["since"], "since", zone=ZoneInfo(zone))
    return hand.Memory(since, celsius(request, "lowest_c"), celsius(request, "highest_c"))


def logger_file(request: HttpRequest, space_id: UUID) -> HttpResponse:
    """The form for the file of a backup logger; posting it keeps the file's readings as a second source."""
    row, now = _space(request, space_id), wiring.clock().now()
    may = request.authority.may("telemetry.write_hand", row.site_id)  # type: ignore[attr-defined]
    if request.method != "POST":
        context = {"section": "/sites/", "space": row, "site": row.site, "may": may}
        return render(request, "product/logger_file.html", context)
    file = request.FILES.get("file")
    if file is None:
        raise BadInput("page.file", "No file is chosen.", "Choose the file that the logger gave.", field="file")
    zone = ZoneInfo(row.site.zone)
    ends = {
        name: read_instant(request.POST[name], name, zone=zone) if request.POST.get(name, "").strip() else None
        for name in ("start", "end")
    }
    kept = backup.take_backup_file(
        request.authority,  # type: ignore[attr-defined]
        row.pk,
        file.read(backup.MOST_BYTES + 1),
        file.name or "file",
        backup.Logger(request.POST.get("logger", ""), request.POST.get("certificate", ""), _until(request)),
        formats=wiring.logger_formats(),
        reason=request.POST.get("reason", "").strip(),
        now=now,
        start=ends["start"],
        end=ends["end"],
    )
    refused = f" {kept.rows_refused} rows could not be read." if kept.rows_refused else ""
    messages.success(request, f"{kept.rows} readings of {kept.logger} are kept as a second source.{refused}")
    return HttpResponseRedirect(_page(row))


def _until(request: HttpRequest) -> date | None:
    text = request.POST.get("certificate_until", "").strip()
    return read_day(text, "certificate_until") if text else None


def _local_instant(text: str, zone: str, now: datetime) -> datetime:
    """The instant of a local wall-clock time; empty, or the present minute, is now."""
    if not text.strip():
        return now
    at = read_instant(text, "observed_at", zone=ZoneInfo(zone))
    return min(at, now) if at - now < timedelta(minutes=1) else at


@require_POST
def decide_doubt(request: HttpRequest, doubt_id: UUID) -> HttpResponse:
    """Say that the sensor failed, or (QA, signed) that its readings stand."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    decision, reason = request.POST.get("decision", ""), request.POST.get("reason", "")
    fresh = proved_again(request) if request.POST.get("password") else False
    now = wiring.clock().now()
    row = care.decide_doubt(by, doubt_id, decision=decision, reason=reason, now=now, fresh_proof=fresh)
    words = "failed" if row.decision == "sensor_failed" else "is believed"
    messages.success(request, f"{row.sensor.name} {words}. Minutes that were out of range stay out.")
    return HttpResponseRedirect(f"/spaces/{row.sensor.space_id}/" if row.sensor.space_id else "/")


@require_POST
def let_stand(request: HttpRequest) -> HttpResponse:
    """QA's decision how long a probe's reading stands for the time after it."""
    key = read_uuid(request.POST.get("sensor", ""), "sensor")
    row = inventory.let_stand(
        request.authority,  # type: ignore[attr-defined]
        key,
        int(number(request, "hold_s")),
        now=wiring.clock().now(),
        reason=words(request, "reason"),
    )
    held = f"{row.hold_s} s" if row.hold_s else "1.5 intervals"
    messages.success(request, f"A reading of {row.name} stands for {held}.")
    return HttpResponseRedirect(f"/spaces/{row.space_id}/" if row.space_id else "/")
