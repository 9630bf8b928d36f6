"""Reading the room: what is known now, verdicts on a period, series for a chart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from waystation.registry.models import Sensor, Space
from waystation.telemetry import models as m
from waystation.telemetry import setup
from waystation.telemetry.models import Segment
from waystation.telemetry.setup import SiteSetup, hold_of, judging_profile, profile_row
from waystation.telemetry.views import OpenExcursion, SensorView, SiteView, SpaceView


def segment_digests() -> dict[str, str]:
    """The path and SHA-256 of every file of sealed readings, reduced ones too."""
    found = dict(Segment.objects.values_list("path", "sha256"))
    found |= dict(Segment.objects.values_list("reduced_path", "reduced_sha256"))
    return {path: digest for path, digest in found.items() if path}


def _when(seconds: Any) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(float(seconds), UTC)


def site_view(site_id: UUID, now: datetime) -> SiteView:
    """Everything known of a site at this instant, from the saved state and the open records."""
    return site_views([site_id], now)[site_id]


def site_views(
    site_ids: Sequence[UUID],
    now: datetime,
    setups: Mapping[UUID, SiteSetup] | None = None,
    states: Mapping[UUID, Mapping[str, Any]] | None = None,
) -> dict[UUID, SiteView]:
    """`site_view` of many sites with a handful of queries.

    `setups` are those of the sites and `states` what is written down of their sensors, when somebody has them.
    """
    setups = setups or setup.read(site_ids)
    if states is None:
        states = {s.site_id: s.sensors for s in m.SiteState.objects.filter(site_id__in=site_ids)}
    doubts = {d.sensor_id: d for d in m.Doubt.objects.filter(sensor__site_id__in=site_ids, ended_at=None)}
    duties = {d.space_id: d for d in m.HandDuty.objects.filter(space__site_id__in=site_ids, ended_at=None)}
    open_of: dict[UUID, list[OpenExcursion]] = {}
    for row in m.Excursion.objects.filter(site_id__in=site_ids, ended_at=None, superseded_at=None):
        open_of.setdefault(row.sensor_id or row.space_id, []).append(_open_excursion(row))
    found = {}
    for key in site_ids:
        made, held = setups[key], states.get(key, {})
        sensors = [_sensor_view(s, held.get(s.code, {}), doubts.get(s.pk), made, now) for s in made.sensors]
        inside: dict[UUID | None, list[SensorView]] = {}
        for sensor in sensors:
            inside.setdefault(sensor.space_id, []).append(sensor)
        spaces = [_space_view(s, inside.get(s.pk, ()), open_of, duties.get(s.pk)) for s in made.spaces]
        found[key] = _site_view(key, spaces, sensors, now)
    return found


def heard_at(site_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When each site was last heard, of those that ever were."""
    wanted = set(site_ids)
    rows = m.SiteState.objects.exclude(newest_at=None).values_list("site_id", "newest_at")
    return {key: at for key, at in rows if key in wanted and at is not None}


def signals_of_sites(
    site_ids: Sequence[UUID], quantities: Sequence[str], now: datetime
) -> dict[tuple[UUID, str], SensorView]:
    """The sensors of some quantities that belong to no space, by site and quantity, as `SiteView.of` gives them.

    Only the sites that have one are read, so that a list over a whole network stays cheap.
    """
    rows = Sensor.objects.filter(site_id__in=list(site_ids), quantity__in=list(quantities), space=None, removed_at=None)
    sensors = list(rows.select_related("site"))
    here = {s.site_id for s in sensors}
    states = dict(m.SiteState.objects.filter(site_id__in=here).values_list("site_id", "sensors"))
    doubts = {d.sensor_id: d for d in m.Doubt.objects.filter(sensor__in=sensors, ended_at=None)} if sensors else {}
    found: dict[tuple[UUID, str], SensorView] = {}
    for s in sensors:
        held = states.get(s.site_id, {}).get(s.code, {})
        found.setdefault((s.site_id, s.quantity), _sensor_view(s, held, doubts.get(s.pk), None, now))
    return found


