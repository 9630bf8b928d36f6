"""Reading the alarms: what is active and why, who was paged and answered, who is on call, and why (not) me."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from waystation.alarms.models import Alarm, Escalation, Page, Rotation, RouteTest, Suppression
from waystation.alarms.rules import chain, oncall
from waystation.alarms.rules.cause import Cause, cause_of
from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.inhibition import consequences
from waystation.alarms.rules.matrix import BOTH
from waystation.alarms.situation import condition_of, covers, matrix_in_force, quiets, rota, rotations
from waystation.evidence.models import OutboxAttempt, OutboxMessage
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant
from waystation.registry.models import Site
from waystation.registry.queries import one, sites


@dataclass(frozen=True, slots=True)
class Paged:
    """A page with what came of it."""

    person_id: UUID
    channel: str
    level: int
    kind: str
    at: datetime
    sent_at: datetime | None
    gave_up_at: datetime | None
    attempts: int
    receipt: str
    acked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a person was or was not paged for an alarm: the reason that decided, and the whole chain."""

    paged: bool
    reason: str
    chain: tuple[dict[str, Any], ...]
    pages: tuple[Paged, ...] = ()


@dataclass(frozen=True, slots=True)
class OnCall:
    """Who covers a role now, and the next stretch in which nobody does."""

    role: str
    shifts: tuple[oncall.Shift, ...]
    planned: bool
    next_gap: tuple[datetime, datetime] | None

    @property
    def uncovered(self) -> bool:
        """True when a rotation is planned and nobody is on call at this instant."""
        return self.planned and not self.shifts


def alarm(by: Authority, key: UUID) -> Alarm:
    """One alarm of a site that this principal may see."""
    return one(Alarm, key, among=Alarm.objects.select_related("site").filter(site__in=sites(by)))


def active(by: Authority, site_id: UUID | None = None) -> list[Alarm]:
    """The alarms not cleared, nearest product loss first, then the most severe, then the oldest; reasons with each."""
    rows = Alarm.objects.filter(cleared_at=None, site__in=sites(by)).select_related("site")
    if site_id is not None:
        rows = rows.filter(site_id=site_id)
    rank = {"immediate_excursion_risk": 0, "operator_actionable": 1, "informational": 2}
    far = datetime(9999, 1, 1, tzinfo=UTC)
    return sorted(
        rows,
        key=lambda a: (
            a.worst_case_at or far,
            rank[a.severity],
            a.raised_at,
            str(a.pk),
        ),
    )


def active_sites() -> set[UUID]:
    """The sites at which an alarm is not cleared."""
    return set(Alarm.objects.filter(cleared_at=None).values_list("site_id", flat=True).distinct())


def unanswered_first(by: Authority) -> list[Alarm]:
    """Cleared but never acknowledged alarms too: a person has not looked yet."""
    return list(
        Alarm.objects.filter(acked_at=None, resolved_at=None, site__in=sites(by))
        .exclude(severity="informational")
        .order_by("raised_at", "pk")
    )


def standing_at(site_id: UUID) -> list[Alarm]:
    """The alarms of a site that are not cleared, as the platform's own rounds read them: unordered, nothing joined."""
    return list(Alarm.objects.filter(site_id=site_id, cleared_at=None).order_by())


def is_calm(incident_id: UUID) -> bool:
    """No alarm of the incident stands any more."""
    return not Alarm.objects.filter(incident_id=incident_id, cleared_at=None).exists()


def of_incident(incident_id: UUID) -> list[Alarm]:
    """The alarms joined to an incident."""
    return list(Alarm.objects.filter(incident_id=incident_id).order_by("raised_at", "pk"))


def children(key: UUID) -> list[Alarm]:
    """The active alarms that one alarm explains (listed with its page, lost never)."""
    parent = one(Alarm, key)
    standing = {condition_of(a).identity: a for a in Alarm.objects.filter(site_id=parent.site_id, cleared_at=None)}
    known = [condition_of(a) for a in standing.values()]
    return [standing[c.identity] for c in consequences(condition_of(parent), known)]


def cause(site_id: UUID) -> Cause:
    """Why data of a site are missing, from its active alarms."""
    return cause_of([condition_of(a) for a in Alarm.objects.filter(site_id=site_id, cleared_at=None)])


