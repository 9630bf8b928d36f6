"""A reading, from the log to the page. One frame is judged in one transaction: what telemetry found, the alarms that
it raised, the incident, the part and the pages stand together or not at all, with the place in the log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.access.queries import system_authority
from waystation.alarms import actions as alarms
from waystation.alarms import queries as alarm_queries
from waystation.alarms.models import Alarm
from waystation.alarms.rules.conditions import Condition
from waystation.fleet import actions as fleet
from waystation.incidents import queries as incidents
from waystation.journeys import agents, failed_device, restored
from waystation.journeys.conditions import Place, conditions
from waystation.journeys.limits import Recent
from waystation.kernel.authority import Authority
from waystation.product import queries as product
from waystation.registry import actions as registry
from waystation.registry.models import Device, Site
from waystation.runbooks import queries as runbooks
from waystation.telemetry import discovery, doors
from waystation.telemetry import queries as telemetry
from waystation.telemetry.actions.ingest import Accepted
from waystation.telemetry.engine import MOST_AT_ONCE, Engine
from waystation.telemetry.models import Excursion

LONGEST_S = 0.5  # of a transaction in which frames are judged; late ones may cost much each
RECENT_S = 2 * 3600.0
TELL_AGAIN_AFTER = timedelta(minutes=15)
SETTLED_AFTER = timedelta(days=1)
OWN_EVERY = timedelta(minutes=30)
WRONG_EVERY, OPEN_EVERY = timedelta(seconds=55), timedelta(minutes=5)
NEVER = datetime.min.replace(tzinfo=UTC)
WATCHED = ("active", "commissioning")


class Rounds:
    """The judging of one process: its engine, and a round over a site whenever something may be wrong there.

    With a `stopwatch` (seconds, rising) it keeps its transactions short, so that whoever else writes gets a turn.
    """

    def __init__(self, engine: Engine | None = None, stopwatch: Callable[[], float] | None = None) -> None:
        self.engine = engine or Engine()
        self._stopwatch, self._at_once = stopwatch, MOST_AT_ONCE
        self.by = system_authority("judge")
        self._last: dict[UUID, datetime] = {}
        self._watched: set[UUID] = watched_sites()
        self._own: dict[UUID, tuple[datetime, list[Condition]]] = {}
        self._told: dict[UUID, tuple[datetime | None, datetime]] = {}

    def judge_waiting(self, now: datetime, most: int = 200) -> int:
        """Judge the frames that wait, some in each transaction; returns how many. A long transaction ends the turn."""
        done, is_short = 0, True
        while is_short and done < most and (waiting := self.engine.waiting(self._at_once)):
            begin = self._stopwatch() if self._stopwatch else 0.0
            with self._whole({UUID(frame.head["site"]) for frame, _ in waiting}):
                for site_id in self.engine.judge(self.by, waiting, now=now):
                    if self._is_due(site_id, now):
                        self._round(site_id, now)
                discovery.note((frame for frame, _ in waiting), now=now)
            done += len(waiting)
            is_short = self._paced(self._stopwatch() - begin) if self._stopwatch else True
        return done

    def _paced(self, took_s: float) -> bool:
        """Take fewer frames at once after a long transaction, more after a quick one; whether it was short."""
        if took_s > LONGEST_S:
            self._at_once = max(1, int(self._at_once * LONGEST_S / took_s))
        elif took_s < LONGEST_S / 4:
            self._at_once = min(MOST_AT_ONCE, 2 * self._at_once)
        return took_s <= LONGEST_S

    def tick(self, now: datetime) -> int:
        """Look at every site where time alone may have changed something; returns how many were looked at."""
        looked = 0
        self._watched = watched_sites()
        sites = dict(Site.objects.values_list("pk", "state"))
        with self._whole(sites):
            self.engine.refresh(sites, now)
        for site_id in (key for key, state in sites.items() if state in WATCHED):
            if self._is_due(site_id, now) or self._own_conditions(site_id, now, fresh=True):
                with self._whole([site_id]):
                    self._round(site_id, now)
                looked += 1
        return looked

    @contextmanager
    def _whole(self, site_ids: Collection[UUID]) -> Iterator[None]:
        """One transaction; where it does not commit, what the engine keeps of those sites is forgotten."""
        done = False
        try:
            with transaction.atomic():
                yield
            done = True
        finally:
            if not done:
                self.engine.forget(site_ids)

    def _is_due(self, site_id: UUID, now: datetime) -> bool:
        """News at once; while something is wrong once a minute; while something is only open every five minutes."""
        state = self.engine.sites.get(site_id)
        if state is None or state.has_news:
            return True
        since = now - self._last.get(site_id, NEVER)
        if not self.engine.is_quiet(site_id, now):
            return since >= WRONG_EVERY
        return site_id in self._watched and since >= OPEN_EVERY

    def _round(self, site_id: UUID, now: datetime) -> None:
        """Bring alarms, incidents and pages of a site in line with what is known now."""
        site = Site.objects.get(pk=site_id)
        setup = self.engine.tracks(site_id).setup
        view = telemetry.site_views([site_id], now, {site_id: setup}, self.engine.written(site_id))[site_id]
        held = alarm_queries.standing_at(site_id)
        standing = {(a.rule, a.object_id): a.started_at for a in held}
        recent = self._recent(site_id, now)
        place = Place(site.name, site.zone, product.lots_by_space(site_id))
        found = conditions(view, place, recent, standing, now) if site.state in WATCHED else []
        found += self._of_people(site_id, held, now)
        update = alarms.update(self.by, site_id, found, now=now)
        for alarm in (*update.raised, *update.changed):
            failed_device.answer(self.by, alarm, site, view, recent, now=now)
        self._note_excursions(site, now)
        restored.settle(self.by, site, view, now=now, since=self._last.get(site_id))
        self._last[site_id] = now
        self.engine.acted_on(site_id)
        if found:
            self._watched.add(site_id)

    def _of_people(self, site_id: UUID, held: list[Alarm], now: datetime) -> list[Condition]:
        """Conditions that no sensor raises: approvals that wait while product is at risk, routes that fail."""
        at_risk = {a.space_id for a in held if a.worst_case_at} | {a.incident_id for a in held}
        waiting = runbooks.waiting_conditions(site_id, {x for x in at_risk if x}, now)
        named = [
            Condition(w.rule, w.site_id, w.object_kind, w.object_id, w.started_at, {**w.facts, "asset": "approval"})
            for w in waiting
        ]
        return [*named, *self._own_conditions(site_id, now)]

    def _own_conditions(self, site_id: UUID, now: datetime, *, fresh: bool = False) -> list[Condition]:
        """What is wrong with alarming itself, asked every half hour; `fresh` names nothing that was told before."""
        told = self._own.get(site_id)
        if told is not None and now - told[0] < OWN_EVERY:
            return [] if fresh else told[1]
        self._own[site_id] = (now, alarm_queries.own_conditions(site_id, now))
        return self._own[site_id][1]

    def _note_excursions(self, site: Site, now: datetime) -> None:
        """Tell product of excursions that are new, have ended, or have run for another quarter of an hour."""
        rows = Excursion.objects.filter(site=site, superseded_at=None, detected_at__gte=now - SETTLED_AFTER)
        for row in rows.select_related("space__profile", "sensor"):
            told = self._told.get(row.pk)
            if told is None or told[0] != row.ended_at or (row.ended_at is None and now - told[1] >= TELL_AGAIN_AFTER):
                failed_device.note_excursion(self.by, row, site, now=now)
                if row.ended_at is not None:
                    doors.label(self.by, row, now=now)
                self._told[row.pk] = (row.ended_at, now)

    def _recent(self, site_id: UUID, now: datetime) -> Recent:
        def recent(code: str) -> list[tuple[float, float]]:
            return self.engine.recent(site_id, code, now.timestamp() - RECENT_S)

        return recent


def watched_sites() -> set[UUID]:
    """The sites where an alarm, an incident, a doubt or a watch by hand is open."""
    return (
        alarm_queries.active_sites()
        | incidents.open_sites()
        | telemetry.doubtful_sites()
        | telemetry.out_by_second_source()
    )


def heard(by: Authority, accepted: Accepted, *, now: datetime) -> agents.Heard:
    """What came with a batch beside readings: check-ins of devices, and what the agent tells and asks."""
    names = {str(said.get("device", "")) for said in accepted.check_ins}
    there = Device.objects.filter(site=accepted.site_id, name__in=names, removed_at=None).select_related("model")
    devices = {d.name: d for d in there} if names else {}
    for said in accepted.check_ins:
        known = devices.get(str(said.get("device", "")))
        if known is not None:
            registry.check_in(by, known, {k: str(v) for k, v in said.items()}, now=now)
    fleet.look_for_drifts(system_authority("drift"), list(devices.values()), now=now)
    return agents.heard(by, accepted, now=now)