def _site_view(site_id: UUID, spaces: Sequence[SpaceView], sensors: Sequence[SensorView], now: datetime) -> SiteView:
    newest = max((s.last_at for s in sensors if s.last_at is not None), default=None)
    shortest_s = min((s.hold_s for s in sensors), default=0.0)
    dark = newest is not None and (now - newest).total_seconds() > shortest_s
    site_level = tuple(s for s in sensors if s.space_id is None)
    return SiteView(site_id, now, newest, dark, shortest_s, tuple(spaces), site_level)


def _sensor_view(
    sensor: Sensor, held: dict[str, Any], doubt: m.Doubt | None, made: SiteSetup | None, now: datetime
) -> SensorView:
    """The newest of a sensor; one of no space needs no setup, because it proves nothing."""
    hold_s, last_at = hold_of(sensor), _when(held.get("at_s"))
    return SensorView(
        id=sensor.pk,
        code=sensor.code,
        name=sensor.name,
        quantity=sensor.quantity,
        role=sensor.role,
        unit=sensor.unit,
        space_id=sensor.space_id,
        device_id=sensor.device_id,
        hold_s=hold_s + sensor.site.report_s,
        judges=profile_row(sensor) is not None,
        unproven=_unproven(sensor, held, made, now),
        last_at=last_at,
        value=held.get("value"),
        since=_when(held.get("changed_s")),
        trend_per_h=held.get("trend_per_h"),
        beyond_usual_c=float(held.get("beyond_usual_c") or 0.0),
        is_silent=last_at is None or (now - last_at).total_seconds() > hold_s + sensor.site.report_s,
        doubt=doubt.kind if doubt else "",
        doubt_since=doubt.started_at if doubt else None,
        certificate_until=made.valid_until(sensor.pk) if made is not None else None,
    )


def _unproven(sensor: Sensor, held: dict[str, Any], made: SiteSetup | None, now: datetime) -> str:
    if made is None or profile_row(sensor) is None:
        return ""
    why = made.unproven(sensor, now)
    return why or ("" if held.get("is_provable") else "its source class or the guard band keeps it from proving")


def _open_excursion(row: m.Excursion) -> OpenExcursion:
    return OpenExcursion(
        row.pk,
        row.sensor_id,
        row.direction,
        row.limit_c,
        row.started_at,
        row.peak_c,
        row.measured_s,
        row.unknown_s,
        row.in_doubt,
        row.second_source,
    )


def _space_view(
    space: Space,
    sensors: Sequence[SensorView],
    excursions: Mapping[UUID, Sequence[OpenExcursion]],
    duty: m.HandDuty | None,
) -> SpaceView:
    return SpaceView(
        id=space.pk,
        code=space.code,
        name=space.name,
        kind=space.kind,
        site_id=space.site_id,
        low_c=space.profile.low_c if space.profile else None,
        high_c=space.profile.high_c if space.profile else None,
        settle_s=space.profile.settle_s if space.profile else 3600,
        thermal=space.thermal,
        sensors=tuple(sensors),
        excursions=tuple(e for key in (*(s.id for s in sensors), space.pk) for e in excursions.get(key, ())),
        is_unmonitored=duty is not None,
        hand_due_at=duty.due_at if duty else None,
    )


def excursions(space_id: UUID, start: datetime, end: datetime) -> list[m.Excursion]:
    """The excursions of a space that touch a period, superseded ones left out, oldest first."""
    rows = m.Excursion.objects.filter(space_id=space_id, superseded_at=None, started_at__lt=end)
    return [r for r in rows.select_related("sensor").order_by("started_at") if r.ended_at is None or r.ended_at > start]


def excursion(excursion_id: UUID) -> m.Excursion | None:
    """One excursion with its place."""
    return m.Excursion.objects.select_related("space__site", "sensor").filter(pk=excursion_id).first()


def excursions_by_id(excursion_ids: Iterable[UUID]) -> dict[UUID, m.Excursion]:
    """The excursions of these ids, read at once; one that is not there is left out."""
    return m.Excursion.objects.in_bulk(list(excursion_ids))