def paged(key: UUID) -> list[Paged]:
    """Who was paged for an alarm and who answered, with delivery."""
    pages = list(Page.objects.filter(alarm_id=key).order_by("at", "pk"))
    keys = {p.bundle_key or p.message_key for p in pages}
    messages = {m.idempotency_key: m for m in OutboxMessage.objects.filter(idempotency_key__in=keys)}
    tries: dict[UUID, list[OutboxAttempt]] = {}
    for attempt in OutboxAttempt.objects.filter(message__in=list(messages.values())).order_by("at", "pk"):
        tries.setdefault(attempt.message_id, []).append(attempt)
    return [_paged(p, messages.get(p.bundle_key or p.message_key), tries) for p in pages]


def _paged(page: Page, message: OutboxMessage | None, tries: dict[UUID, list[OutboxAttempt]]) -> Paged:
    made = tries.get(message.pk, []) if message else []
    receipt = next((a.receipt for a in reversed(made) if a.ok), "")
    sent, lost = (message.sent_at, message.gave_up_at) if message else (None, None)
    return Paged(
        page.person_id, page.channel, page.level, page.kind, page.at, sent, lost, len(made), receipt, page.acked_at
    )


def why(key: UUID, person_id: UUID) -> Answer:
    """Why was (or was not) this person paged for this alarm? Every pair has an answer."""
    row = one(Alarm, key)
    said = tuple(row.reasons)
    mine = tuple(p for p in paged(key) if p.person_id == person_id)
    if mine:
        return Answer(True, f"paged at level {mine[-1].level} by {mine[-1].channel} ({mine[-1].kind})", said, mine)
    own = [d for d in said if d["by"] == str(person_id) and d["stage"] in ("dedupe", "throttle")]
    if own:
        return Answer(False, str(own[-1]["reason"]), said)
    if row.paged_at is not None:
        return Answer(False, "not among those on call for the roles paged so far", said)
    return Answer(False, _decided(said), said)


def _decided(said: Sequence[dict[str, Any]]) -> str:
    """What kept a page back in words; of an alarm that cleared, what kept it back until then."""
    last = said[-1] if said else {"stage": "quality", "reason": "not_judged"}
    before = said[-2] if len(said) > 1 and last["reason"] == "cleared" else None
    if before is not None and before["outcome"] != chain.PASS:
        return f"{before['stage']}: {before['reason']}, until it cleared"
    return f"{last['stage']}: {last['reason']}"


def on_call(site_id: UUID, role: str, now: datetime) -> OnCall:
    """Who is on call for a role at a site, and the next gap within four weeks."""
    rows = rotations(role, site_id)
    planned, standing_in = [rota(r) for r in rows], covers(rows)
    shifts = tuple(oncall.on_call(planned, standing_in, now))
    gap = oncall.next_gap(planned, standing_in, now) if rows else None
    return OnCall(role, shifts, bool(rows), gap)


