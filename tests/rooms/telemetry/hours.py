"""What is believed of kept hours, and what `prove` says of the same hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from tests.conftest import START
from tests.rooms.telemetry.samples import deliver, minutes
from waystation.registry.models import Sensor, Space
from waystation.telemetry.hour_judging import at_hour, hour_of
from waystation.telemetry.hours import day_number
from waystation.telemetry.kept import since_kept
from waystation.telemetry.models import KeptDay
from waystation.telemetry.proving import prove
from waystation.telemetry.rules.hours import Split, members, split_of

HOUR = timedelta(hours=1)


def believed(site_id: UUID) -> dict[tuple[str, int], Split | None]:
    """Each hour of each space that is believed now; the space "" for the hours of which the site is kept."""
    changed, found = since_kept(), dict[tuple[str, int], Split | None]()
    for row in KeptDay.objects.filter(site_id=site_id):
        number = day_number(row.day)
        for hour in members(row.judged & ~changed.of_day(site_id, number)):
            found["", number * 24 + hour] = None
            for space, (judged, odd) in row.spaces.items():
                found[space, number * 24 + hour] = split_of(judged, odd, hour)
    return found


def agrees(site_id: UUID) -> int:
    """What is believed says what `prove` says of the same hour; returns how many hours are believed."""
    held, changed = believed(site_id), since_kept()
    every = sorted({hour for _, hour in held if hour >= hour_of(START) - 1})
    for space in Space.objects.filter(site_id=site_id).select_related("profile", "site"):
        for hour in every:
            proof = prove(space, at_hour(hour), at_hour(hour + 1))
            split = held.get((str(space.pk), hour))
            assert (proof is None) == (split is None), (space, at_hour(hour), changed)
            if proof is not None and split is not None:
                said = (split.proven_us / 6e7, split.out_us / 6e7, split.unproven_us / 6e7)
                assert tuple(proof.minutes.values()) == pytest.approx(said, abs=1e-6), (space, at_hour(hour))
    return len(every)


def an_hour(space: Space, probe: Sensor, start: datetime, value: float = 5.0) -> None:
    """Sixty-one readings from an instant on."""
    deliver(space, minutes(probe, start, [value + 0.1 * (i % 2) for i in range(61)]), start + HOUR)


def the_hour(space: Space, now: datetime) -> Split | None:
    """What is believed of the hour from `now` on."""
    return believed(space.site_id).get((str(space.pk), hour_of(now)))
