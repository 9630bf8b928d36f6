"""The records of a pack: alarms, calibration, custody, consignments, maintenance, access, the story."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from waystation.alarms import queries as alarms
from waystation.alarms.models import Alarm
from waystation.evidence import placed
from waystation.evidence.placed import Placed
from waystation.fleet.models import MaintenanceOrder
from waystation.fleet.rules.upkeep import standing
from waystation.kernel.canonical import plain
from waystation.product.models import Presence, ProductHold
from waystation.registry.models import Site, Space
from waystation.runbooks.models import Approval
from waystation.service_levels.models import VendorSession
from waystation.spares.models import Custody, Unit
from waystation.telemetry.models import Calibration

ALARM_STEPS = {"alarms.raised": "raised", "alarms.acknowledged": "acknowledged", "alarms.cleared": "cleared"}
Found = list[tuple[Placed | None, dict[str, Any]]]


def records(
    log: str, site: Site, spaces: Sequence[Space], start: datetime, end: datetime
) -> tuple[dict[str, bytes], set[int]]:
    """The record members of a site and [start, end), and the indices of the entries that they rest on."""
    story = placed.of_site(log, site.pk, start, end)
    lists: dict[str, Found] = {
        "access.json": [*_access(story), *_vendor_sessions(site, start, end)],
        "alarms.json": _alarms(site, start, end),
        "calibration.json": _calibrations(spaces, start, end),
        "custody.json": _custody(site, start, end),
        "consignments.json": _consignments(spaces, start, end),
        "maintenance.json": _maintenance(site, start, end),
        "story.json": [*((one, dict[str, Any]()) for one in story), *_approvals(site, start, end)],
    }
    members, indices = {}, set[int]()
    for name, found in lists.items():
        rows = [_record(log, one, details) for one, details in found]
        indices |= {row["entry"] for row in rows if "entry" in row}
        members[name] = (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode()
    return members, indices


def _record(log: str, one: Placed | None, details: dict[str, Any]) -> dict[str, Any]:
    """A record: what its entry says, word for word, and details. An entry of another log is named, not proved here."""
    if one is None:
        return dict(plain(details))
    if one.log != log:
        where = {"logged_in": one.log, "logged_at_index": one.index, "logged_as": one.said["kind"]}
        return dict(plain(details)) | where
    return one.record() | dict(plain(details))


def _alarms(site: Site, start: datetime, end: datetime) -> Found:
    """Each alarm that stood in the period: raised, paged, sent, delivered, acknowledged, cleared."""
    stood = Alarm.objects.filter(site=site, raised_at__lt=end).filter(Q(cleared_at=None) | Q(cleared_at__gte=start))
    found: Found = []
    for alarm in stood.order_by("raised_at", "pk"):
        own = {"alarm": alarm.pk, "rule": alarm.rule, "severity": alarm.severity, "object_id": alarm.object_id}
        own |= {"started_at": alarm.started_at, "incident": alarm.incident_id}
        for one in placed.of_objects([alarm.pk]):
            found.append((one, own | {"step": _step(one.said["kind"])}))
        found.append((None, own | {"step": "chain"} | _forwarded(alarm, site)))
        for page in alarms.paged(alarm.pk):
            whom = own | {"person": page.person_id, "channel": page.channel, "level": page.level}
            if page.sent_at:
                found.append((None, whom | {"step": "sent", "instant": page.sent_at, "attempts": page.attempts}))
            if page.receipt:
                receipt = {"step": "delivered", "instant": page.sent_at, "receipt": page.receipt}
                found.append((None, whom | receipt))
            if page.gave_up_at:
                found.append((None, whom | {"step": "given_up", "instant": page.gave_up_at}))
    return found


def _forwarded(alarm: Alarm, site: Site) -> dict[str, Any]:
    """Whether the alarm was forwarded in time: each step's instant beside the target of the site's class.

    A provider's receipt comes with the sending. That somebody opened a message is recorded nowhere, and said so.
    """
    pages, targets = alarms.paged(alarm.pk), site.service_class
    sent = min((p.sent_at for p in pages if p.sent_at), default=None)
    receipt = next((p for p in pages if p.receipt), None)
    chain: dict[str, Any] = {
        "raised_at": alarm.raised_at,
        "sent_at": sent,
        "receipt_at": receipt.sent_at if receipt else None,
    }
    chain |= {"receipt": receipt.receipt if receipt else "none", "opened": "not recorded"}
    chain |= {"acknowledged_at": alarm.acked_at, "send_within_s": targets.page_delay_s}
    chain |= {"acknowledge_within_s": targets.acknowledge_within_s}
    in_time = {
        "sent_in_time": _in_time(alarm.raised_at, sent, targets.page_delay_s),
        "acknowledged_in_time": _in_time(sent or alarm.raised_at, alarm.acked_at, targets.acknowledge_within_s),
    }
    return chain | in_time


def _in_time(since: datetime, done: datetime | None, within_s: int) -> str:
    if done is None:
        return "never"
    late_s = (done - since).total_seconds() - within_s
    return "yes" if late_s <= 0 else f"{late_s:.0f} s late"


def _step(kind: str) -> str:
    return ALARM_STEPS.get(kind, kind.removeprefix("alarms."))


def _calibrations(spaces: Sequence[Space], start: datetime, end: datetime) -> Found:
    """The certificates that were bound at some time of the period."""
    rows = Calibration.objects.filter(sensor__space__in=spaces, bound_at__lt=end).select_related("sensor")
    bound = list(rows.filter(Q(unbound_at=None) | Q(unbound_at__gt=start)).order_by("sensor__code", "bound_at"))
    made = _makers(bound, [c.bound_at for c in bound])
    return [
        (
            made.get(str(c.pk)),
            {"sensor": c.sensor.code, "probe_serial": c.probe_serial, "certificate": c.certificate}
            | {"laboratory": c.laboratory, "valid_from": c.valid_from, "valid_until": c.valid_until}
            | {"bound_at": c.bound_at, "unbound_at": c.unbound_at, "passed": c.passed, "offset_c": c.offset_c}
            | {"uncertainty_c": c.uncertainty_c, "as_found_c": c.as_found_c, "as_left_c": c.as_left_c},
        )
        for c in bound
    ]


def _custody(site: Site, start: datetime, end: datetime) -> Found:
    """The whole chain of every unit that came to, worked at or left the site in the period, up to its last hand."""
    here = Unit.objects.filter(
        Q(custody__at__gte=start, custody__at__lt=end)
        & (Q(site=site) | Q(reservations__site=site) | Q(dispatches__to_site=site))
    )
    rows = list(Custody.objects.filter(unit__in=here.distinct()).select_related("unit__part").order_by("at", "pk"))
    made = _makers(rows, [c.at for c in rows])
    return [
        (
            made.get(str(c.pk)),
            {"serial": c.unit.serial, "part": c.unit.part.code, "state": c.state, "giver": c.giver, "taker": c.taker}
            | {"handed_at": c.at, "by": c.by_id, "incident": c.incident_id, "note": c.note}
            | ({"wipe_certificate": c.unit.wipe_certificate} if c.state == "wiped" else {}),
        )
        for c in rows
    ]


def _consignments(spaces: Sequence[Space], start: datetime, end: datetime) -> Found:
    """What stood in the spaces in the period, and what QA held and decided."""
    stays = Presence.objects.filter(space__in=spaces, since__lt=end).filter(Q(until=None) | Q(until__gt=start))
    stood = list(stays.select_related("consignment", "space").order_by("since", "pk"))
    held = list(
        ProductHold.objects.filter(space__in=spaces, opened_at__lt=end)
        .filter(Q(decided_at=None) | Q(decided_at__gte=start))
        .select_related("consignment", "space")
        .order_by("opened_at", "pk")
    )
    made = _makers([*stood, *held], [p.since for p in stood] + [h.opened_at for h in held])
    found: Found = [
        (
            made.get(str(p.pk)),
            {"lot": p.consignment.lot, "product": p.consignment.product, "space": p.space.code}
            | {"quantity": p.consignment.quantity, "unit": p.consignment.unit, "since": p.since, "until": p.until},
        )
        for p in stood
    ]
    found += [
        (
            made.get(str(h.pk)),
            {"lot": h.consignment.lot, "space": h.space.code, "hold": h.state, "opened_at": h.opened_at}
            | {"measured_s": h.measured_s, "worst_case_s": h.worst_case_s, "decided_at": h.decided_at}
            | {"decided_by": h.decided_by, "signed_name": h.signed_name, "signed_meaning": h.signed_meaning},
        )
        for h in held
    ]
    return found


def _maintenance(site: Site, start: datetime, end: datetime) -> Found:
    """Every order whose window or work touches the period, whole: each of its entries with what it says.

    What should have been done before the period ended and was not stands with the others, as `overdue`.
    """
    rows = MaintenanceOrder.objects.filter(site=site, planned_at__lt=end)
    touched = Q(planned_start__lt=end) & (Q(ended_at=None) | Q(ended_at__gte=start))
    found: Found = []
    for order in rows.filter(touched).order_by("planned_start", "pk"):
        stood = "ended" if order.ended_at and order.ended_at < end else standing("planned", *_window(order), end)
        found += [
            (one, {"facts": one.said.get("facts", {}), "device_id": order.device_id, "at_the_end": stood})
            for one in placed.of_objects([order.pk])
        ]
    return found


def _access(story: Sequence[Placed]) -> Found:
    """What was changed of who may do what at the site."""
    return [(one, {"facts": one.said.get("facts", {})}) for one in story if one.said["kind"].startswith("access.")]


def _vendor_sessions(site: Site, start: datetime, end: datetime) -> Found:
    """Every vendor session that touches the period, whole, step by step, and whether it was open when that ended."""
    rows = VendorSession.objects.filter(site=site, opened_at__lt=end)
    rows = rows.filter(Q(closed_at=None) | Q(closed_at__gte=start)).select_related("vendor")
    return [
        (
            one,
            {"session": row.pk, "vendor": row.vendor.name, "person": row.person, "facts": one.said.get("facts", {})}
            | {"at_the_end": "open" if row.closed_at is None or row.closed_at >= end else row.ending},
        )
        for row in rows.order_by("opened_at", "pk")
        for one in placed.of_objects([row.pk])
    ]


def _window(order: MaintenanceOrder) -> tuple[datetime, datetime]:
    return order.planned_start, order.planned_end


def _approvals(site: Site, start: datetime, end: datetime) -> Found:
    """Who approved which step, on which digest."""
    asked = Approval.objects.filter(run__site=site, asked_at__gte=start, asked_at__lt=end).select_related("run")
    return [
        (
            None,
            {"approval": a.pk, "run": a.run_id, "step": a.step, "digest": a.digest, "asked_by": a.asked_by}
            | {"asked_at": a.asked_at, "decided_by": a.decided_by, "decision": a.decision, "decided_at": a.decided_at},
        )
        for a in asked.order_by("asked_at", "pk")
    ]


def _makers(rows: Iterable[Any], instants: Sequence[datetime]) -> dict[str, Placed]:
    """The entry that made each row: looked for among the entries of the rows' own instants."""
    return placed.makers(placed.at_instants(set(instants)), {str(row.pk) for row in rows})
