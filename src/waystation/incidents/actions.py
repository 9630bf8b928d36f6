"""Opening, working and ending incidents, and handing over the watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from waystation.access import queries as access
from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.evidence.rows import Row
from waystation.incidents import reviews
from waystation.incidents.models import HandOver, Incident, IncidentLink, Note
from waystation.incidents.rules import cause as causes
from waystation.incidents.rules.closing import Ending, missing
from waystation.incidents.rules.priority import PRIORITIES, more_urgent
from waystation.incidents.rules.reviewing import is_reviewed
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest, instant, plain
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotReady
from waystation.registry.models import Network, Site
from waystation.registry.queries import one

LINKS = ("alarm", "reservation", "dispatch", "run", "move", "excursion", "hold")
STANDINGS = ("measured", "reported", "assumed")
HAND_OVER_PARTS = ("open", "suppressed", "unmonitored", "waiting")


def open(
    by: Authority,
    cause: str,
    site_id: UUID,
    *,
    title: str,
    priority: str,
    now: datetime,
    space_id: UUID | None = None,
    device_id: UUID | None = None,
    alarm_ids: Sequence[UUID] = (),
    detected_at: datetime | None = None,
    facts: Sequence[Mapping[str, Any]] = (),
) -> Incident:
    """The live incident of this site, group of causes and object: the one that stands, or a new one.

    What is new (alarms, a higher priority) joins the one that stands; repeating it changes nothing.
    """
    by.require("incidents.work", site_id)
    _check_priority(priority)
    with transaction.atomic():
        site = one(Site, site_id, among=Site.objects.select_for_update(of=("self",)).select_related("network"))
        key = causes.live_key(site_id, cause, space_id, device_id)
        live = Incident.objects.select_for_update().filter(live_key=key, resolved_at=None).first()
        if live is not None:
            return _join(by, live, alarm_ids, priority, now)
        Network.objects.select_for_update().get(pk=site.network_id)
        last = Incident.objects.filter(network_id=site.network_id).aggregate(Max("number"))["number__max"] or 0
        service, product = causes.needs(cause, space_id)
        row = Incident(
            network=site.network,
            number=last + 1,
            site=site,
            space_id=space_id,
            device_id=device_id,
            cause=cause,
            group=causes.group_of(cause),
            live_key=key,
            title=title[:200],
            priority=priority,
            opened_at=now,
            detected_at=min(detected_at or now, now),
            needs_service=service,
            needs_product=product,
            quality_task_at=now if causes.group_of(cause) == "late_excursion" else None,
            facts=[_fact(f, now) for f in facts],
        )
        links = [IncidentLink(incident=row, kind="alarm", object_id=a, at=now) for a in dict.fromkeys(alarm_ids)]
        told = {"number": row.name, "cause": cause, "priority": priority, "title": row.title, "alarms": len(links)}
        _tell(by, row, "incidents.opened", now, told, links)
    return row


def attach(by: Authority, key: UUID, kind: str, object_id: UUID, *, now: datetime) -> IncidentLink:
    """Join a record of another room to an incident. Repeating it changes nothing."""
    with transaction.atomic():
        row = _locked(by, key)
        if kind not in LINKS:
            raise BadInput(
                "incidents.link_unknown",
                f"There is no link {kind!r}.",
                f"Kinds: {', '.join(LINKS)}.",
                field="kind",
                value=kind,
            )
        held = IncidentLink.objects.filter(incident=row, kind=kind, object_id=object_id).first()
        if held is not None:
            return held
        link = IncidentLink(incident=row, kind=kind, object_id=object_id, at=now)
        _tell(by, row, "incidents.attached", now, {"kind": kind, "object": str(object_id)}, [link])
    return link


def acknowledge(by: Authority, key: UUID, *, now: datetime) -> Incident:
    """A person takes it: responder from now on, unless somebody is already. Repeating it changes nothing."""
    with transaction.atomic():
        row = _locked(by, key)
        if by.is_machine:
            raise NotAllowed(
                "incidents.person_only", f"{by.name} is no person.", "Somebody acknowledges in their own name."
            )
        if row.acknowledged_at is not None:
            return row
        if row.state == "open":
            row.state = states.step("incident", row.state, "acknowledged")
        row.acknowledged_at, row.acknowledged_by = now, by.principal_id
        row.responder_id = row.responder_id or by.principal_id
        after_s = int((now - row.opened_at).total_seconds())
        _tell(by, row, "incidents.acknowledged", now, {"after_s": after_s})
    return row


def assign(
    by: Authority, key: UUID, *, now: datetime, responder_id: UUID | None = None, owner_id: UUID | None = None
) -> Incident:
    """Name who responds and who owns it. Repeating it changes nothing."""
    with transaction.atomic():
        row = _locked(by, key)
        _check_live(row)
        for person_id in filter(None, (responder_id, owner_id)):
            if access.person(person_id) is None:
                raise BadInput(
                    "incidents.nobody",
                    f"{person_id} is nobody.",
                    "Name a person.",
                    field="person",
                    value=str(person_id),
                )
        wanted = (responder_id or row.responder_id, owner_id or row.owner_id)
        if wanted == (row.responder_id, row.owner_id):
            return row
        row.responder_id, row.owner_id = wanted
        _tell(by, row, "incidents.assigned", now, {"responder": str(wanted[0] or ""), "owner": str(wanted[1] or "")})
    return row


def note(
    by: Authority, key: UUID, text: str, *, standing: str, now: datetime, observed_at: datetime | None = None
) -> Note:
    """Add what is known: measured, reported or assumed. The text stays here; the log holds its digest."""
    with transaction.atomic():
        row = _locked(by, key)
        if standing not in STANDINGS:
            raise BadInput(
                "incidents.standing",
                f"{standing!r} says not how it is known.",
                f"Use {', '.join(STANDINGS)}.",
                field="standing",
                value=standing,
            )
        if not text.strip():
            raise BadInput("incidents.empty", "The note is empty.", "Write what you know.", field="text", value=text)
        seen = min(observed_at or now, now)
        made = Note(incident=row, standing=standing, text=text, by_id=by.principal_id, at=now, observed_at=seen)
        facts = {"standing": standing, "text_digest": digest(text), "observed_at": instant(seen)}
        _tell(by, row, "incidents.noted", now, facts, [made], {"note": str(made.pk)})
    return made


def mark_mitigated(by: Authority, key: UUID, *, now: datetime, how: str) -> Incident:
    """Product is out of danger for now, though nothing is repaired (moved, generator runs)."""
    with transaction.atomic():
        row = _locked(by, key)
        _check_live(row)
        if row.state != "mitigated":
            row.state = states.step("incident", row.state, "mitigated")
            row.mitigated_at = now
            _tell(by, row, "incidents.mitigated", now, {"how": how[:200]})
    return row


def mark_service_restored(by: Authority, key: UUID, *, at: datetime, now: datetime, source: str) -> Incident:
    """The hardware passes its baseline and its signals are trusted again. The first telling stands."""
    return _stamp(by, key, "service_restored_at", at, now, source)


def mark_product_safe(by: Authority, key: UUID, *, at: datetime, now: datetime, source: str) -> Incident:
    """The space has been inside its profile for its settling time. The first telling stands."""
    return _stamp(by, key, "product_safe_at", at, now, source)


def withdraw_fact(by: Authority, key: UUID, fact: str, *, now: datetime, reason: str) -> Incident:
    """It went wrong again before the end: `service_restored_at` or `product_safe_at` no longer stands."""
    with transaction.atomic():
        row = _locked(by, key)
        _check_live(row)
        if fact not in ("service_restored_at", "product_safe_at"):
            raise BadInput(
                "incidents.fact", f"{fact!r} is no such fact.", "Name one of the two.", field="fact", value=fact
            )
        if getattr(row, fact) is not None:
            setattr(row, fact, None)
            if row.state == "mitigated":
                row.state = states.step("incident", row.state, "acknowledged")
            _tell(by, row, f"incidents.{fact.removesuffix('_at')}_withdrawn", now, {"reason": reason[:200]})
    return row


def close_quality_task(by: Authority, key: UUID, *, now: datetime, decision: str) -> Incident:
    """QA has looked at the late excursion and says what came of it. Repeating it changes nothing."""
    row = one(Incident, key)
    by.require("product.dispose", row.site_id)
    with transaction.atomic():
        row = one(Incident, key, among=Incident.objects.select_for_update())
        if row.quality_done_at is None:
            row.quality_done_at, row.quality_done_by = now, by.principal_id
            row.quality_task_at = row.quality_task_at or now
            _tell(by, row, "incidents.quality_decided", now, {"decision": decision[:400]})
    return row


def resolve(
    by: Authority,
    key: UUID,
    *,
    outcome: str,
    now: datetime,
    responder_id: UUID | None = None,
    out_of_range: bool | None = None,
) -> Incident:
    """End it with an outcome and a responder, once both facts that apply stand.

    `out_of_range` is what the space's reading says now; None means not known. An outcome that explains a reading
    away is QA's alone unless the reading is in range.
    """
    with transaction.atomic():
        row = _locked(by, key)
        if row.resolved_at is not None and row.outcome == outcome:
            return row
        _check_live(row)
        responder = responder_id or row.responder_id
        ending = Ending(
            outcome,
            responder is not None and access.person(responder) is not None,
            row.needs_service,
            row.needs_product,
            row.service_restored_at,
            row.product_safe_at,
            out_of_range,
            by.may("product.dispose", row.site_id),
            row.quality_task_at is not None and row.quality_done_at is None,
        )
        if blocked := missing(ending):
            raise NotReady(
                f"incidents.not_resolved_{blocked[0][0]}",
                f"{row.name} cannot be resolved: {'; '.join(words for _, words in blocked)}.",
                "Settle the first of these, then resolve again.",
            )
        row.state = states.step("incident", row.state, "resolved")
        row.resolved_at, row.resolved_by, row.outcome = now, by.principal_id, outcome
        row.responder_id, row.live_key = responder, None
        facts = {"outcome": outcome, "responder": str(responder), "after_s": int((now - row.opened_at).total_seconds())}
        _tell(by, row, "incidents.resolved", now, facts)
        _open_review(by, row, now)
    return row


def _open_review(by: Authority, row: Incident, now: datetime) -> None:
    """In the transaction of the end, so that no excursion and no major outage goes without."""
    excursions = row.links.filter(kind="excursion").count()
    if not is_reviewed(row.priority, row.needs_product, excursions):
        return
    site = one(Site, row.site_id, among=Site.objects.select_related("service_class"))
    review = reviews.begun(site, now, incident=row, space_id=row.space_id)
    facts = {"review": str(review.pk), "due": instant(review.due_at)}
    event = NewEvent(data=facts, incident_id=row.pk)
    record([review], [event], entry=NewEntry("incidents.review_opened", review.pk, by, now, row.site_id, facts=facts))


def hand_over(by: Authority, snapshot: Mapping[str, Any], *, now: datetime, remark: str = "") -> HandOver:
    """Leave the watch: what is open, suppressed, unmonitored and waiting, as it stands now."""
    by.require("incidents.hand_over")
    if absent := [part for part in HAND_OVER_PARTS if part not in snapshot]:
        raise BadInput(
            "incidents.hand_over_part", f"{absent[0]} is missing.", "Name all four parts.", field=absent[0], value=None
        )
    data = {part: plain(snapshot[part]) for part in HAND_OVER_PARTS}
    row = HandOver(by_id=by.principal_id, at=now, snapshot=data, digest=digest(data), remark=remark)
    counts = {part: len(data[part]) for part in HAND_OVER_PARTS}
    facts = counts | {"digest": row.digest}
    record([row], entry=NewEntry("incidents.handed_over", row.pk, by, now, facts=facts))
    return row


def take_over(by: Authority, key: UUID, *, digest_read: str, now: datetime) -> HandOver:
    """The next shift signs what it read. Another person than the one who left; repeating it changes nothing."""
    by.require("incidents.hand_over")
    with transaction.atomic():
        row = one(HandOver, key, among=HandOver.objects.select_for_update())
        if row.taken_by == by.principal_id:
            return row
        if row.taken_by is not None:
            raise Conflict("incidents.taken", "Somebody else has taken this watch.", "Read the newest hand-over.")
        if by.is_machine or by.principal_id == row.by_id:
            raise NotAllowed(
                "incidents.take_own", f"{by.name} cannot take the watch from themselves.", "The next shift signs."
            )
        if digest_read != row.digest:
            raise Conflict(
                "incidents.hand_over_changed", "What was read is not what was handed over.", "Read it again and sign."
            )
        row.taken_by, row.taken_at = by.principal_id, now
        record([row], entry=NewEntry("incidents.taken_over", row.pk, by, now, facts={"digest": row.digest}))
    return row


def _join(by: Authority, row: Incident, alarm_ids: Sequence[UUID], priority: str, now: datetime) -> Incident:
    held = set(row.links.filter(kind="alarm").values_list("object_id", flat=True))
    fresh = [a for a in dict.fromkeys(alarm_ids) if a not in held]
    urgent = more_urgent(row.priority, priority)
    if not fresh and urgent == row.priority:
        return row
    row.priority = urgent
    links = [IncidentLink(incident=row, kind="alarm", object_id=a, at=now) for a in fresh]
    _tell(by, row, "incidents.joined", now, {"alarms": len(fresh), "priority": urgent}, links)
    return row


def _stamp(by: Authority, key: UUID, column: str, at: datetime, now: datetime, source: str) -> Incident:
    if at > now:
        raise BadInput(
            "incidents.future", f"{instant(at)} is not yet.", "Say when it was.", field="at", value=instant(at)
        )
    with transaction.atomic():
        row = _locked(by, key)
        if getattr(row, column) is None:
            _check_live(row)
            setattr(row, column, at)
            fact = {"name": column, "value": instant(at), "standing": "measured", "source": source}
            row.facts = [*row.facts, _fact(fact, now)]
            _tell(by, row, f"incidents.{column.removesuffix('_at')}", now, {"at": instant(at), "source": source})
    return row


def _locked(by: Authority, key: UUID) -> Incident:
    row = one(Incident, key, among=Incident.objects.select_for_update())
    by.require("incidents.work", row.site_id)
    return row


def _check_live(row: Incident) -> None:
    if row.resolved_at is not None:
        raise Conflict(
            "incidents.ended",
            f"{row.name} ended at {row.resolved_at:%Y-%m-%d %H:%M} UTC.",
            "Open a new one if it is back.",
        )


def _check_priority(priority: str) -> None:
    if priority not in PRIORITIES:
        raise BadInput(
            "incidents.priority",
            f"There is no priority {priority!r}.",
            f"Use {', '.join(PRIORITIES)}.",
            field="priority",
            value=priority,
        )


def _fact(fact: Mapping[str, Any], now: datetime) -> dict[str, str]:
    standing = str(fact.get("standing", "assumed"))
    if standing not in STANDINGS:
        raise BadInput("incidents.standing", f"{standing!r}?", f"Use {', '.join(STANDINGS)}.", field="standing")
    at = fact.get("at", now)
    return {
        "name": str(fact["name"]),
        "value": str(plain(fact["value"])),
        "standing": standing,
        "source": str(fact.get("source", "")),
        "at": instant(at) if isinstance(at, datetime) else str(at),
    }


def _tell(
    by: Authority,
    row: Incident,
    kind: str,
    now: datetime,
    facts: Mapping[str, Any],
    also: Sequence[Row] = (),
    data: Mapping[str, Any] | None = None,
) -> None:
    event = NewEvent(data={**facts, **(data or {})}, incident_id=row.pk)
    record([row, *also], [event], entry=NewEntry(kind, row.pk, by, now, row.site_id, facts=facts))
