"""Slow, plain answers to what the rules of alarming decide: written from their sentences, not from their code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from waystation.alarms.rules.chain import Candidate, Situation
from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.matrix import MatrixRow
from waystation.alarms.rules.oncall import Cover, Rota
from waystation.alarms.rules.replay import Episode

RANKS = {"informational": 0, "operator_actionable": 1, "immediate_excursion_risk": 2}
LOUD_FOR_EVER = ("worst_case_limit", "excursion", "late_excursion", "hand_reading_missed")
EXPLAINING = ("power_lost", "site_unreachable", "device_unreachable")


def s(seconds: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=seconds)


def same_place(one: Condition, other: Condition) -> bool:
    """Both concern one space, or one object where no space is known."""
    return (one.space_id or one.object_id) == (other.space_id or other.object_id)


def row_fits(row: MatrixRow, c: Condition, active: Sequence[Condition], now: datetime) -> bool:
    """Every rule of the row is active in the place, and what narrows the row holds."""
    beside = [
        o for o in active if same_place(o, c) or (o.site_id == c.site_id and "site" in (o.object_kind, c.object_kind))
    ]
    if c.rule not in row.when or any(w != c.rule and w not in [o.rule for o in beside] for w in row.when):
        return False
    part = [c, *(o for o in beside if o.rule in row.when)]
    if row.lasting_s > 0 and now - c.started_at < s(row.lasting_s):
        return False
    if row.rise_c_per_h is not None:
        trends = [o.facts["trend_c_per_h"] for o in part if o.facts.get("trend_c_per_h") is not None]
        if not [t for t in trends if t >= row.rise_c_per_h or t <= -row.rise_c_per_h]:
            return False
    if row.within_s is not None:
        return any(o.worst_case_at is not None and o.worst_case_at <= now + s(row.within_s) for o in part)
    return True


def row_of(c: Condition, active: Sequence[Condition], matrix: Iterable[MatrixRow], now: datetime) -> MatrixRow | None:
    """The most severe fitting row, then the one that asks for more rules, then the narrower, then by name."""
    best: MatrixRow | None = None
    for row in matrix:
        if not row_fits(row, c, active, now):
            continue
        if best is None or _weight(row) > _weight(best):
            best = row
    return best


def _weight(row: MatrixRow) -> tuple[int, int, int, str]:
    narrow = [row.lasting_s != 0, row.rise_c_per_h is not None, row.within_s is not None]
    return (RANKS[row.severity], len(row.when), narrow.count(True), row.slug)


def explained_by(c: Condition, active: Sequence[Condition]) -> set[tuple[str, UUID]]:
    """(rule, object) of every active condition that may explain a missing one; empty when it speaks for itself."""
    if not c.from_missing_data or c.rule in LOUD_FOR_EVER:
        return set()
    earlier = EXPLAINING[: EXPLAINING.index(c.rule)] if c.rule in EXPLAINING else EXPLAINING
    for rule in earlier:
        found = set()
        for other in active:
            whole_site = other.object_kind == "site"
            its_device = rule == "device_unreachable" and c.facts.get("device_id") == str(other.object_id)
            if other.rule == rule and other.site_id == c.site_id and (whole_site or its_device):
                found.add((other.rule, other.object_id))
        if found:
            return found
    return set()


def decided(c: Candidate, situation: Situation) -> tuple[str, str]:
    """(outcome, stage) of the first stage that does not let the alarm through; ("pass", "route") when all do."""
    checks = [("quality", "drop", _quality), ("lifecycle", "drop", _over), ("lifecycle", "hold", _waits)]
    checks += [(kind, "hold", _quieted(kind)) for kind in ("out_of_service", "window")]
    checks += [("inhibit", "hold", lambda c, w: bool(explained_by(c.condition, w.active)))]
    checks += [(kind, "hold", _quieted(kind)) for kind in ("silence", "shelve")]
    checks += [("group", "hold", _chatters), ("route", "hold", _nobody)]
    for stage, outcome, stops in checks:
        if stops(c, situation):  # type: ignore[no-untyped-call]
            return outcome, stage
    return "pass", "route"


def _soon(c: Candidate, now: datetime) -> bool:
    at = c.condition.worst_case_at
    return at is not None and (at - now).total_seconds() <= c.row.respond_within_s


def _quality(c: Candidate, w: Situation) -> bool:
    return w.site_state in ("planned", "commissioning", "retired") or RANKS[c.row.severity] == 0


def _over(c: Candidate, w: Situation) -> bool:
    if c.life.cleared_at is not None:
        return True
    new_fact = c.acked_rank is not None and RANKS[c.row.severity] > c.acked_rank
    return c.life.acked is not None and not new_fact


def _waits(c: Candidate, w: Situation) -> bool:
    if _soon(c, w.now):
        return False
    age = (w.now - c.condition.started_at).total_seconds()
    if age < (w.page_delay_s if c.row.delay_s is None else c.row.delay_s):
        return True
    facts = c.condition.facts
    warm = facts.get("side") == "high" and facts.get("value_c") is not None and facts.get("limit_c") is not None
    return bool(warm and age < c.row.deadband_hold_s and facts["value_c"] - facts["limit_c"] < c.row.deadband_c)


def _quieted(kind: str):  # type: ignore[no-untyped-def]
    def stops(c: Candidate, w: Situation) -> bool:
        for q in w.quiet:
            names_it = {str(c.condition.object_id), str(c.condition.space_id or c.condition.object_id)}
            live = q.kind == kind and q.starts_at <= w.now < q.ends_at
            rule = len(q.rules) == 0 or c.condition.rule in q.rules
            place = len(q.object_ids) == 0 or len(names_it & set(q.object_ids)) > 0
            if live and rule and place:
                return not c.row.never_suppress
        return False

    return stops


def _chatters(c: Candidate, w: Situation) -> bool:
    if w.last_page is None or RANKS[c.row.severity] > w.last_page[1] or _soon(c, w.now) or c.row.never_suppress:
        return False
    age = (w.now - c.condition.started_at).total_seconds()
    since_page = (w.now - w.last_page[0]).total_seconds()
    in_the_hour = [at for at in w.raised if (w.now - at).total_seconds() <= 3600]
    value, limit = c.condition.facts.get("value_c"), c.condition.facts.get("limit_c")
    near = value is not None and limit is not None and limit - c.row.deadband_c < value < limit + c.row.deadband_c
    told_this_shift = near and since_page < 12 * 3600
    return age < 3600 and (len(in_the_hour) >= 4 or told_this_shift or since_page < 3600)


def _nobody(c: Candidate, w: Situation) -> bool:
    return not [role for role in c.row.pages if w.targets.get(role)]


def whose_turn(rota: Rota, at: datetime) -> UUID | None:
    """Who has the turn at an instant, by counting hand-overs on the wall clock one by one; None before the first."""
    zone = ZoneInfo(rota.zone)
    seen = max((at - timedelta(minutes=m)).astimezone(zone).replace(tzinfo=None) for m in (0, 30, 60, 90, 120))
    hand = datetime.combine(rota.first_day, time()) + timedelta(minutes=rota.handover_min)
    if seen < hand:
        return None
    turns = 0
    while hand + timedelta(days=rota.turn_days) <= seen:
        hand += timedelta(days=rota.turn_days)
        turns += 1
    return rota.people[turns % len(rota.people)]


def clock_jumps(zone: ZoneInfo, at: datetime) -> bool:
    """The zone's offset changes within three hours of the instant."""
    offsets = {(at + timedelta(hours=h)).astimezone(zone).utcoffset() for h in (-3, -2, -1, 0, 1, 2, 3)}
    return len(offsets) > 1


