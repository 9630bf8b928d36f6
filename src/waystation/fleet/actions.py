"""Look for drift and settle it; measure a device again; bring a site from its template to its first day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.fleet import models as m
from waystation.fleet import queries
from waystation.fleet.rules.drift import differences
from waystation.fleet.rules.gate import Facts, Obstacle, obstacles
from waystation.fleet.rules.survival import FAILURES, SURVIVORS
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput, Conflict, NotFound, NotReady
from waystation.registry.models import Device, Site
from waystation.registry.queries import one

FUNCTIONS = ("facilities", "operations", "it")


def look_for_drifts(by: Authority, devices: Sequence[Device], *, now: datetime) -> list[m.Drift]:
    """Compare devices with their records: new differences open, those that are gone end as remediated."""
    by.require("platform.operate")
    if not devices:
        return []
    known: dict[UUID | None, set[tuple[str, bool]]] = {}
    standing = m.Drift.objects.filter(_live() | _waived(now), device__in=devices)
    for device_id, kind, ended_at in standing.values_list("device_id", "kind", "ended_at"):
        known.setdefault(device_id, set()).add((kind, ended_at is None))
    opened = []
    for device in devices:
        found = {d.kind for d in differences(queries.intended_of(device), queries.observed_of(device))}
        seen = known.get(device.pk, set())
        if not {kind for kind, is_live in seen if is_live} <= found <= {kind for kind, _ in seen}:
            opened += look_for_drift(by, device, now=now)  # something is to be written, so something is locked
    return opened


def _live() -> Q:
    return Q(ended_at=None)


def _waived(now: datetime) -> Q:
    return Q(resolution="waived", waived_until__gt=now)


def look_for_drift(by: Authority, device: Device, *, now: datetime) -> list[m.Drift]:
    """`look_for_drifts` of one device, under a lock."""
    by.require("platform.operate")
    found = {d.kind: d for d in differences(queries.intended_of(device), queries.observed_of(device))}
    known = m.Drift.objects.filter(device=device)
    live, waived = _live(), _waived(now)
    with transaction.atomic():
        held = {d.kind: d for d in known.select_for_update().filter(live)}
        excused = set(known.filter(waived).values_list("kind", flat=True))
        for kind, row in held.items():
            if kind not in found:
                _end(by, row, "remediated", "seen gone", now)
        opened = []
        for kind, one_of in found.items():
            if kind in held or kind in excused:
                continue
            row = m.Drift(
                site_id=device.site_id,
                device=device,
                kind=kind,
                expected=one_of.expected,
                actual=one_of.actual,
                seen_at=now,
            )
            facts = {"device": device.name, "kind": kind, "expected": one_of.expected, "actual": one_of.actual}
            entry = NewEntry("fleet.drift_seen", row.pk, by, now, device.site_id, facts=facts)
            record([row], [NewEvent(data=facts)], entry=entry)
            opened.append(row)
    return opened


def resolve_drift(
    by: Authority, drift_id: UUID, resolution: str, *, reason: str, now: datetime, until: datetime | None = None
) -> m.Drift:
    """Accept a difference into the baseline, or waive it until an instant. Remediation is seen, never said."""
    with transaction.atomic():
        rows = m.Drift.objects.select_for_update(of=("self",)).select_related("device__model")
        row = rows.filter(pk=drift_id, ended_at=None).first()
        if row is None:
            raise NotFound(
                "fleet.drift_unknown", f"There is no live drift {drift_id}.", "It may have ended; see its site."
            )
        by.require("fleet.baseline", row.site_id)
        if resolution not in ("accepted", "waived") or not reason.strip():
            raise BadInput(
                "fleet.drift_resolution",
                f"Drift cannot be {resolution or 'settled'} {'without a reason' if not reason.strip() else 'by hand'}.",
                "Accept it or waive it with a reason; it is remediated when the device says so.",
                field="resolution",
                value=resolution,
            )
        if resolution == "waived":
            if until is None or until <= now:
                raise BadInput("fleet.waiver_end", "A waiver needs an end that lies ahead.", "Name it.", field="until")
            row.waived_until = until
        elif row.device is not None:
            _accept(by, row, row.device, now)
        _end(by, row, resolution, reason, now)
    return row


def _accept(by: Authority, row: m.Drift, device: Device, now: datetime) -> None:
    said = device.observed
    for name in ("serial", "firmware", "config_digest"):
        if said.get(name):
            setattr(device, name, said[name])
    record(
        [device],
        entry=NewEntry("fleet.baseline_accepted", device.pk, by, now, device.site_id, facts={"kind": row.kind}),
    )


def _end(by: Authority, row: m.Drift, resolution: str, reason: str, now: datetime) -> None:
    row.ended_at, row.resolution, row.reason = now, resolution, reason
    facts = {"kind": row.kind, "resolution": resolution, "until": row.waived_until}
    record(
        [row], [NewEvent(data=facts)], entry=NewEntry("fleet.drift_ended", row.pk, by, now, row.site_id, reason, facts)
    )


def waive_component(
    by: Authority, site_id: UUID, component: str, *, reason: str, until: datetime, now: datetime
) -> m.Drift:
    """A site may be without a component, or a critical one without its backup path, until an instant."""
    by.require("service_levels.waive", site_id)
    site = one(Site, site_id)
    known = queries.components_of(site, now) | queries.backup_of(site, now)
    if known.get(component) != "absent":
        absent = ", ".join(name for name, state in known.items() if state == "absent") or "none"
        raise BadInput(
            "fleet.waiver_component",
            f"{component or 'Nothing'} is not absent at {site.name}.",
            f"Absent: {absent}.",
            field="component",
            value=component,
        )
    if not reason.strip():
        raise BadInput("fleet.waiver_reason", "A waiver needs a reason.", "Write why.", field="reason")
    if until <= now:
        raise BadInput("fleet.waiver_end", "A waiver needs an end that lies ahead.", "Name it.", field="until")
    row = m.Drift(site=site, kind="absent_component", expected=component, actual="absent", seen_at=now)
    row.ended_at, row.resolution, row.waived_until, row.reason = now, "waived", until, reason.strip()
    facts = {"component": component, "until": until}
    entry = NewEntry("fleet.component_waived", row.pk, by, now, site.pk, row.reason, facts)
    record([row], [NewEvent(data=facts)], entry=entry)
    return row


def record_drill(
    by: Authority, site_id: UUID, failure: str, function: str, *, survived: bool, evidence: str, now: datetime
) -> m.Drill:
    """What a person saw of a function while something had failed, or was switched off to see."""
    by.require("fleet.onboard", site_id)
    site = one(Site, site_id)
    for name, value, known in (("failure", failure, FAILURES), ("function", function, SURVIVORS)):
        if value not in known:
            words = ", ".join(known)
            raise BadInput(
                "fleet.drill", f"{value or 'Nothing'} is no {name}.", f"Use {words}.", field=name, value=value
            )
    if not evidence.strip():
        raise BadInput("fleet.drill_evidence", "A drill needs what shows it.", "Write what was seen.", field="evidence")
    row = m.Drill(site=site, failure=failure, function=function, survived=survived, by_id=by.principal_id, at=now)
    row.evidence = evidence.strip()
    facts = {"failure": failure, "function": function, "survived": survived, "evidence": row.evidence}
    entry = NewEntry("fleet.drill_recorded", row.pk, by, now, site.pk, facts=facts)
    record([row], [NewEvent(data=facts)], entry=entry)
    return row


def check_baseline(
    by: Authority, device_id: UUID, *, since: datetime, incident_id: UUID | None, now: datetime
) -> m.BaselineCheck:
    """Measure a device again: what it said after `since` against its record. NotReady while it said nothing.

    A finding is recorded once: measuring the same again returns the record that there is.
    """
    device = one(Device, device_id, among=Device.objects.select_related("model"))
    by.require("platform.operate")
    if device.observed_at is None or device.observed_at < since:
        raise NotReady(
            "fleet.not_measured", f"{device.name} has not checked in since {since:%H:%M} UTC.", "Wait for its check-in."
        )
    held = m.BaselineCheck.objects.filter(device=device, incident_id=incident_id, at__gte=since)
    if (passed := held.filter(passed=True).first()) is not None:
        return passed
    found = differences(queries.intended_of(device), queries.observed_of(device))
    shown = [f"{d.kind}: {d.actual} instead of {d.expected}" for d in found]
    newest = held.order_by("-at", "-pk").first()
    if newest is not None and newest.findings == shown:
        return newest
    row = m.BaselineCheck(device=device, at=now, passed=not found, findings=shown, incident_id=incident_id)
    facts = {"device": device.name, "passed": row.passed, "findings": shown}
    entry = NewEntry("fleet.baseline_checked", device.pk, by, now, device.site_id, facts=facts)
    record([row], [NewEvent(data=facts, incident_id=incident_id)], entry=entry)
    return row


def start_onboarding(by: Authority, site_id: UUID, *, now: datetime) -> m.Onboarding:
    """Begin with the checklist of the site's template. Starting it again returns the one that runs."""
    site = one(Site, site_id, among=Site.objects.select_related("template"))
    by.require("fleet.onboard", site.pk)
    with transaction.atomic():
        held = m.Onboarding.objects.filter(site=site, opened_at=None).first()
        if held is not None:
            return held
        row = m.Onboarding(site=site, template=site.template, started_at=now, started_by=by.principal_id)
        checks = [
            m.Check(
                onboarding=row,
                key=c["key"],
                words=c["words"],
                mandatory=c.get("mandatory", True),
                fail_action=c.get("fail_action", ""),
            )
            for c in site.template.checklist
        ]
        facts = {"template": site.template.kind, "version": site.template.version, "checks": len(checks)}
        record([row, *checks], entry=NewEntry("fleet.onboarding_started", site.pk, by, now, site.pk, facts=facts))
    return row


