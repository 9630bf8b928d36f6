"""Interrupting people: the first page, escalation by deadline rows, and what must be said when quiet ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from waystation.access import queries as access
from waystation.alarms.judging import lock_site, set_judgement
from waystation.alarms.models import Alarm, Escalation, Page, Suppression
from waystation.alarms.rules import chain, escalation
from waystation.alarms.rules.matrix import MatrixRow
from waystation.alarms.rules.text import PageText, plain_text
from waystation.alarms.situation import View, condition_of, quiet, row_of
from waystation.evidence.actions import NewEntry, NewEvent, NewMessage, record
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest, instant
from waystation.registry.queries import one

FORGOTTEN_AFTER = timedelta(seconds=30)
NOTICE_AGAIN_AFTER = timedelta(hours=24)
MAX_PER_ROUND = 500


@dataclass(frozen=True, slots=True)
class Due:
    """What a round of deadlines did: pages sent, suppressions ended and announced."""

    pages: tuple[Page, ...] = ()
    ended: tuple[Suppression, ...] = ()


@dataclass(slots=True)
class _Letter:
    """Rows and messages that one interruption makes."""

    pages: list[Page] = field(default_factory=list)
    messages: list[NewMessage] = field(default_factory=list)
    said: list[chain.Decision] = field(default_factory=list)


def page(
    by: Authority, alarm_id: UUID, text: PageText, *, incident_id: UUID | None = None, now: datetime
) -> list[Page]:
    """Interrupt those whom routing chose, or keep the text with a deadline when the chain holds it.

    Repeating it sends nothing twice: a page is sent once per severity, level, person and channel.
    """
    by.require("platform.operate")
    with transaction.atomic():
        alarm, view = _locked(alarm_id, now)
        alarm.text = asdict(text)
        alarm.incident_id = incident_id or alarm.incident_id
        return _interrupt(by, alarm, view)


def due(by: Authority, *, now: datetime) -> Due:
    """Fire every deadline that has come, announce suppressions that ended, and catch alarms that nobody paged."""
    by.require("platform.operate")
    ended = [_announce(by, key, now) for key in _ended(now)]
    pages: list[Page] = []
    for alarm_id in dict.fromkeys([*_with_deadline(now), *_forgotten(now)]):
        with transaction.atomic():
            alarm, view = _locked(alarm_id, now)
            pages += _interrupt(by, alarm, view)
    return Due(tuple(pages), tuple(s for s in ended if s is not None))


def _with_deadline(now: datetime) -> list[UUID]:
    rows = Escalation.objects.filter(done_at=None, due_at__lte=now).order_by("due_at", "pk")
    return list(rows.values_list("alarm_id", flat=True)[:MAX_PER_ROUND])


def _forgotten(now: datetime) -> list[UUID]:
    """Active alarms with neither page nor deadline: the independent look that the round makes from facts alone."""
    rows = Alarm.objects.filter(cleared_at=None, raised_at__lte=now - FORGOTTEN_AFTER).exclude(outcome=chain.DROP)
    rows = rows.exclude(Exists(Escalation.objects.filter(alarm=OuterRef("pk"), done_at=None)))
    return list(rows.order_by("raised_at").values_list("pk", flat=True)[:MAX_PER_ROUND])


def _locked(alarm_id: UUID, now: datetime) -> tuple[Alarm, View]:
    site_id = one(Alarm, alarm_id).site_id
    site = lock_site(site_id)
    alarm = one(Alarm, alarm_id, among=Alarm.objects.select_for_update())
    alarm.site = site
    return alarm, View(site, now)


def _interrupt(by: Authority, alarm: Alarm, view: View) -> list[Page]:
    """Judge the alarm afresh and page, hold with a deadline, or let it be."""
    row, now = row_of(alarm), view.now
    pending = Escalation.objects.filter(alarm=alarm, done_at=None).first()
    fresh_rank = alarm.paged_rank is None or row.rank > alarm.paged_rank
    if not fresh_rank and pending is not None and pending.due_at > now:
        _keep(by, alarm, [], now, "alarms.text_kept")
        return []
    policy = view.policy_for(row) if fresh_rank or not alarm.policy else escalation.parse(alarm.policy)
    wanted = 1 if fresh_rank else (pending.level if pending else _last_level(alarm) + 1)
    level = _staffed(policy, wanted, view) if row.pages else wanted
    judgement = view.judge(alarm, row, escalation.level_at(policy, level).roles if row.pages else None)
    set_judgement(alarm, judgement)
    if judgement.outcome == chain.PASS:
        return _send(by, alarm, view, row, policy, level, judgement.people, pending)
    if judgement.outcome == chain.HOLD:
        return _hold(by, alarm, view, row, level if not fresh_rank else 0, judgement, pending)
    if pending is not None:
        pending.done_at, pending.result = now, judgement.last.reason
    _keep(by, alarm, [pending] if pending else [], now, "alarms.not_paged")
    return []


def _last_level(alarm: Alarm) -> int:
    return (
        alarm.pages.filter(kind__in=["page", "bundle"]).order_by("-level").values_list("level", flat=True).first() or 0
    )


def _staffed(policy: escalation.Policy, wanted: int, view: View) -> int:
    """The first level from `wanted` on at which somebody can be reached; `wanted` when there is none."""
    for number in range(wanted, max(wanted, len(policy.levels)) + 1):
        if chain.people_of(escalation.level_at(policy, number).roles, view.targets):
            return number
    return wanted


def _send(
    by: Authority,
    alarm: Alarm,
    view: View,
    row: MatrixRow,
    policy: escalation.Policy,
    level: int,
    people: Sequence[UUID],
    pending: Escalation | None,
) -> list[Page]:
    letter = _letter(alarm, view, row, level, people)
    if pending is not None:
        pending.done_at, pending.result = view.now, f"paged_level_{level}"
    alarm.policy, alarm.paged_rank = policy.as_list(), row.rank
    alarm.paged_at = alarm.paged_at or view.now
    alarm.reasons = [r for r in alarm.reasons if r["stage"] not in ("dedupe", "throttle")]
    alarm.reasons += [d.as_dict() for d in letter.said]
    following = Escalation(
        alarm=alarm, rank=row.rank, level=level + 1, due_at=escalation.next_due(policy, level, view.now)
    )
    facts = {"level": level, "severity": row.severity, "people": [str(p) for p in people], "row": row.slug}
    entry = NewEntry("alarms.paged", alarm.pk, by, view.now, alarm.site_id, facts=facts)
    change = [alarm, *([pending] if pending else []), *letter.pages, following]
    record(change, [NewEvent(data=facts, incident_id=alarm.incident_id)], letter.messages, entry=entry)
    return letter.pages


def _hold(
    by: Authority,
    alarm: Alarm,
    view: View,
    row: MatrixRow,
    level: int,
    judgement: chain.Judgement,
    pending: Escalation | None,
) -> list[Page]:
    until = judgement.last.until or view.now + timedelta(seconds=chain.RECHECK_S)
    deadline = pending or Escalation(alarm=alarm, rank=row.rank, level=level)
    deadline.due_at, deadline.level, deadline.rank = until, level, row.rank
    letter = _Letter()
    if judgement.last.reason == "flapping":
        letter = _flapping(alarm, view, row)
    _keep(by, alarm, [deadline, *letter.pages], view.now, "alarms.held", letter.messages)
    return letter.pages


def _keep(
    by: Authority,
    alarm: Alarm,
    also: Sequence[Escalation | Page | None],
    now: datetime,
    kind: str,
    messages: Sequence[NewMessage] = (),
) -> None:
    facts = {"outcome": alarm.outcome, "decided": alarm.reasons[-1] if alarm.reasons else {}}
    change = [alarm, *(row for row in also if row is not None)]
    event = NewEvent(data=facts, incident_id=alarm.incident_id)
    record(change, [event], messages, entry=NewEntry(kind, alarm.pk, by, now, alarm.site_id, facts=facts))


def _text(alarm: Alarm, view: View, row: MatrixRow) -> PageText:
    if alarm.text:
        return PageText(alarm.text["subject"], alarm.text["body"], alarm.text["first_line"])
    return plain_text(condition_of(alarm), row, alarm.site.name, view.now)


def _addresses(person_id: UUID) -> list[tuple[str, str]]:
    person = access.person(person_id)
    if person is None or not person.is_active:
        return []
    return [("page", person.email)]


def _letter(alarm: Alarm, view: View, row: MatrixRow, level: int, people: Sequence[UUID]) -> _Letter:
    letter, text = _Letter(), _text(alarm, view, row)
    for person_id in people:
        held = Page.objects.filter(person_id=person_id, kind="page").exclude(alarm=alarm)
        within = held.filter(at__gt=view.now - timedelta(seconds=chain.THROTTLE_WINDOW_S))
        recent = [at for at, _, _ in within.values_list("at", "alarm_id", "level").order_by("at").distinct()]
        already = alarm.pages.filter(person_id=person_id, rank=row.rank, level=level).exists()
        said = replace(chain.to_person(row, already, recent, view.now), by=str(person_id))
        letter.said.append(said)
        if said.outcome != chain.DROP:
            _address(letter, alarm, view, (row.rank, level), person_id, text, said)
    return letter


def _address(
    letter: _Letter,
    alarm: Alarm,
    view: View,
    step: tuple[int, int],
    person_id: UUID,
    text: PageText,
    said: chain.Decision,
) -> None:
    rank, level = step
    lead = f"Escalation, level {level}: nobody answered.\n" if level > 1 else ""
    for channel, address in _addresses(person_id):
        key = f"page:{alarm.pk}:{rank}:{level}:{person_id}:{channel}"
        row = Page(
            alarm=alarm,
            incident_id=alarm.incident_id,
            person_id=person_id,
            channel=channel,
            address=address,
            rank=rank,
            level=level,
            message_key=key,
            reason=said.reason,
            at=view.now,
        )
        data = {"alarm_id": alarm.pk, "incident_id": alarm.incident_id, "level": level, "first_line": text.first_line}
        message = NewMessage(channel, address, key, text.subject, lead + text.body, data)
        if said.outcome == chain.HOLD and said.until is not None:
            row.kind, row.bundle_key = "bundle", f"bundle:{person_id}:{channel}:{int(said.until.timestamp())}"
            many = f"More than {chain.THROTTLE_COUNT} alarms in {chain.THROTTLE_WINDOW_S // 60} minutes"
            body = f"{many}. Open Now for the list. The first that was not sent by itself:\n{text.first_line}"
            message = NewMessage(channel, address, row.bundle_key, many, body, {}, said.until)
        letter.pages.append(row)
        letter.messages.append(message)


def _flapping(alarm: Alarm, view: View, row: MatrixRow) -> _Letter:
    """One notice in 24 hours per object and person that it comes and goes."""
    letter = _Letter()
    name = digest({"rule": alarm.rule, "object": str(alarm.object_id), "at": instant(view.now)})[:24]
    told = Page.objects.filter(kind="notice", alarm__rule=alarm.rule, alarm__object_id=alarm.object_id)
    knowing = set(told.filter(at__gt=view.now - NOTICE_AGAIN_AFTER).values_list("person_id", "channel"))
    what = alarm.rule.replace("_", " ")
    times = f"{chain.FLAP_COUNT} times within the hour"
    body = f"{what} at {alarm.site.name} came and went {times}. You are paged if it stays."
    for person_id in chain.people_of(row.pages, view.targets):
        for channel, address in _addresses(person_id):
            if (person_id, channel) in knowing:
                continue
            key = f"flap:{name}:{person_id}:{channel}"
            made = {"channel": channel, "address": address, "rank": row.rank, "message_key": key, "at": view.now}
            letter.pages.append(
                Page(alarm=alarm, person_id=person_id, level=0, kind="notice", reason="flapping", **made)
            )
            letter.messages.append(NewMessage(channel, address, key, f"{alarm.site.name}: {what} flaps", body))
    return letter


def _ended(now: datetime) -> list[UUID]:
    rows = Suppression.objects.filter(ends_at__lte=now, announced_at=None).order_by("ends_at", "pk")
    return list(rows.values_list("pk", flat=True)[:MAX_PER_ROUND])


def _announce(by: Authority, key: UUID, now: datetime) -> Suppression | None:
    """Tell the owner that the quiet ended and what is still wrong; what it held is judged in the same round."""
    with transaction.atomic():
        row = one(Suppression, key, among=Suppression.objects.select_for_update())
        if row.announced_at is not None:
            return None
        row.announced_at = now
        still = still_wrong(row)
        facts = {"kind": row.kind, "ends_at": row.ends_at, "still_wrong": [str(a.pk) for a in still[:50]]}
        record(
            [row],
            messages=_announcement(row, still),
            entry=NewEntry("alarms.suppression_announced", row.pk, by, now, row.site_id, facts=facts),
        )
        judge_again(by, row, now)
    return row


def judge_again(by: Authority, row: Suppression, now: datetime) -> None:
    """The alarms that the quiet names show at once what holds them; their deadlines follow. Nobody is paged here."""
    view = View(lock_site(row.site_id), now)
    for alarm in still_wrong(row):
        alarm.site = view.site
        before = (alarm.outcome, alarm.state, alarm.reasons[-1:])
        judgement = view.judge(alarm, row_of(alarm))
        set_judgement(alarm, judgement)
        pending = Escalation.objects.filter(alarm=alarm, done_at=None).first()
        if pending is not None and pending.level == 0:
            pending.due_at = judgement.last.until or now
        if before != (alarm.outcome, alarm.state, alarm.reasons[-1:]):
            facts = {"decided": alarm.reasons[-1]}
            entry = NewEntry("alarms.changed", alarm.pk, by, now, alarm.site_id, facts=facts)
            record(
                [alarm, *([pending] if pending else [])],
                [NewEvent(data=facts, incident_id=alarm.incident_id)],
                entry=entry,
            )


def still_wrong(row: Suppression) -> list[Alarm]:
    """The active alarms that a suppression names."""
    named = replace(quiet(row), starts_at=row.created_at, ends_at=row.ends_at + timedelta(days=1))
    alarms = Alarm.objects.filter(site_id=row.site_id, cleared_at=None).order_by("raised_at", "pk")
    return [a for a in alarms if named.covers(condition_of(a), row.ends_at)]


def _announcement(row: Suppression, still: Sequence[Alarm]) -> list[NewMessage]:
    state = f"{len(still)} still wrong: " + ", ".join(a.rule.replace("_", " ") for a in still[:10])
    body = f"It was: {row.reason}\n{state if still else 'Nothing that it covered is wrong now.'}"
    subject = f"{row.kind.replace('_', ' ').capitalize()} ended"
    return [
        NewMessage(channel, address, f"ended:{row.pk}:{channel}", subject, body)
        for channel, address in _addresses(row.owner_id)
    ]
