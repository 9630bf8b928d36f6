"""Who is interrupted: a chain of named stages, each leaving its outcome and reason.

quality → lifecycle → out_of_service → window → inhibit → silence → shelve → group → route → dedupe → throttle

A stage passes, holds (judged again at `until`) or drops. It stops interruption only: neither measurement nor clearing
passes through here. Dedupe and throttle are asked per person, when a page is about to be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from waystation.alarms.rules import lifecycle
from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.inhibition import parent_of
from waystation.alarms.rules.matrix import IMMEDIATE, INFORMATIONAL, MatrixRow, delay_of

PASS, HOLD, DROP = "pass", "hold", "drop"
RECHECK_S = 60
INHIBIT_RECHECK_S = 900  # each round judges again sooner; this catches what no round sees
REGROUP_S = 3600
TOLD_FOR_S = 12 * 3600  # a value that hovers at its limit is told once a shift
FLAP_COUNT, FLAP_WINDOW_S = 4, 3600
THROTTLE_COUNT, THROTTLE_WINDOW_S = 5, 600
NOT_LIVE = ("planned", "commissioning", "retired")


@dataclass(frozen=True, slots=True)
class Decision:
    """What one stage said; `until` is when a hold is judged again."""

    stage: str
    outcome: str
    reason: str
    until: datetime | None = None
    by: str = ""  # the suppression, parent or page that it rests on

    def as_dict(self) -> dict[str, Any]:
        """Plain data, to be kept with the alarm."""
        until = {"until": self.until.isoformat()} if self.until else {}
        return {"stage": self.stage, "outcome": self.outcome, "reason": self.reason, "by": self.by} | until


@dataclass(frozen=True, slots=True)
class Quiet:
    """A live suppression: what it matches and until when."""

    key: str
    kind: str  # shelve | silence | window | out_of_service
    starts_at: datetime
    ends_at: datetime
    rules: frozenset[str] = frozenset()
    object_ids: frozenset[str] = frozenset()

    def covers(self, condition: Condition, now: datetime) -> bool:
        """True when it is live and names the condition; an empty set names all of the site."""
        if not self.starts_at <= now < self.ends_at:
            return False
        named = {str(condition.object_id), str(condition.place)}
        return (not self.rules or condition.rule in self.rules) and (
            not self.object_ids or bool(self.object_ids & named)
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """An alarm that asks to interrupt somebody."""

    condition: Condition
    row: MatrixRow
    life: lifecycle.Life
    acked_rank: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the stages look at besides the alarm itself."""

    now: datetime
    page_delay_s: int
    site_state: str = "active"
    active: Sequence[Condition] = ()
    quiet: Sequence[Quiet] = ()
    raised: Sequence[datetime] = ()  # when alarms of the same rule and object were raised, this one included
    last_page: tuple[datetime, int] | None = None  # of an earlier alarm of the same rule and object: instant, rank
    targets: Mapping[str, Sequence[UUID]] = field(default_factory=dict)  # role → people on call


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome with every stage's word, and whom routing chose."""

    outcome: str
    decisions: tuple[Decision, ...]
    people: tuple[UUID, ...] = ()

    @property
    def last(self) -> Decision:
        """The stage that decided."""
        return self.decisions[-1]


def urgent(candidate: Candidate, now: datetime) -> bool:
    """True when product may be lost within the time that a response takes: then nothing waits."""
    at = candidate.condition.worst_case_at
    return at is not None and at - now <= timedelta(seconds=candidate.row.respond_within_s)


def _quality(c: Candidate, s: Situation) -> Decision:
    if s.site_state in NOT_LIVE:
        return Decision("quality", DROP, f"site_is_{s.site_state}")
    if c.row.severity == INFORMATIONAL:
        return Decision("quality", DROP, "informational_is_logged")
    return Decision("quality", PASS, "doubt_is_told" if c.condition.from_missing_data else "read")


def _lifecycle(c: Candidate, s: Situation) -> Decision:
    may, why = lifecycle.interrupts(c.life, c.row.rank, c.acked_rank)
    if not may:
        return Decision("lifecycle", DROP, why)
    if urgent(c, s.now):
        return Decision("lifecycle", PASS, "product_at_risk_soon")
    ready = c.condition.started_at + timedelta(seconds=delay_of(c.row, s.page_delay_s))
    if s.now < ready:
        return Decision("lifecycle", HOLD, "delay_running", ready)
    if until := _deadband(c, s.now):
        return Decision("lifecycle", HOLD, "within_deadband", until)
    return Decision("lifecycle", PASS, why)


