"""Kept hours say what `prove` says of the same hour, whatever happened before, meanwhile and since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import START
from tests.rooms.telemetry.hours import agrees
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation import wiring
from waystation.access.queries import system_authority
from waystation.registry import actions as registry
from waystation.registry.models import ProductProfile, Sensor, Space
from waystation.telemetry import stores
from waystation.telemetry.actions import backup, care, hand, probes
from waystation.telemetry.actions.backup import Logger
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.engine import Engine
from waystation.telemetry.hour_judging import hour_of
from waystation.telemetry.hours import Hours, counted_to
from waystation.telemetry.kept import standing
from waystation.telemetry.models import Doubt
from waystation.telemetry.rules.batch import BatchReading
from waystation.telemetry.rules.hours import (
    ALL_DAY,
    HOUR_US,
    WHOLE,
    Split,
    between,
    cut,
    members,
    runs,
    split_of,
    sums,
    with_hours,
    without_hours,
)
from waystation.telemetry.rules.verdict import Kind, Stretch

pytestmark = pytest.mark.usefixtures("folder")

BY = system_authority("test")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
UNTIL = date(2027, 6, 30)


KINDS = st.sampled_from(list(Kind))


@given(st.lists(st.tuples(KINDS, st.integers(1, 5_000)), min_size=1, max_size=30), st.integers(1, 5))
def test_hours_add_up_and_each_second_falls_into_its_own_hour(pieces: list[tuple[Kind, int]], hours: int) -> None:
    """Against a count second by second."""
    start, line, at = 1_795_000_000 // 3600 * 3600, list[Stretch](), 0
    for kind, length in pieces:
        end = min(at + length, hours * 3600)
        if end > at:
            line.append(Stretch(float(start + at), float(start + end), kind))
        at = end
    found = cut(line, start * 1_000_000, hours)
    kinds = [k for s in line for k in [s.kind] * round(s.end_s - s.start_s)]
    for number, split in enumerate(found):
        inside = kinds[number * 3600 : (number + 1) * 3600]
        assert split.proven_us == inside.count(Kind.PROVEN) * 1_000_000
        assert split.out_us == (inside.count(Kind.LOW) + inside.count(Kind.HIGH)) * 1_000_000
        assert split.proven_us + split.out_us + split.unproven_us == HOUR_US


SETS = st.integers(0, ALL_DAY)
PROVEN_US = st.integers(0, HOUR_US)
SPLITS = st.one_of(st.just(WHOLE), PROVEN_US.flatmap(lambda p: st.integers(0, HOUR_US - p).map(lambda o: Split(p, o))))
STEPS = st.lists(st.tuples(st.booleans(), SETS, st.dictionaries(st.sampled_from("ab"), SPLITS)), max_size=6)


@given(STEPS, SETS)
def test_what_is_kept_of_a_day_is_what_was_put_last_and_not_taken_back(
    steps: list[tuple[bool, int, dict[str, Split]]], asked: int
) -> None:
    """Against a plain table of space and hour; sums are those of its cells."""
    kept: Any = {}
    table: dict[tuple[str, int], Split] = {}
    for is_put, hours, spaces in steps:
        table = {key: v for key, v in table.items() if key[1] not in members(hours)}
        if is_put:
            table |= {(space, hour): split for space, split in spaces.items() for hour in members(hours)}
            kept = with_hours(kept, hours, {s: dict.fromkeys(members(hours), split) for s, split in spaces.items()})
        else:
            kept = without_hours(kept, hours)
    said = {(s, h): v for s, (j, odd) in kept.items() for h in range(24) if (v := split_of(j, odd, h)) is not None}
    assert said == table
    cells = [v for (_, hour), v in table.items() if hour in members(asked)]
    held = sums(kept, asked)
    assert (held.space_hours, held.proven_us) == (len(cells), sum(c.proven_us for c in cells))
    assert (held.out_us, held.unproven_us) == (sum(c.out_us for c in cells), sum(c.unproven_us for c in cells))


@given(st.integers(-30, 30), st.integers(-30, 60), SETS)
def test_a_set_of_hours_is_its_members(first: int, last: int, hours: int) -> None:
    """Between two hours, cut to the day; runs are the members again."""
    assert members(between(first, last)) == [h for h in range(24) if first <= h < last]
    assert [h for a, b in runs(hours) for h in range(a, b)] == members(hours)


class Fridge:
    """A site of two spaces that lives on, step by step, at a clock of its own."""

    def __init__(self) -> None:
        self.now = START
        self.space, self.probes = a_monitored_space(START, probes=2)
        self.other, more = a_monitored_space(START, code="fridge-2")
        assert self.space.profile is not None
        self.space.profile.source_classes = ["signed_batch", "hand_reading"]
        self.space.profile.save()
        self.probes += more
        for probe in self.probes:
            probe.code = probe.code.replace(".", "-")
            probe.save()
        self.engine, self.hours = Engine(), Hours()
        self.hours.keep(BY, self.now)

    def live(self, values: list[float | None]) -> None:
        """Every probe that is there says these, ten minutes apart, and all is judged."""
        for probe in Sensor.objects.filter(site_id=self.space.site_id, removed_at=None):
            step = [v for v in values for _ in range(10)]
            deliver(self.space, minutes(probe, self.now, step), self.now + len(step) * MINUTE)
        self.now += 10 * len(values) * MINUTE
        judge(self.engine, self.now)

    def late(self, minutes_ago: int, value: float, source: str) -> None:
        """One probe's reading of earlier."""
        at = self.now - minutes_ago * MINUTE
        reading = BatchReading(self.probes[0].code, round(at.timestamp() * 1e6) + 1, value, 1)
        deliver(self.space, [reading], self.now, source)

    def by_hand(self, minutes_ago: int, value: float) -> None:
        """A certified hand reading of earlier."""
        words: dict[str, Any] = {"instrument": "TH-7", "certificate": "C-7", "certificate_until": UNTIL}
        at = self.now - minutes_ago * MINUTE
        hand.hand_reading(BY, self.space.pk, value_c=value, observed_at=at, now=self.now, **words)

    def a_file(self, minutes_ago: int, value: float) -> None:
        """A backup logger's file of an hour."""
        rows = [f"{(self.now - (minutes_ago + 60 - i) * MINUTE).isoformat()},{value}" for i in range(0, 60, 5)]
        data = ("timestamp,temp_c\n" + "\n".join(rows) + "\n").encode()
        backup.take_backup_file(
            BY, self.space.pk, data, f"{uuid4()}.csv", Logger("FT-2", "C-2", UNTIL),
            start=None, end=None, formats=wiring.logger_formats(), now=self.now,
        )  # fmt: skip

    def doubt(self, decision: str) -> None:
        """QA decides about the oldest open doubt, after a hand reading."""
        row = Doubt.objects.filter(decided_at=None).order_by("started_at").first()
        if row is not None:
            self.by_hand(0, 5.0)
            if row.sensor.space_id == self.space.pk:
                care.decide_doubt(BY, row.pk, decision=decision, reason="seen", now=self.now, fresh_proof=True)

    def bind(self, offset_c: float) -> None:
        """Another probe with another offset."""
        probes.bind_probe(
            BY, self.probes[0].pk, probe_serial=str(uuid4()), certificate=str(uuid4()), laboratory="Lab",
            valid_from=START - timedelta(days=9), valid_until=START + timedelta(days=99),
            now=self.now, offset_c=offset_c,
        )  # fmt: skip

    def set_up(self, what: str) -> None:
        """A change in the registry that another verdict may follow from."""
        if what == "hold":
            held = 120 if Sensor.objects.get(pk=self.probes[0].pk).hold_s != 120 else 150
            registry.change(BY, "sensor", self.probes[0].pk, {"hold_s": held}, now=self.now)
        elif what == "mapping":
            registry.change(BY, "space", self.space.pk, {"mapping_due": START.date()}, now=self.now)
        elif what == "remove" and Sensor.objects.get(pk=self.probes[1].pk).removed_at is None:
            registry.remove(BY, Sensor.objects.get(pk=self.probes[1].pk), now=self.now, reason="broken")
        elif what == "profile":
            made = registry.create(BY, "product_profile", _edition(), now=self.now)
            assert isinstance(made, ProductProfile)
            registry.change(BY, "space", self.space.pk, {"profile": made}, now=self.now)
        elif what == "approve":
            space = Space.objects.get(pk=self.space.pk)
            assert space.profile_id is not None
            registry.approve_profile(BY, space.profile_id, now=self.now, reason="read")
        elif what == "seal":
            seal(BY, now=self.now)

    def keep(self) -> None:
        """A round of the keeper: then every hour up to the one that should be kept stands."""
        self.hours.keep(BY, self.now)
        first, last = hour_of(START), hour_of(counted_to(self.now))
        if last > first:
            (held,) = standing({self.space.site_id: (first, last)}).values()
            assert held.missing == {}


