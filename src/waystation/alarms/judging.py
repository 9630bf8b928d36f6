"""What is wrong at a site becomes alarms: raised, changed, cleared. Replaying the same conditions adds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.alarms.models import Alarm, Escalation
from waystation.alarms.rules import chain, lifecycle
from waystation.alarms.rules.conditions import OBJECT_KINDS, Condition, Identity
from waystation.alarms.situation import View, life_of, quiet_of, stored
from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest, plain
from waystation.kernel.refusals import BadInput
from waystation.registry.models import Site
from waystation.registry.queries import one

FACTS_KEPT_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Update:
    """What a round changed: alarms raised, those whose severity rose or that may now interrupt, those cleared."""

    raised: tuple[Alarm, ...] = ()
    changed: tuple[Alarm, ...] = ()
    cleared: tuple[Alarm, ...] = ()


def update(by: Authority, site_id: UUID, conditions: Sequence[Condition], *, now: datetime) -> Update:
    """Bring the alarms of a site in line with all that is wrong there now; what is no longer named is cleared.

    The caller composes a page for each of `raised` and `changed` and hands it to `page`.
    """
    by.require("platform.operate", site_id)
    _check(site_id, conditions)
    with transaction.atomic():
        site = lock_site(site_id)
        wanted = {c.identity: c for c in conditions}
        known = _known(site_id, wanted)
        cleared = [_clear(by, a, now) for i, a in known.items() if i not in wanted and a.cleared_at is None]
        if not wanted:
            return Update(cleared=tuple(cleared))
        view = View(site, now, list(wanted.values()))
        raised, changed = [], []
        for identity, condition in wanted.items():
            alarm = known.get(identity)
            if alarm is None:
                raised.append(_raise(by, condition, view))
            elif _renew(by, alarm, condition, view):
                changed.append(alarm)
    return Update(tuple(raised), tuple(changed), tuple(cleared))


def lock_site(site_id: UUID) -> Site:
    """The site with its class, locked: one round at a time judges it."""
    rows = Site.objects.select_for_update(of=("self",)).select_related("service_class")
    return one(Site, site_id, among=rows)


def _check(site_id: UUID, conditions: Sequence[Condition]) -> None:
    for c in conditions:
        if c.site_id != site_id or c.object_kind not in OBJECT_KINDS:
            raise BadInput(
                "alarms.condition_unusable",
                f"{c.rule} of {c.object_kind} {c.object_id} at site {c.site_id} is no condition of site {site_id}.",
                f"Name the site's own conditions; kinds of object: {', '.join(OBJECT_KINDS)}.",
                field="conditions",
                value=c.rule,
            )


def _known(site_id: UUID, wanted: dict[Identity, Condition]) -> dict[Identity, Alarm]:
    standing = Alarm.objects.select_for_update().filter(site_id=site_id, cleared_at=None)
    found = {(a.rule, a.object_id, a.started_at): a for a in standing}
    missing = [i for i in wanted if i not in found]
    if missing:
        ended = Alarm.objects.filter(site_id=site_id, object_id__in={i[1] for i in missing})
        ended = ended.filter(started_at__in={i[2] for i in missing})
        found |= {i: a for a in ended if (i := (a.rule, a.object_id, a.started_at)) in wanted}
    return found


def _raise(by: Authority, condition: Condition, view: View) -> Alarm:
    alarm = Alarm(
        rule=condition.rule,
        site=view.site,
        object_kind=condition.object_kind,
        object_id=condition.object_id,
        space_id=condition.space_id or (condition.object_id if condition.object_kind == "space" else None),
        started_at=condition.started_at,
        raised_at=view.now,
        from_missing_data=condition.from_missing_data,
    )
    _take(alarm, condition, view)
    _tell(by, alarm, "alarms.raised", view.now)
    return alarm


def _renew(by: Authority, alarm: Alarm, condition: Condition, view: View) -> bool:
    """Take the latest facts; True when the severity rose, it came back, or it may now interrupt."""
    before = (alarm.severity, alarm.outcome, alarm.state, alarm.reasons[-1:], alarm.from_missing_data)
    rank, outcome, returned = _rank(alarm), alarm.outcome, alarm.cleared_at is not None
    facts, facts_at, worst = alarm.facts, alarm.facts_at, alarm.worst_case_at
    if returned:
        alarm.cleared_at = alarm.resolved_at = None
    _take(alarm, condition, view)
    same = before == (alarm.severity, alarm.outcome, alarm.state, alarm.reasons[-1:], alarm.from_missing_data)
    kept = facts == alarm.facts and worst == alarm.worst_case_at
    if same and not returned and (kept or view.now - facts_at < FACTS_KEPT_FOR):
        return False
    _tell(by, alarm, "alarms.returned" if returned else "alarms.changed", view.now)
    return returned or _rank(alarm) > rank or (outcome != chain.PASS and alarm.outcome == chain.PASS)


def _rank(alarm: Alarm) -> int:
    from waystation.alarms.rules.matrix import SEVERITIES

    return SEVERITIES.index(alarm.severity)


def _take(alarm: Alarm, condition: Condition, view: View) -> None:
    row = view.classify(condition)
    alarm.facts, alarm.facts_at = stored(condition.facts), view.now
    alarm.worst_case_at = condition.worst_case_at
    alarm.from_missing_data = condition.from_missing_data
    alarm.severity, alarm.row_slug, alarm.row = row.severity, row.slug, row.as_dict()
    alarm.matrix_number = view.number
    set_judgement(alarm, view.judge(alarm, row))


def set_judgement(alarm: Alarm, judgement: chain.Judgement) -> None:
    """Keep the chain's word and the state that follows from it."""
    personal = [r for r in alarm.reasons if r["stage"] in ("dedupe", "throttle")]
    said = [d.as_dict() for d in judgement.decisions]
    alarm.outcome = judgement.outcome
    alarm.reasons = said + (personal if judgement.outcome == chain.PASS else [])
    alarm.state = lifecycle.label(life_of(alarm, quiet_of(judgement)))


def _clear(by: Authority, alarm: Alarm, now: datetime) -> Alarm:
    alarm.cleared_at = now
    alarm.state = lifecycle.label(life_of(alarm))
    alarm.outcome = chain.DROP
    alarm.reasons = [*alarm.reasons, chain.Decision("lifecycle", chain.DROP, "cleared").as_dict()]
    pending = Escalation.objects.select_for_update().filter(alarm=alarm, done_at=None).first()
    if pending is not None:
        pending.done_at, pending.result = now, "cleared"
    _tell(by, alarm, "alarms.cleared", now, [pending] if pending else [])
    return alarm


def _tell(by: Authority, alarm: Alarm, kind: str, now: datetime, also: Sequence[Escalation] = ()) -> None:
    facts = {
        "rule": alarm.rule,
        "object": alarm.object_id,
        "started_at": alarm.started_at,
        "severity": alarm.severity,
        "row": alarm.row_slug,
        "outcome": alarm.outcome,
        "decided": alarm.reasons[-1],
        "facts_digest": digest(plain(alarm.facts)),
    }
    event = NewEvent(data=facts | {"facts": alarm.facts}, incident_id=alarm.incident_id)
    record([alarm, *also], [event], entry=NewEntry(kind, alarm.pk, by, now, alarm.site_id, facts=facts))
