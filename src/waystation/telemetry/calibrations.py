"""How well probes are kept: who is in date, when the next certificate ends, and what failed checks put in doubt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.registry.models import Sensor
from waystation.registry.queries import sites
from waystation.telemetry.models import Calibration, Doubt, Excursion, ProbeCheck
from waystation.telemetry.proving import columns_of

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Adherence:
    """A site's judging probes: how many are in date now, and what share of their time in the period was."""

    site_id: UUID
    probes: int = 0
    in_date: int = 0
    next_due_at: datetime | None = None  # the first end of a certificate that is valid now
    covered_s: float = 0.0
    judged_s: float = 0.0

    @property
    def in_date_pct(self) -> float | None:
        """Percent of the probes with a certificate that is valid now; None where none judges."""
        return 100 * self.in_date / self.probes if self.probes else None

    @property
    def covered_pct(self) -> float | None:
        """Percent of the probes' time in the period that a valid certificate covered; None where there was none."""
        return 100 * self.covered_s / self.judged_s if self.judged_s > 0 else None

    def due_in_days(self, now: datetime) -> int | None:
        """Whole days to the next end of a certificate; None when none is valid."""
        return None if self.next_due_at is None else int((self.next_due_at - now).total_seconds() // DAY_S)

    def plus(self, other: Adherence) -> Adherence:
        """Both together, under this one's site."""
        due = [at for at in (self.next_due_at, other.next_due_at) if at is not None]
        return Adherence(
            self.site_id,
            self.probes + other.probes,
            self.in_date + other.in_date,
            min(due, default=None),
            self.covered_s + other.covered_s,
            self.judged_s + other.judged_s,
        )


def adherence(periods: Mapping[UUID, tuple[datetime, datetime]], now: datetime) -> dict[UUID, Adherence]:
    """How well the judging probes of each site are kept, over the site's own [start, end) and now; three queries."""
    probes = _judging(periods)
    worn: dict[UUID, list[Calibration]] = {}
    for row in Calibration.objects.filter(sensor_id__in=probes, passed=True):
        worn.setdefault(row.sensor_id, []).append(row)
    found = {site_id: Adherence(site_id) for site_id in periods}
    for sensor_id, site_id in probes.items():
        held = worn.get(sensor_id, [])
        ends = [c.valid_until for c in held if c.unbound_at is None and c.valid_from <= now < c.valid_until]
        start, end = periods[site_id]
        found[site_id] = found[site_id].plus(
            Adherence(
                site_id,
                1,
                bool(ends),
                min(ends, default=None),
                _covered_s(held, start, end),
                max(0.0, (end - start).total_seconds()),
            )
        )
    return found


def _judging(site_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The live judging sensors with their sites."""
    rows = Sensor.objects.filter(removed_at=None, quantity="temperature", space__profile__isnull=False)
    if len(site_ids) < 500:
        rows = rows.filter(site_id__in=list(site_ids))
    columns = rows.values_list("pk", "site_id", "role", "space__profile__judging_roles")
    return {pk: site_id for pk, site_id, role, judging in columns if role in judging and site_id in site_ids}


def _covered_s(rows: Sequence[Calibration], start: datetime, end: datetime) -> float:
    """The seconds of [start, end) in which a valid certificate was bound, each counted once."""
    total, at = 0.0, start
    valid = [(max(c.valid_from, c.bound_at), min(c.valid_until, c.unbound_at or c.valid_until)) for c in rows]
    for a, b in sorted(valid):
        a, b = max(a, at), min(b, end)
        if a < b:
            total, at = total + (b - a).total_seconds(), b
    return total


def checks(by: Authority, most: int = 200) -> list[ProbeCheck]:
    """What was found of probes that ever read at a site that this principal may see, newest first."""
    return list(_checks(by)[:most])


def check(by: Authority, check_id: UUID) -> ProbeCheck:
    """One check of such a probe."""
    row = _checks(by).filter(pk=check_id).first()
    if row is None:
        raise NotFound("telemetry.check_unknown", f"There is no check {check_id}.", "Open Calibration to see them.")
    return row


def _checks(by: Authority) -> QuerySet[ProbeCheck]:
    serials = Calibration.objects.filter(sensor__site__in=sites(by)).values("probe_serial")
    return ProbeCheck.objects.filter(probe_serial__in=serials).order_by("-checked_at", "-recorded_at")


def doubts_of(check_ids: Collection[UUID]) -> list[Doubt]:
    """The doubts that checks opened, oldest first, with their places."""
    rows = Doubt.objects.filter(probe_check_id__in=list(check_ids)).order_by("started_at")
    return list(rows.select_related("sensor__space__profile", "sensor__site"))


def undecided(by: Authority) -> int:
    """How many doubts of failed probes QA has not decided about, at the sites that this principal may see."""
    return Doubt.objects.filter(probe_check__isnull=False, decided_at=None, sensor__site__in=sites(by)).count()


def excursions_in(doubt: Doubt) -> list[Excursion]:
    """The excursions of a doubt's sensor that touch its time, oldest first."""
    inside = Q(started_at__lt=doubt.ended_at) if doubt.ended_at else Q()
    met = Q(ended_at=None) | Q(ended_at__gt=doubt.started_at)
    return list(Excursion.objects.filter(inside, met, sensor=doubt.sensor, superseded_at=None).order_by("started_at"))


def readings_in(doubt: Doubt, now: datetime) -> int:
    """How many readings of a doubt's sensor lie in its time."""
    sensor, end = doubt.sensor, doubt.ended_at or now + timedelta(microseconds=1)
    if sensor.space is None:
        return 0
    held = columns_of(sensor.space, [sensor], doubt.started_at, end).get(sensor.code)
    if held is None:
        return 0
    inside = (held.observed_us >= doubt.started_at.timestamp() * 1e6) & (held.observed_us < end.timestamp() * 1e6)
    return int(inside.sum())