def excursions_ever(site_id: UUID, start: datetime, end: datetime) -> list[m.Excursion]:
    """The excursions of a site that began in [start, end), superseded ones too, oldest first."""
    rows = m.Excursion.objects.filter(site_id=site_id, started_at__gte=start, started_at__lt=end)
    return list(rows.select_related("space__site", "sensor").order_by("started_at", "pk"))


def excursions_between(start: datetime, end: datetime, site_ids: Sequence[UUID] | None = None) -> list[m.Excursion]:
    """All excursions that touch a period, oldest first."""
    rows = m.Excursion.objects.filter(superseded_at=None, started_at__lt=end).select_related("space__site", "sensor")
    if site_ids is not None:
        rows = rows.filter(site_id__in=site_ids)
    return [r for r in rows.order_by("started_at") if r.ended_at is None or r.ended_at > start]


def doubts(site_id: UUID | None = None) -> list[m.Doubt]:
    """Doubts that run, and those of failed probes that QA has not decided about, oldest first."""
    waits = Q(ended_at=None) | Q(probe_check__isnull=False, decided_at=None)
    rows = m.Doubt.objects.filter(waits).select_related("sensor__space__site")
    return list((rows if site_id is None else rows.filter(sensor__site_id=site_id)).order_by("started_at"))


def unmonitored() -> list[m.HandDuty]:
    """Spaces that live on hand readings now."""
    return list(m.HandDuty.objects.filter(ended_at=None).select_related("space__site").order_by("due_at"))


def doubtful_sites() -> set[UUID]:
    """The sites where a sensor is in doubt or a space lives on hand readings."""
    doubted = m.Doubt.objects.filter(ended_at=None).values_list("sensor__site_id", flat=True)
    return {*doubted, *m.HandDuty.objects.filter(ended_at=None).values_list("space__site_id", flat=True)}


def out_by_second_source() -> set[UUID]:
    """The sites with a space that a hand reading found out of range, and none since found in range."""
    rows = m.Excursion.objects.filter(sensor=None, ended_at=None, superseded_at=None)
    return set(rows.values_list("site_id", flat=True))


def calibrations(sensor_ids: Sequence[UUID]) -> list[m.Calibration]:
    """The certificates of sensors, newest binding first."""
    return list(m.Calibration.objects.filter(sensor_id__in=sensor_ids).select_related("sensor").order_by("-bound_at"))


def uncertified(site_ids: Collection[UUID], now: datetime) -> list[Sensor]:
    """The live sensors of sites that judge a space and have no bound certificate that is valid now, by code."""
    bound = m.Calibration.objects.filter(unbound_at=None, valid_from__lte=now, valid_until__gt=now)
    rows = Sensor.objects.filter(removed_at=None, site_id__in=site_ids).exclude(pk__in=bound.values("sensor_id"))
    return [s for s in rows.select_related("site", "space__profile").order_by("code") if judging_profile(s)]


def hand_readings(space_id: UUID, since: datetime) -> list[m.HandReading]:
    """The hand readings of a space since an instant, newest first."""
    return list(m.HandReading.objects.filter(space_id=space_id, observed_at__gte=since).order_by("-observed_at"))


def backup_files(space_id: UUID, since: datetime) -> list[m.BackupFile]:
    """The files of backup loggers that hold readings since an instant, newest first."""
    return list(m.BackupFile.objects.filter(space_id=space_id, last_at__gte=since).order_by("-last_at"))


def uplink_tests(site_id: UUID, most: int) -> list[m.UplinkTest]:
    """The tests of a site's uplinks, newest first."""
    return list(m.UplinkTest.objects.filter(site_id=site_id)[:most])


def sheds_of(site_id: UUID) -> dict[str, str]:
    """By uplink the classes of traffic that the site's agent says it never sends that way, as it last said."""
    newest = m.Gateway.objects.filter(site_id=site_id).order_by("-since").first()
    state = newest.state if newest is not None else {}
    return {name.removeprefix("sheds_"): str(v) for name, v in state.items() if name.startswith("sheds_")}