def coverage_gaps(site_id: UUID, role: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The hours of [start, end) in which nobody is on call by any rotation: each is an error to be corrected."""
    rows = rotations(role, site_id)
    return oncall.gaps([rota(r) for r in rows], covers(rows), start, end)


def next_escalation(key: UUID) -> Escalation | None:
    """The deadline that waits for an alarm, if one does."""
    return Escalation.objects.filter(alarm_id=key, done_at=None).first()


def suppressions(by: Authority, now: datetime) -> list[Suppression]:
    """The live and coming suppressions at the sites that this principal sees."""
    rows = Suppression.objects.filter(ends_at__gt=now, site__in=sites(by)).select_related("site")
    return list(rows.order_by("ends_at", "pk"))


def would_match(site_id: UUID, rules: Sequence[str], object_ids: Sequence[UUID]) -> list[Alarm]:
    """The preview of a suppression: the active alarms that it would name."""
    rows = Alarm.objects.filter(site_id=site_id, cleared_at=None).order_by("raised_at", "pk")
    wanted, objects = set(rules), {str(o) for o in object_ids}
    fits = [a for a in rows if not wanted or a.rule in wanted]
    return [a for a in fits if not objects or objects & {str(a.object_id), str(a.space_id)}]


def unfounded(now: datetime) -> list[Alarm]:
    """Alarms that a suppression's stage holds although none is live: always empty, and watched by the auditor."""
    held = Alarm.objects.filter(cleared_at=None, outcome="hold", acked_at=None)
    wrong = []
    for row in held:
        last = row.reasons[-1] if row.reasons else {}
        if last.get("stage") in ("out_of_service", "window", "silence", "shelve"):
            live = any(q.key == last.get("by") for q in quiets(row.site_id, now))
            wrong += [] if live else [row]
    return wrong


def late_deadlines(now: datetime, tolerance_s: int = 30) -> list[Escalation]:
    """Deadlines that should have fired and did not: the independent auditor pages for them."""
    rows = Escalation.objects.filter(done_at=None, due_at__lt=now - timedelta(seconds=tolerance_s))
    return list(rows.order_by("due_at", "pk"))


def standing(by: Authority, now: datetime, longer_than_h: float = 24) -> list[Alarm]:
    """Alarms active for longer than a day: named at each hand-over."""
    rows = Alarm.objects.filter(cleared_at=None, raised_at__lt=now - timedelta(hours=longer_than_h), site__in=sites(by))
    return list(rows.order_by("raised_at", "pk"))


def matrix() -> tuple[int, list[dict[str, Any]]]:
    """The severity matrix in force with its number; 0 is the one that ships."""
    number, rows = matrix_in_force()
    return number, [r.as_dict() for r in rows]


def route_tests(by: Authority) -> list[RouteTest]:
    """The newest route test of each site."""
    newest: dict[UUID, RouteTest] = {}
    for row in RouteTest.objects.filter(site__in=sites(by)).select_related("site").order_by("at", "pk"):
        newest[row.site_id] = row
    return list(newest.values())


def own_conditions(site_id: UUID, now: datetime) -> list[Condition]:
    """What is wrong with alarming itself at a site: a failed route test, an uncovered hour within a day."""
    site = one(Site, site_id)
    found: list[Condition] = []
    last = RouteTest.objects.filter(site=site).exclude(passed_at=None, failed_at=None).order_by("-at").first()
    if last is not None and last.failed_at is not None:
        facts = {"asset": "alarm route", "location": site.name, "failure": last.failure}
        found.append(Condition("route_test_failed", site_id, "site", site_id, last.failed_at, facts))
    return found + _gap_condition(site, now)


def _gap_condition(site: Site, now: datetime) -> list[Condition]:
    """One condition for the nearest uncovered hours of the coming day; it keeps its beginning while they last."""
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=7)
    near: list[tuple[datetime, datetime, str]] = []
    for role in BOTH:
        if rotations(role, site.pk):
            spans = coverage_gaps(site.pk, role, since, now + timedelta(days=1))
            near += [(begins, ends, role) for begins, ends in spans if ends > now]
    if not near:
        return []
    begins, ends, role = min(near)
    facts = {"asset": f"on call: {role}", "location": site.name, "from": instant(begins), "to": instant(ends)}
    return [Condition("on_call_gap", site.pk, "site", site.pk, begins - timedelta(days=1), facts)]


def pages_since(start: datetime) -> list[Page]:
    """The pages written since an instant, oldest first."""
    return list(Page.objects.filter(at__gte=start).select_related("alarm").order_by("at", "pk"))


def pages_of(alarm_ids: Sequence[UUID]) -> dict[UUID, list[Page]]:
    """Who was paged for each of some alarms, oldest first."""
    found: dict[UUID, list[Page]] = {key: [] for key in alarm_ids}
    for row in Page.objects.filter(alarm_id__in=list(alarm_ids)).exclude(kind="notice").order_by("at", "pk"):
        found[row.alarm_id].append(row)
    return found


def deadlines(by: Authority) -> list[Escalation]:
    """The escalations that wait at the sites that this principal sees, the nearest first."""
    rows = Escalation.objects.filter(done_at=None, level__gt=0, alarm__cleared_at=None, alarm__site__in=sites(by))
    return list(rows.select_related("alarm__site").order_by("due_at", "pk"))


def covered_everywhere(now: datetime) -> list[OnCall]:
    """Who is on call by each rotation that covers all sites, by role, until when within a week."""
    planned = Rotation.objects.filter(site=None, ended_at=None).order_by("role").values_list("role", flat=True)
    found = []
    for role in dict.fromkeys(planned):
        rows = rotations(role, None)
        ahead = [oncall.shifts(rota(r), covers(rows), now, now + timedelta(days=7)) for r in rows]
        shifts = tuple(some[0] for some in ahead if some and some[0].starts_at <= now)
        found.append(OnCall(role, shifts, True, None))
    return found


def raised_between(rules: Sequence[str], start: datetime, end: datetime) -> list[Alarm]:
    """The alarms of those rules that stood at some time in [start, end), oldest first."""
    rows = Alarm.objects.filter(rule__in=rules, started_at__lt=end).order_by("started_at", "pk")
    return [a for a in rows if a.cleared_at is None or a.cleared_at > start]


def answered_between(start: datetime, end: datetime) -> list[Alarm]:
    """The alarms that somebody was paged for in [start, end), answered or not."""
    return list(Alarm.objects.filter(paged_at__gte=start, paged_at__lt=end).order_by("paged_at", "pk"))
