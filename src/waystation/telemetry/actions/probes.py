"""Probes: bind one with its certificate, record what was found of one, put in doubt what a failed check reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotFound, NotReady
from waystation.registry.models import Sensor
from waystation.registry.queries import one
from waystation.telemetry.models import Calibration, Doubt, Excursion, ProbeCheck
from waystation.telemetry.record_findings import DOUBTED
from waystation.telemetry.rules.calibration import TOLERANCE_C, doubted_from, good_before, speaks_for

KIND = "calibration"


def bind_probe(
    by: Authority,
    sensor_id: UUID,
    *,
    probe_serial: str,
    certificate: str,
    laboratory: str,
    valid_from: datetime,
    valid_until: datetime,
    now: datetime,
    offset_c: float = 0.0,
    uncertainty_c: float = 0.0,
    as_found_c: float | None = None,
    as_left_c: float | None = None,
    tolerance_c: float = TOLERANCE_C,
) -> Calibration:
    """From now on the sensor reads through this probe. A judging role needs a certificate that is valid now.

    `as_found_c` and `as_left_c` are deviations in degC, before and after adjustment. What was found of a probe that
    read here before is a check of it, with all that a failed one puts in doubt.
    """
    sensor = one(Sensor, sensor_id)
    by.require("telemetry.calibrate", sensor.site_id)
    row = Calibration(
        sensor=sensor,
        probe_serial=probe_serial,
        certificate=certificate,
        laboratory=laboratory,
        bound_at=now,
        valid_from=valid_from,
        valid_until=valid_until,
        offset_c=offset_c,
        uncertainty_c=uncertainty_c,
        as_found_c=as_found_c,
        as_left_c=as_left_c,
    )
    _may_bind(row, tolerance_c, now)
    with transaction.atomic():
        before = Calibration.objects.select_for_update().filter(sensor=sensor, unbound_at=None).first()
        if before is not None and (before.probe_serial, before.certificate) == (probe_serial, certificate):
            return before
        is_known = Calibration.objects.filter(probe_serial=probe_serial).exists()
        _wear(by, row, before, now)
        if as_found_c is not None and is_known:
            check_probe(
                by,
                probe_serial=probe_serial,
                report=certificate,
                laboratory=laboratory,
                checked_at=valid_from,
                as_found_c=as_found_c,
                tolerance_c=tolerance_c,
                now=now,
            )
    return row


def _wear(by: Authority, row: Calibration, before: Calibration | None, now: datetime) -> None:
    """Bind the new probe, unbind the old one, end what was doubted of it: it stays not proven up to here."""
    changed: list[Calibration | Doubt] = [row]
    if before is not None:
        before.unbound_at = now
        changed.insert(0, before)
    for doubt in Doubt.objects.select_for_update().filter(sensor=row.sensor, ended_at=None):
        doubt.ended_at = now
        changed.append(doubt)
    facts = {
        "sensor": row.sensor.code,
        "probe": row.probe_serial,
        "certificate": row.certificate,
        "valid_until": row.valid_until,
    }
    entry = NewEntry("telemetry.probe_bound", row.sensor.pk, by, now, row.sensor.site_id, facts=facts)
    record(changed, [NewEvent(data=facts)], entry=entry)


def _may_bind(row: Calibration, tolerance_c: float, now: datetime) -> None:
    serial = row.probe_serial
    if not row.valid_from <= now < row.valid_until:
        raise NotReady(
            "telemetry.certificate_invalid",
            f"Certificate {row.certificate} of probe {serial} runs {row.valid_from:%Y-%m-%d}"
            f" to {row.valid_until:%Y-%m-%d}.",
            "Bind a probe whose certificate is valid today.",
        )
    if row.as_left_c is not None and abs(row.as_left_c) > tolerance_c:
        raise NotReady(
            "telemetry.left_out_of_tolerance",
            f"Probe {serial} was left {row.as_left_c:+g} °C off; the tolerance is {tolerance_c:g} °C.",
            "Bind a probe that is within its tolerance.",
        )
    failed = ProbeCheck.objects.filter(probe_serial=serial, passed=False).order_by("-checked_at").first()
    if failed is not None and speaks_for(row.valid_from, failed.checked_at):
        raise NotReady(
            "telemetry.probe_failed",
            f"Probe {serial} was found {failed.as_found_c:+g} °C off on {failed.checked_at:%Y-%m-%d};"
            f" certificate {row.certificate} is older.",
            "Bind it with a certificate from after that check, or bind another probe.",
        )


def check_probe(
    by: Authority,
    *,
    probe_serial: str,
    report: str,
    laboratory: str,
    checked_at: datetime,
    as_found_c: float,
    now: datetime,
    tolerance_c: float = TOLERANCE_C,
) -> ProbeCheck:
    """Record what was found: `as_found_c` is the probe's corrected reading minus the reference, in degC.

    Beyond the tolerance, all that the probe read since it was last known to be good is in doubt from now on: one doubt
    for each sensor and wearing. A wearing that still runs stays in doubt until another certificate is bound. Times
    under a certificate of the check's day or later are not doubted: it was written after the probe was put right.
    """
    by.require_somewhere("telemetry.calibrate")
    _figures(as_found_c, tolerance_c, checked_at, now)
    serial, named = _named(probe_serial), _named(report)
    with transaction.atomic():
        worn = list(
            Calibration.objects.select_for_update(of=("self",))
            .select_related("sensor")
            .filter(probe_serial=serial)
            .order_by("bound_at")
        )
        if not worn:
            raise NotFound(
                "telemetry.probe_unknown", f"No sensor ever read through probe {serial}.", "Compare it with the label."
            )
        for site_id in {w.sensor.site_id for w in worn}:
            by.require("telemetry.calibrate", site_id)
        if ProbeCheck.objects.filter(probe_serial=serial, report=named).exists():
            raise Conflict(
                "telemetry.check_known", f"Report {named} of probe {serial} is recorded.", "Open it under Calibration."
            )
        row = ProbeCheck(
            probe_serial=serial,
            report=named,
            laboratory=_named(laboratory),
            checked_at=checked_at,
            as_found_c=as_found_c,
            tolerance_c=tolerance_c,
            passed=abs(as_found_c) <= tolerance_c,
            good_since=_good_since(serial, worn, checked_at),
            by_id=by.principal_id,
            recorded_at=now,
        )
        facts = {"probe": serial, "report": named, "as_found_c": as_found_c, "tolerance_c": tolerance_c}
        facts |= {"passed": row.passed, "checked_at": checked_at, "good_since": row.good_since}
        entry = NewEntry("telemetry.probe_checked", row.pk, by, now, worn[-1].sensor.site_id, facts=facts)
        record([row], [NewEvent(data=facts)], entry=entry)
        if not row.passed:
            _put_in_doubt(by, row, worn, now)
    return row


def _good_since(serial: str, worn: Sequence[Calibration], checked_at: datetime) -> datetime | None:
    """When the probe was last known to be good: by a certificate from before the check, or by a passed check."""
    passed = ProbeCheck.objects.filter(probe_serial=serial, passed=True).values_list("checked_at", flat=True)
    certified = [w.valid_from for w in worn if w.passed and speaks_for(w.valid_from, checked_at)]
    return good_before([*certified, *passed], checked_at)


def _put_in_doubt(by: Authority, check: ProbeCheck, worn: Sequence[Calibration], now: datetime) -> None:
    words = f"found {check.as_found_c:+g} °C off, tolerance {check.tolerance_c:g} °C, report {check.report}"
    wearings = [w for w in worn if speaks_for(w.valid_from, check.checked_at)]
    spans = [(w.bound_at, w.unbound_at) for w in wearings]
    for worn_one, begins in zip(wearings, doubted_from(spans, check.good_since), strict=True):
        if begins is not None:
            _doubt(by, check, worn_one, begins, words, now)


def _doubt(by: Authority, check: ProbeCheck, worn: Calibration, begins: datetime, words: str, now: datetime) -> None:
    held = Doubt.objects.filter(sensor=worn.sensor, kind=KIND, started_at=begins).first()
    if held is not None and held.decision != "readings_stand":
        return  # an earlier report says it already
    row = held or Doubt(sensor=worn.sensor, kind=KIND, started_at=begins, noticed_at=now)
    row.detail, row.probe_check, row.ended_at = words[:200], check, worn.unbound_at
    row.decision, row.decided_by, row.decided_at, row.reason = "", None, None, ""
    changed: list[Doubt | Excursion] = [row]
    inside = Q(started_at__lt=row.ended_at) if row.ended_at else Q()
    met = Q(ended_at=None) | Q(ended_at__gt=begins)
    for excursion in Excursion.objects.filter(inside, met, sensor=worn.sensor, superseded_at=None):
        said = f"{excursion.in_doubt}, probe {words}" if excursion.in_doubt else f"{DOUBTED}: probe {words}"
        excursion.in_doubt = said[:200]
        changed.append(excursion)
    facts = {"kind": KIND, "sensor": worn.sensor.code, "since": begins, "until": row.ended_at, "detail": row.detail}
    entry = NewEntry("telemetry.doubt_opened", row.pk, by, now, worn.sensor.site_id, facts=facts)
    record(changed, [NewEvent(data=facts)], entry=entry)


def _named(text: str) -> str:
    """A word of the report that must be there."""
    if not text.strip():
        raise BadInput(
            "telemetry.check_words", "Probe, report and laboratory are not all named.", "Write them as on the report."
        )
    return text.strip()


def _figures(as_found_c: float, tolerance_c: float, checked_at: datetime, now: datetime) -> None:
    if not math.isfinite(as_found_c) or abs(as_found_c) > 200:
        raise BadInput(
            "telemetry.as_found",
            f"{as_found_c} °C is no deviation.",
            "Write what the probe said minus what the reference said.",
            field="as_found_c",
            value=str(as_found_c),
        )
    if not 0 < tolerance_c <= 5:
        raise BadInput(
            "telemetry.tolerance",
            f"A tolerance of {tolerance_c} °C cannot be.",
            "Write it in °C, such as 0.5.",
            field="tolerance_c",
            value=str(tolerance_c),
        )
    if checked_at > now:
        raise BadInput(
            "telemetry.check_future",
            f"{checked_at:%Y-%m-%d %H:%M} UTC lies ahead.",
            "Write when the probe was compared.",
            field="checked_at",
        )