def _deadband(c: Candidate, now: datetime) -> datetime | None:
    """The instant of the next look while a warm value is within the deadband; a cold one never waits."""
    value, limit = c.condition.number("value_c"), c.condition.number("limit_c")
    ends = c.condition.started_at + timedelta(seconds=c.row.deadband_hold_s)
    if value is None or limit is None or c.condition.facts.get("side") != "high" or now >= ends:
        return None
    if value - limit >= c.row.deadband_c:
        return None
    worst = c.condition.worst_case_at
    return ends if worst is None else min(ends, worst - timedelta(seconds=c.row.respond_within_s))


def _quieted(kind: str) -> Callable[[Candidate, Situation], Decision]:
    def stage(c: Candidate, s: Situation) -> Decision:
        for quiet in s.quiet:
            if quiet.kind == kind and quiet.covers(c.condition, s.now):
                if c.row.never_suppress:
                    return Decision(kind, PASS, "never_suppressed", by=quiet.key)
                return Decision(kind, HOLD, f"in_{kind}", quiet.ends_at, quiet.key)
        return Decision(kind, PASS, "none")

    return stage


def _inhibit(c: Candidate, s: Situation) -> Decision:
    parent = parent_of(c.condition, s.active)
    if parent is None:
        return Decision("inhibit", PASS, "speaks_for_itself")
    again = s.now + timedelta(seconds=INHIBIT_RECHECK_S)
    return Decision("inhibit", HOLD, f"consequence_of_{parent.rule}", again, str(parent.object_id))


def _group(c: Candidate, s: Situation) -> Decision:
    """Chatter: the same rule and object again, soon after its page. What lasts an hour is always told."""
    if s.last_page is None or s.last_page[1] < c.row.rank or urgent(c, s.now) or c.row.never_suppress:
        return Decision("group", PASS, "first_of_its_object")
    lasting = c.condition.started_at + timedelta(seconds=REGROUP_S)
    recent = [at for at in s.raised if s.now - at <= timedelta(seconds=FLAP_WINDOW_S)]
    if len(recent) >= FLAP_COUNT and s.now < lasting:
        return Decision("group", HOLD, "flapping", lasting)
    if _hovers(c) and s.now - s.last_page[0] < timedelta(seconds=TOLD_FOR_S) and s.now < lasting:
        return Decision("group", HOLD, "hovers_where_it_was_paged", lasting)
    until = s.last_page[0] + timedelta(seconds=REGROUP_S)
    if s.now < min(until, lasting):
        return Decision("group", HOLD, "same_object_was_just_paged", min(until, lasting))
    return Decision("group", PASS, "lasts")


def _hovers(c: Candidate) -> bool:
    """A value, warm or cold, less than the row's deadband beyond its limit."""
    value, limit = c.condition.number("value_c"), c.condition.number("limit_c")
    return value is not None and limit is not None and abs(value - limit) < c.row.deadband_c


def _route(c: Candidate, s: Situation) -> Decision:
    missing = [role for role in c.row.pages if not s.targets.get(role)]
    if len(missing) == len(c.row.pages):
        return Decision("route", HOLD, "nobody_to_page", s.now + timedelta(seconds=RECHECK_S), ",".join(missing))
    return Decision("route", PASS, f"no_{'_no_'.join(missing)}" if missing else "routed", by=",".join(c.row.pages))


STAGES: tuple[Callable[[Candidate, Situation], Decision], ...] = (
    _quality,
    _lifecycle,
    _quieted("out_of_service"),
    _quieted("window"),
    _inhibit,
    _quieted("silence"),
    _quieted("shelve"),
    _group,
    _route,
)


def judge(candidate: Candidate, situation: Situation) -> Judgement:
    """Ask each stage in order until one holds or drops."""
    said: list[Decision] = []
    for stage in STAGES:
        said.append(stage(candidate, situation))
        if said[-1].outcome != PASS:
            return Judgement(said[-1].outcome, tuple(said))
    return Judgement(PASS, tuple(said), people_of(candidate.row.pages, situation.targets))


def people_of(roles: Sequence[str], targets: Mapping[str, Sequence[UUID]]) -> tuple[UUID, ...]:
    """The people of the roles, each once, in order."""
    return tuple(dict.fromkeys(person for role in roles for person in targets.get(role, ())))


def to_person(row: MatrixRow, already: bool, recent: Sequence[datetime], now: datetime) -> Decision:
    """Dedupe and throttle for one person: `already` holds this very page; `recent` are the instants of others."""
    if already:
        return Decision("dedupe", DROP, "already_paged")
    if row.severity == IMMEDIATE:
        return Decision("throttle", PASS, "immediate_risk_jumps_the_queue")
    inside = sorted(at for at in recent if now - at < timedelta(seconds=THROTTLE_WINDOW_S))
    if len(inside) < THROTTLE_COUNT:
        return Decision("throttle", PASS, "below_limit")
    return Decision("throttle", HOLD, "bundled", inside[0] + timedelta(seconds=THROTTLE_WINDOW_S))