def in_hours(rota: Rota, at: datetime) -> bool:
    """The local weekday and minute lie in the rotation's hours; without hours all do."""
    local = at.astimezone(ZoneInfo(rota.zone))
    minute = local.hour * 60 + local.minute
    return not rota.hours or any(h.weekday == local.weekday() and h.from_min <= minute < h.to_min for h in rota.hours)


def covering(rota: Rota, covers: Sequence[Cover], at: datetime) -> UUID | None:
    """Who is on call: the override made last, else whose turn it is within the hours."""
    live = [c for c in covers if c.key == rota.key and c.starts_at <= at < c.ends_at]
    if live:
        return max(live, key=lambda c: (c.made_at, str(c.person_id))).person_id
    return whose_turn(rota, at) if in_hours(rota, at) else None


def pages_of(
    matrix: Sequence[MatrixRow], unlisted: MatrixRow, episodes: Sequence[Episode], delay_s: int, until: datetime
) -> dict[str, int]:
    """Pages by row, by looking every minute at what stands: one for each rise in severity of an episode."""
    found: dict[str, int] = {}
    for episode in episodes:
        told, at = -1, episode.condition.started_at
        while at < min(episode.ended_at or until, until):
            standing = [e.condition for e in episodes if e.condition.started_at <= at < (e.ended_at or until)]
            row = row_of(episode.condition, standing, matrix, at) or unlisted
            ripe = at - episode.condition.started_at >= s(delay_s if row.delay_s is None else row.delay_s)
            if row.pages and ripe and RANKS[row.severity] > told:
                told = RANKS[row.severity]
                found[row.slug] = found.get(row.slug, 0) + 1
            at += timedelta(minutes=1)
    return found


def first_days(year: int) -> date:
    """The second of January, when no zone changes its clock."""
    return date(year, 1, 2)