def record_check(
    by: Authority, onboarding_id: UUID, key: str, *, passed: bool, evidence: str, now: datetime
) -> m.Check:
    """The result of a check with what shows it. A pass without evidence is refused."""
    row = m.Check.objects.select_related("onboarding").filter(onboarding_id=onboarding_id, key=key).first()
    if row is None:
        raise NotFound("fleet.check_unknown", f"This onboarding has no check {key}.", "Open it to see its checks.")
    by.require("fleet.onboard", row.onboarding.site_id)
    if passed and not evidence.strip():
        raise BadInput(
            "fleet.check_evidence", f"{row.words}: nothing shows it.", "Name the evidence.", field="evidence"
        )
    row.state, row.evidence = "passed" if passed else "failed", evidence.strip()
    row.by_id, row.at = by.principal_id, now
    facts = {"check": key, "state": row.state, "evidence": row.evidence, "then": "" if passed else row.fail_action}
    site_id = row.onboarding.site_id
    record(
        [row], [NewEvent(data=facts)], entry=NewEntry("fleet.check_recorded", site_id, by, now, site_id, facts=facts)
    )
    return row


def sign_off(by: Authority, onboarding_id: UUID, function: str, facts: Facts, *, now: datetime) -> m.SignOff:
    """A named person accepts the site for a function; refused while a mandatory item lacks evidence."""
    row = one(m.Onboarding, onboarding_id, among=m.Onboarding.objects.select_related("site"))
    by.require("fleet.sign_off", row.site_id)
    if function not in FUNCTIONS:
        raise BadInput("fleet.function", f"{function!r} is no function.", f"Use one of {FUNCTIONS}.", field="function")
    _refuse_while(obstacles(facts), row.site.name)
    held = m.SignOff.objects.filter(onboarding=row, function=function).first()
    if held is not None:
        return held
    state = digest([[c.key, c.state, c.evidence] for c in facts.checks])
    sign = m.SignOff(
        onboarding=row, function=function, person_id=by.principal_id, printed_name=by.name, digest=state, at=now
    )
    said = {"function": function, "digest": state}
    record([sign], entry=NewEntry("fleet.signed_off", row.site_id, by, now, row.site_id, facts=said))
    return sign


