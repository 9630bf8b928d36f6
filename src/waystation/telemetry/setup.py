"""How a site is set up for judging: its spaces, sensors, profiles and bound probes; and whether that has changed.

Every change of the setup is an entry in the log, so the newest such entry marks what a reader of the setup has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from waystation.evidence.models import LogEntry
from waystation.registry.models import ProductProfile, Sensor, Site, Space
from waystation.telemetry.live import Track
from waystation.telemetry.models import Calibration
from waystation.telemetry.rules.calibration import NO_CORRECTION, Correction, correction_of
from waystation.telemetry.rules.profile import Profile, parse_rule

KINDS = (
    "registry.sensor_created",
    "registry.sensor_changed",
    "registry.sensor_removed",
    "registry.space_created",
    "registry.space_changed",
    "registry.site_changed",
    "registry.product_profile_changed",
    "registry.profile_approved",
    "registry.imported",
    "registry.import_undone",
    "telemetry.probe_bound",
)

NEAR = 10_000  # numbers within which an entry may commit late
# the newest of each kind is one step in the index; together they are one question
_EACH = f"SELECT MAX(seq) AS seq FROM {LogEntry._meta.db_table} WHERE kind = %s"


@dataclass(frozen=True, slots=True)
class SiteSetup:
    """A site's rows: each sensor carries its site and space, each space its profile; bound probes by sensor."""

    site: Site
    spaces: tuple[Space, ...]
    sensors: tuple[Sensor, ...]
    calibrations: dict[UUID, Calibration]
    corrections: dict[UUID, Correction]

    def valid_until(self, sensor_id: UUID) -> datetime | None:
        """The end of the certificate of the probe that is bound to a sensor now."""
        held = self.calibrations.get(sensor_id)
        return held.valid_until if held else None

    def certified_until_s(self, sensor: Sensor) -> float:
        """Until when (Unix seconds) the certificate of the bound probe is valid; 0 without one that passed."""
        held = self.calibrations.get(sensor.pk)
        return held.valid_until.timestamp() if held is not None and held.passed else 0.0

    def proves_until_s(self, sensor: Sensor) -> float:
        """Until when (Unix seconds) a reading of the sensor can prove anything; 0 when it cannot as things stand.

        Its space needs an approved profile and a mapping that is not overdue, the sensor a bound certificate.
        """
        profile, held, due_s = profile_row(sensor), self.calibrations.get(sensor.pk), _mapped_until_s(sensor)
        if profile is None or profile.approved_at is None or held is None or not held.passed or due_s is None:
            return 0.0
        return min(held.valid_until.timestamp(), due_s)

    def unproven(self, sensor: Sensor, at: datetime) -> str:
        """Why no reading of a judging sensor proves anything at this instant, in words; empty when one may."""
        profile, held, due_s = profile_row(sensor), self.calibrations.get(sensor.pk), _mapped_until_s(sensor)
        if profile is None or profile.approved_at is None:
            return "the product profile is not approved by QA"
        if due_s is None:
            return "the space was never mapped"
        if at.timestamp() > due_s:
            return "the mapping report is overdue"
        if held is None or not held.passed or held.valid_until < at:
            return "no valid calibration certificate"
        return ""


def _mapped_until_s(sensor: Sensor) -> float | None:
    due = sensor.space.mapping_due if sensor.space else None
    return None if due is None else datetime.combine(due, time(), UTC).timestamp()


def read(site_ids: Sequence[UUID]) -> dict[UUID, SiteSetup]:
    """The setup of some sites, with four queries."""
    sites = Site.objects.in_bulk(site_ids)
    spaces = {s.pk: s for s in Space.objects.filter(site_id__in=site_ids).select_related("profile")}
    bound = list(Calibration.objects.filter(sensor__site_id__in=site_ids))
    probes, added = {c.sensor_id: c for c in bound if c.unbound_at is None}, corrections_of(bound)
    rooms: dict[UUID, list[Space]] = {key: [] for key in site_ids}
    for space in spaces.values():
        space.site = sites[space.site_id]
        rooms[space.site_id].append(space)
    held: dict[UUID, list[Sensor]] = {key: [] for key in site_ids}
    for sensor in Sensor.objects.filter(site_id__in=site_ids, removed_at=None):
        sensor.site, sensor.space = sites[sensor.site_id], spaces[sensor.space_id] if sensor.space_id else None
        held[sensor.site_id].append(sensor)
    return {
        key: SiteSetup(
            sites[key],
            tuple(rooms[key]),
            tuple(held[key]),
            {s.pk: probes[s.pk] for s in held[key] if s.pk in probes},
            {s.pk: added[s.pk] for s in held[key] if s.pk in added},
        )
        for key in site_ids
    }