def _edition() -> dict[str, Any]:
    return {
        "code": f"vaccine-{uuid4().hex[:6]}", "name": "Vaccine 3 to 7", "low_c": 3.0, "high_c": 7.0, "settle_s": 3600,
        "judging_roles": ["product"], "source_classes": ["signed_batch"], "source": "WHO",
    }  # fmt: skip


@contextmanager
def fresh() -> Iterator[Fridge]:
    """A fridge whose rows and readings are gone afterwards."""
    before = django_settings.DATA
    django_settings.DATA = Path(before) / uuid4().hex
    stores._log.cache_clear()
    try:
        with transaction.atomic():
            yield Fridge()
            transaction.set_rollback(True)
    finally:
        django_settings.DATA = before


VALUES = st.sampled_from([5.0, 5.2, 6.9, 9.4, 1.0, None])
AGO = st.integers(0, 400)
HAPPENS = st.one_of(
    st.tuples(st.just("live"), st.lists(VALUES, min_size=3, max_size=18)),
    st.tuples(st.just("late"), AGO, st.sampled_from([5.0, 9.9]), st.sampled_from(["signed_batch", "plain_file"])),
    st.tuples(st.just("by_hand"), AGO, st.sampled_from([5.0, 9.9])),
    st.tuples(st.just("a_file"), AGO, st.sampled_from([5.0, 9.9])),
    st.tuples(st.just("doubt"), st.sampled_from(["sensor_failed", "readings_stand"])),
    st.tuples(st.just("bind"), st.sampled_from([0.0, 2.9])),
    st.tuples(st.just("set_up"), st.sampled_from(["hold", "mapping", "remove", "profile", "approve", "seal"])),
    st.tuples(st.just("keep")),
)


@pytest.mark.django_db
@settings(max_examples=30, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.lists(HAPPENS, min_size=3, max_size=9))
def test_tel_04_a_kept_hour_that_is_believed_is_what_the_readings_prove(steps: list[tuple[Any, ...]]) -> None:
    """Late data, files, hand readings, doubts, probes, setups, sealing: after each step, and after the next round."""
    with fresh() as fridge:
        fridge.live([5.0, 5.1] * 9)
        fridge.keep()
        for name, *words in steps:
            getattr(fridge, name)(*words)
            agrees(fridge.space.site_id)
        fridge.now += HOUR
        fridge.keep()
        assert agrees(fridge.space.site_id) >= 3