def open_site(by: Authority, onboarding_id: UUID, facts: Facts, *, now: datetime) -> m.Onboarding:
    """Close the onboarding when the gate is open and all three functions have signed the same state."""
    row = one(m.Onboarding, onboarding_id, among=m.Onboarding.objects.select_related("site"))
    by.require("fleet.sign_off", row.site_id)
    _refuse_while(obstacles(facts), row.site.name)
    signed = {s.function: s.digest for s in row.sign_offs.all()}
    if set(signed) != set(FUNCTIONS) or len(set(signed.values())) != 1:
        missing = ", ".join(f for f in FUNCTIONS if f not in signed) or "the same version"
        raise NotReady(
            "fleet.gate_shut", f"{row.site.name} is not signed off: {missing} is missing.", "Have it signed."
        )
    if row.opened_at is not None:
        raise Conflict("fleet.onboarding_open", f"{row.site.name} is open already.", "Nothing to do.")
    row.opened_at = now
    record([row], [NewEvent()], entry=NewEntry("fleet.site_opened", row.site_id, by, now, row.site_id))
    return row


def _refuse_while(found: Sequence[Obstacle], name: str) -> None:
    if found:
        words = "; ".join(o.words for o in found)
        raise NotReady("fleet.gate_shut", f"{name} is not ready: {words}.", "Close each of these, then try again.")