def corrections_of(rows: Iterable[Calibration]) -> dict[UUID, Correction]:
    """What corrects each sensor's values at each time, by its certificates; one that did not pass corrects nothing."""
    steps: dict[UUID, list[tuple[float, float]]] = {}
    for row in rows:
        steps.setdefault(row.sensor_id, []).append((row.bound_at.timestamp(), row.offset_c if row.passed else 0.0))
    return {key: correction_of(held) for key, held in steps.items()}


class Marker(NamedTuple):
    """How far changes of setup are known: the newest one's number, and how many stand in the numbers just below it.

    A transaction may commit behind a later number. Then one more stands there than was counted, and it is not missed.
    """

    newest: int
    near: int


NEVER = Marker(-1, 0)


def marker(kinds: Sequence[str] = KINDS) -> Marker:
    """The place of the newest entry that changed any setup, or of any of these kinds."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT MAX(seq) FROM ({' UNION ALL '.join([_EACH] * len(kinds))}) AS newest", list(kinds))
        newest = int(cursor.fetchone()[0] or 0)
    return Marker(newest, _near(newest, kinds))


def _near(newest: int, kinds: Sequence[str] = KINDS) -> int:
    return LogEntry.objects.filter(kind__in=kinds, seq__gt=newest - NEAR, seq__lte=newest).count()


def changed_since(seen: Marker) -> set[UUID] | None:
    """The sites whose setup changed since that place was read; None when it may be any site."""
    if seen.newest < 0:
        return None
    sites = set(LogEntry.objects.filter(kind__in=KINDS, seq__gt=seen.newest).values_list("site_id", flat=True))
    if None in sites or _near(seen.newest) != seen.near:
        return None
    return {key for key in sites if key is not None}


def profile_of(row: ProductProfile, hold_s: float | None = None) -> Profile:
    """The judging profile of a registry record."""
    rules = tuple(parse_rule(rule, f"rules[{number}]") for number, rule in enumerate(row.rules))
    return Profile(row.name, row.low_c, row.high_c, rules, hold_s, row.guard_band_c)


def hold_of(sensor: Sensor) -> float:
    """How long a reading stands for the time after it: set by QA, else 1.5 x the interval, never over 30 min."""
    return min(float(sensor.hold_s or 1.5 * sensor.interval_s), 1800.0)


def judging_profile(sensor: Sensor) -> Profile | None:
    """The profile that this sensor judges, or None when its role does not judge."""
    row = profile_row(sensor)
    return None if row is None else profile_of(row)


def profile_row(sensor: Sensor) -> ProductProfile | None:
    """The registry record of the profile that this sensor judges, or None."""
    space = sensor.space
    if space is None or space.profile is None or sensor.quantity != "temperature":
        return None
    return space.profile if sensor.role in space.profile.judging_roles else None


def tracks_of(setup: SiteSetup) -> list[Track]:
    """A fresh track for each sensor, corrected at each instant by the probe that was bound then."""
    return [_track(sensor, setup) for sensor in setup.sensors]


def _track(sensor: Sensor, setup: SiteSetup) -> Track:
    return Track(
        sensor_id=str(sensor.pk),
        code=sensor.code,
        quantity=sensor.quantity,
        role=sensor.role,
        space_id=str(sensor.space_id) if sensor.space_id else None,
        device_id=str(sensor.device_id) if sensor.device_id else None,
        interval_s=float(sensor.interval_s),
        hold_s=hold_of(sensor),
        low_possible=sensor.low_possible,
        high_possible=sensor.high_possible,
        profile=judging_profile(sensor),
        correction=setup.corrections.get(sensor.pk, NO_CORRECTION),
        report_s=float(sensor.site.report_s),
        resolution=sensor.resolution,
        proves_until_s=setup.proves_until_s(sensor),
        certified_until_s=setup.certified_until_s(sensor),
        accepts=frozenset(sensor.space.profile.source_classes if sensor.space and sensor.space.profile else ()),
    )
