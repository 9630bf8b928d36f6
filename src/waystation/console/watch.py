"""The operator's list: one row for each place that needs somebody, in the order in which product would be lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from waystation.access import queries as access
from waystation.alarms import queries as alarms
from waystation.console.drawing.day_bar import row_bar
from waystation.console.drawing.spark import spark
from waystation.console.reader import of_day
from waystation.console.templatetags.say import CHIPS
from waystation.journeys.message import what
from waystation.kernel.authority import Authority
from waystation.kernel.units import duration_text
from waystation.product import queries as product
from waystation.runbooks import queries as runbooks
from waystation.telemetry import charting
from waystation.telemetry import queries as telemetry
from waystation.telemetry.last_day import Day, LastDay, last_day
from waystation.telemetry.present import present
from waystation.telemetry.views import SensorView, SiteView, SpaceView

SPARK = timedelta(hours=3)
NOTICE = "informational"
THREATENED = ("rising", "compressor_fault", "power_lost", "worst_case_limit")
CONNECTIONS = ("site_unreachable", "circuit_down", "device_unreachable")
_LEFT_ORDER = {"known": 0, "unknown": 1, "none": 2}


@dataclass(frozen=True, slots=True)
class Row:
    """One place: how long until its product may be lost, what is known, who was told, what to do next."""

    name: str
    url: str
    zone: str
    state: str
    state_words: str
    left: str
    left_note: str
    left_at: datetime | None
    left_kind: str  # known | unknown | none
    fact: str
    value: str  # present | past | doubt | paths | none
    value_c: float | None
    value_at: datetime | None
    limit_c: float | None
    paths: str
    spark: SafeString | str
    day: SafeString | str
    last_at: datetime | None
    who: str
    who_note: str
    step: str
    step_note: str
    space_id: UUID | None
    alarm_id: UUID | None  # what is still to be acknowledged
    needs_somebody: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """The list with what stands around it. `rest` are the monitored spaces that no row names.

    `notices` are informational and page nobody, about spaces that are in range, proven.
    """

    rows: tuple[Row, ...]
    notices: tuple[Row, ...]
    spaces: int
    rest: int
    rest_proven: int
    states: Mapping[str, int]
    day: Day
    unanswered: int  # cleared before anybody looked

    @property
    def needing(self) -> int:
        """How many places need somebody."""
        return sum(row.needs_somebody for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Known:
    """What all rows are written from."""

    by: Authority
    now: datetime
    views: Mapping[UUID, SiteView]
    lots: Mapping[UUID, Mapping[UUID, int]]
    held: Mapping[UUID, set[UUID]]
    pages: Mapping[UUID, Sequence[Any]]
    due: Mapping[UUID, datetime]
    asked: Mapping[UUID, datetime]
    names: Mapping[UUID, str]
    points: Mapping[str, Sequence[tuple[float, float]]]
    days: LastDay


def watch(by: Authority, site_ids: Sequence[UUID], now: datetime) -> Watch:
    """The whole list for the sites that a person sees."""
    seen = present(site_ids, now)
    groups: dict[Any, list[Any]] = {}
    for alarm in alarms.active(by):
        if alarm.site_id in seen:
            groups.setdefault(alarm.incident_id or (alarm.site_id, alarm.space_id or alarm.object_id), []).append(alarm)
    named_sites = {group[0].site_id for group in groups.values()}
    views = telemetry.site_views(sorted(named_sites), now) if named_sites else {}
    days = last_day(site_ids, now, named_sites)
    known = _known(by, list(groups.values()), views, days, now)
    rows = sorted((_row(group, known) for group in groups.values()), key=_order)
    spaces = {key: _verdict(state) for site in seen.values() for key, state in site.states.items()}
    notices = tuple(r for r in rows if not r.needs_somebody and r.state == "in_range_proven")
    quiet = {r.space_id for r in notices}
    named = {str(key) for key in {a.space_id for group in groups.values() for a in group} - quiet}
    rest = [state for key, state in spaces.items() if key not in named]
    unseen = [a for a in alarms.unanswered_first(by) if a.cleared_at is not None]
    return Watch(
        tuple(r for r in rows if r not in notices),
        notices,
        len(spaces),
        len(rest),
        rest.count("in_range_proven"),
        Counter(spaces.values()),
        days.network,
        len(unseen),
    )


def _verdict(state: str) -> str:
    return "out_of_range" if state.startswith("out") else state


def _order(row: Row) -> tuple[bool, int, datetime, str]:
    at = row.left_at or datetime.max.replace(tzinfo=ZoneInfo("UTC"))
    return (not row.needs_somebody, _LEFT_ORDER[row.left_kind], at, row.name)


def _known(
    by: Authority, groups: list[list[Any]], views: Mapping[UUID, SiteView], days: LastDay, now: datetime
) -> _Known:
    every = [a for group in groups for a in group]
    pages = alarms.pages_of([a.pk for a in every])
    people = {p.person_id for some in pages.values() for p in some}
    codes: dict[UUID, list[str]] = {}
    for group in groups:
        near = _sensor(_space(group, views))
        if near is not None:
            codes.setdefault(group[0].site_id, []).append(near.code)
    held: dict[UUID, set[UUID]] = {}
    for hold in product.holds(by):
        held.setdefault(hold.space_id, set()).add(hold.consignment_id)
    asked: dict[UUID, datetime] = {}
    for approval in runbooks.waiting(by, now):
        if approval.run.incident_id is not None:
            asked.setdefault(approval.run.incident_id, approval.expires_at)
    sites = {a.site_id for a in every}
    return _Known(
        by,
        now,
        views,
        {key: product.lots_by_space(key) for key in sites},
        held,
        pages,
        {e.alarm_id: e.due_at for e in alarms.deadlines(by)},
        asked,
        access.names(people),
        charting.recent(codes, now - SPARK, now) if codes else {},
        days,
    )


def _space(group: Sequence[Any], views: Mapping[UUID, SiteView]) -> SpaceView | None:
    wanted = next((a.space_id for a in group if a.space_id), None)
    return next((s for s in views[group[0].site_id].spaces if s.id == wanted), None)


def _sensor(space: SpaceView | None) -> SensorView | None:
    """The judging probe to show: the nearest to a limit, else any that judges."""
    if space is None:
        return None
    return space.nearest_to_limit() or next(iter(space.judging), None)


def _row(group: list[Any], known: _Known) -> Row:
    lead, space = group[0], _space(group, known.views)
    site, near = lead.site, _sensor(space)
    zone, view = ZoneInfo(site.zone), known.views[lead.site_id]
    left_kind, left_at, left, left_note = _left(group, space, known, zone)
    value, value_at = _value(space, near, view)
    state, words = _state(group, space, view, left_kind)
    who, who_note = _who(group, known, zone)
    step, step_note, open_alarm = _step(group, known, zone)
    incident = f"/incidents/{lead.incident_id}/" if lead.incident_id else ""
    place = f"{site.name}, {space.name}" if space else _site_place(lead, view)
    return Row(
        name=place,
        url=incident or (f"/sites/{site.code}/{space.code}/" if space else f"/sites/{site.code}/"),
        zone=site.zone,
        state=state,
        state_words=words,
        left=left,
        left_note=left_note,
        left_at=left_at,
        left_kind=left_kind,
        fact=_fact(group, space, known, zone),
        value="paths" if not space and _paths(view) and any(a.rule in CONNECTIONS for a in group) else value,
        value_c=near.value if near else None,
        value_at=value_at,
        limit_c=_limit(space, near),
        paths=_paths(view),
        spark=_spark(space, near, state, known),
        day=row_bar(known.days.spaces.get(str(space.id)) if space else known.days.sites.get(lead.site_id), zone),
        last_at=near.last_at if near else _last_heard(lead, view),
        who=who,
        who_note=who_note,
        step=step,
        step_note=step_note,
        space_id=space.id if space else None,
        alarm_id=open_alarm,
        needs_somebody=any(a.severity != NOTICE for a in group),
    )


def _site_place(lead: Any, view: SiteView) -> str:
    asset = str(lead.facts.get("asset") or "site")
    return str(lead.site.name) if asset == "site" else f"{lead.site.name}, {asset[0].lower()}{asset[1:]}"


def _left(
    group: Sequence[Any], space: SpaceView | None, known: _Known, zone: ZoneInfo
) -> tuple[str, datetime | None, str, str]:
    lots = known.lots.get(group[0].site_id, {})
    inside = lots.get(space.id, 0) if space else sum(lots.values())
    if space is not None and space.excursions and inside:
        since = min(e.started_at for e in space.excursions)
        return "known", since, "0 min", f"out for {_long(known.now - since)}"
    if not inside:
        return "none", None, "No product", "none inside" if space else "none at this site"
    at = min((a.worst_case_at for a in group if a.worst_case_at), default=None)
    if at is None:
        return "unknown", None, "unknown", "no forecast yet"
    if at <= known.now:
        return "known", at, "0 min", f"worst case passed {_at(at, zone)}"
    return "known", at, _long(at - known.now), f"worst case, {_at(at, zone)}"


def _state(group: Sequence[Any], space: SpaceView | None, view: SiteView, left: str) -> tuple[str, str]:
    rules = {a.rule for a in group}
    if space is not None and space.judging:
        if space.state != "in_range_proven":
            return space.state, ""
        threatened = bool(rules & set(THREATENED))
        return ("at_risk", "") if threatened else ("in_range_proven", "")
    if view.is_dark:
        return "not_proven", ""
    if "power_lost" in rules:
        return ("at_risk", "") if left != "none" else ("grey", "Power lost")
    if "circuit_down" in rules and (_up(view)):
        return "grey", "On backup"
    return "grey", "Needs somebody" if any(a.severity != NOTICE for a in group) else "Notice"


def _value(space: SpaceView | None, near: SensorView | None, view: SiteView) -> tuple[str, datetime | None]:
    if space is None or near is None or near.value is None:
        return "none", None
    doubted = [s for s in space.judging if s.doubt]
    if near.doubt or (doubted and not space.excursions):
        return "doubt", min((s.doubt_since for s in doubted if s.doubt_since), default=None)
    return ("past", near.last_at) if near.is_silent else ("present", near.last_at)


def _limit(space: SpaceView | None, near: SensorView | None) -> float | None:
    if space is None or near is None or near.value is None or space.low_c is None or space.high_c is None:
        return None
    return space.high_c if space.high_c - near.value <= near.value - space.low_c else space.low_c


def _spark(space: SpaceView | None, near: SensorView | None, state: str, known: _Known) -> SafeString | str:
    if space is None or near is None:
        return ""
    end_s = known.now.timestamp()
    limits = [v for v in (space.low_c, space.high_c) if v is not None]
    kind = CHIPS.get(state, ("", "non", ""))[1] or "non"
    points = known.points.get(near.code, [])
    return spark(points, end_s - SPARK.total_seconds(), end_s, limits, "non" if kind == "ok" else kind, near.hold_s)


def _fact(group: Sequence[Any], space: SpaceView | None, known: _Known, zone: ZoneInfo) -> str:
    said = []
    for rule in dict.fromkeys(a.rule for a in group):
        since = min(a.started_at for a in group if a.rule == rule)
        said.append(f"{what(rule)} since {_at(since, zone, known.now)}")
    words = "; ".join(said[:2])
    more = f"; {len(said) - 2} more" if len(said) > 2 else ""
    held = len(known.held.get(space.id, ())) if space else 0
    holds = f" {held} lot{'s' if held > 1 else ''} on product hold." if held else ""
    return f"{words[0].upper()}{words[1:]}{more}.{holds}"


def _who(group: Sequence[Any], known: _Known, zone: ZoneInfo) -> tuple[str, str]:
    pages = sorted((p for a in group for p in known.pages.get(a.pk, ())), key=lambda p: p.at)
    if not pages:
        if all(a.severity == NOTICE for a in group):
            return "Nobody", "notice, not a page"
        reason: dict[str, Any] = next((a.reasons[-1] for a in group if a.reasons), {})
        return "Nobody yet", str(reason.get("reason", "not judged yet")).replace("_", " ")
    people = list(dict.fromkeys(p.person_id for p in pages))
    names = sorted((_name(key, known) for key in people), key=lambda name: name != "You")
    shown = ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"
    first = pages[0].at
    answered = min((a.acked_at for a in group if a.acked_at), default=None)
    waits = [a for a in group if a.acked_at is None and a.severity != NOTICE]
    if answered and not waits:
        return shown, f"answered {_at(answered, zone, known.now)}"
    began = min((p.at for a in waits for p in known.pages.get(a.pk, ())), default=first)
    return f"{shown}, {_at(began, zone, known.now)}", f"no answer for {_long(known.now - began)}"


def _name(key: UUID, known: _Known) -> str:
    return "You" if key == known.by.principal_id else known.names.get(key, "somebody")


def _step(group: Sequence[Any], known: _Known, zone: ZoneInfo) -> tuple[str, str, UUID | None]:
    lead = group[0]
    waits = next((a for a in group if a.acked_at is None and a.severity != NOTICE), None)
    mine = waits.pk if waits is not None and known.by.may("alarms.acknowledge", lead.site_id) else None
    due = min((known.due[a.pk] for a in group if a.pk in known.due), default=None)
    if lead.incident_id in known.asked:
        return "An approval waits", f"until {_at(known.asked[lead.incident_id], zone)}", mine
    note = f"escalates {_at(due, zone)}" if waits is not None and due is not None else ""
    return _next_step(group), note, mine


def _next_step(group: Sequence[Any]) -> str:
    """The step that the page named, else what the severity matrix answers."""
    for alarm in group:
        for line in str(alarm.text.get("body", "")).splitlines():
            if line.startswith("Next step: "):
                return line.removeprefix("Next step: ").rstrip(".")
    return str(group[0].row.get("response") or "Look at the site and decide").rstrip(".")


def _paths(view: SiteView) -> str:
    if view.is_dark:
        return ""  # what a dark site's circuits do is not known
    held = [view.of(name) for name in ("wan_primary", "wan_backup")]
    known = [s for s in held if s is not None]
    return f"{_up(view)} of {len(known)}" if known else ""


def _up(view: SiteView) -> int:
    held = [view.of(name) for name in ("wan_primary", "wan_backup")]
    return sum(1 for s in held if s is not None and s.value and not s.is_silent)


def _last_heard(lead: Any, view: SiteView) -> datetime | None:
    own = [s.last_at for s in view.sensors if s.device_id == lead.object_id and s.last_at]
    return max(own, default=view.newest_at)


def _at(at: datetime, zone: ZoneInfo, now: datetime | None = None) -> str:
    local = at.astimezone(zone)
    is_today = now is None or local.date() == now.astimezone(zone).date()
    return of_day(local) if is_today else f"{local:%a} {local.day} {local:%b}, {of_day(local)}"


def _long(span: timedelta) -> str:
    return duration_text(max(0.0, span.total_seconds())).replace(" ", "\u00a0")
