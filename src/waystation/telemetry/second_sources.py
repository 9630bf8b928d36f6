"""The second sources of a space and a period: hand readings by instrument, and the files of backup loggers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from waystation.access import queries as access
from waystation.registry.models import ProductProfile, Space
from waystation.telemetry import models as m
from waystation.telemetry import reader
from waystation.telemetry.rules.second_source import LONGEST_HOLD_S, USUAL_HOLD_S, SecondReading, values_of
from waystation.telemetry.rules.series import is_usable
from waystation.telemetry.setup import profile_of

HAND = "hand_reading"
AROUND = timedelta(seconds=LONGEST_HOLD_S)


@dataclass(frozen=True, slots=True)
class SecondSeries:
    """One instrument's readings beside the probes; each holds at most `hold_s`."""

    code: str
    instrument: str
    source_class: str
    hold_s: float
    readings: tuple[SecondReading, ...]


def longest_hold_s(profile: ProductProfile) -> float:
    """How long a second source may cover by this profile: what QA approved, else 30 min."""
    return min(float(profile.second_hold_s or USUAL_HOLD_S), LONGEST_HOLD_S)


def second_series(space: Space, start: datetime, end: datetime) -> list[SecondSeries]:
    """The second sources with a reading in the period or near enough to cover some of it. The space has a profile."""
    return [*_by_hand(space, start - AROUND, end + AROUND), *_from_files(space, start - AROUND, end + AROUND)]


def _by_hand(space: Space, start: datetime, end: datetime) -> list[SecondSeries]:
    profile = space.profile
    assert profile is not None
    rows = list(
        m.HandReading.objects.filter(space=space, observed_at__gte=start, observed_at__lte=end).order_by("observed_at")
    )
    names = access.names({row.by_id for row in rows})
    kept: dict[tuple[str, float], list[SecondReading]] = {}
    for row in rows:
        hold_s = min(float(row.covers_s), longest_hold_s(profile))
        kept.setdefault((row.instrument, hold_s), []).extend(
            _readings(row, hold_s, profile, names.get(row.by_id, "somebody"))
        )
    return [
        SecondSeries(f"{space.site.code}.{space.code}.hand-{number}", instrument, HAND, hold_s, _as_one(found))
        for number, ((instrument, hold_s), found) in enumerate(sorted(kept.items()), 1)
    ]


def _readings(row: m.HandReading, hold_s: float, profile: ProductProfile, name: str) -> Iterable[SecondReading]:
    at_s = row.observed_at.timestamp()
    memory = None
    words = f"hand reading {row.value_c:.4g} °C by {name} at {row.observed_at:%H:%M} UTC, {row.instrument}"
    if row.remembers_since is not None and row.lowest_c is not None and row.highest_c is not None:
        memory = row.remembers_since.timestamp(), row.lowest_c, row.highest_c
        words += f", {row.lowest_c:.4g} to {row.highest_c:.4g} °C since {row.remembers_since:%H:%M} UTC"
    certified = is_certified(row.certificate, row.certificate_until, row.observed_at)
    for reading_s, value in values_of(at_s, row.value_c, memory, hold_s, profile_of(profile)):
        yield SecondReading(reading_s, value, certified, words)


def is_certified(certificate: str, until: date | None, at: datetime) -> bool:
    """True when a certificate is named and was valid at that instant, its last day included."""
    return bool(certificate.strip()) and until is not None and at < datetime.combine(until, time(), UTC) + timedelta(1)


def _as_one(readings: Sequence[SecondReading]) -> tuple[SecondReading, ...]:
    """In order of time; readings of one instant prove only together."""
    bad = {r.at_s for r in readings if not r.certified}
    return tuple(sorted((replace(r, certified=r.at_s not in bad) for r in readings), key=lambda r: (r.at_s, r.value_c)))


def _from_files(space: Space, start: datetime, end: datetime) -> list[SecondSeries]:
    assert space.profile is not None
    files = list(
        m.BackupFile.objects.filter(space=space, first_at__lte=end, last_at__gte=start).order_by("recorded_at", "pk")
    )
    codes = [file.code for file in files]
    held: dict[str, list[SecondReading]] = {code: [] for code in codes}
    by_code = {file.code: file for file in files}
    if files:
        first_us, last_us = round(start.timestamp() * 1e6), round(end.timestamp() * 1e6)
        for row in reader.readings(space.site_id, codes, first_us, last_us + 1):
            if row.value is None or not is_usable(row.value):
                continue
            file, at_s = by_code[row.sensor], row.observed_us / 1e6
            valid = is_certified(file.certificate, file.certificate_until, datetime.fromtimestamp(at_s, UTC))
            words = f"backup logger {file.logger}, file {file.name}" + (f" ({file.doubt})" if file.doubt else "")
            held[row.sensor].append(SecondReading(at_s, row.value, valid and not file.doubt, words))
    return [
        SecondSeries(
            f"{space.site.code}.{space.code}.logger-{number}",
            file.logger,
            file.source_class,
            min(float(file.hold_s), longest_hold_s(space.profile)),
            tuple(held[file.code]),
        )
        for number, file in enumerate(files, 1)
    ]
