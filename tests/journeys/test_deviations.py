"""Every excursion above its class's limit opens one deviation, which closes only when it is whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.conftest import START
from tests.samples import a_sensor, a_space
from waystation.access.queries import system_authority
from waystation.journeys import exposure, failed_device
from waystation.kernel.clock import FastClock
from waystation.product.models import Deviation
from waystation.registry.models import Space
from waystation.telemetry.models import Excursion

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def _excursion(space: Space, code: str = "probe-1", **changes: Any) -> Excursion:
    values: dict[str, Any] = {
        "started_at": START,
        "ended_at": START + HOUR,
        "detected_at": START,
        "peak_c": 9.0,
        "limit_c": 8.0,
        "direction": "high",
        "measured_s": 1800.0,
        "unknown_s": 0.0,
    }
    sensor = a_sensor(space, code)
    return Excursion.objects.create(
        site=space.site, space=space, sensor=sensor, profile_id=space.profile_id, **(values | changes)
    )


def _limit(space: Space, minutes: int) -> None:
    space.site.service_class.excursion_deviation_min = minutes
    space.site.service_class.save()


def _note(row: Excursion, space: Space) -> None:
    failed_device.note_excursion(system_authority("test"), row, space.site, now=START + 2 * HOUR)


class Worst(TestCase):
    """The limit, minute by minute."""

    @given(st.integers(0, 7200), st.integers(0, 7200), st.integers(0, 200))
    def test_qal_07_worst_case_above_the_limit_opens_one_and_nothing_else_does(
        self, measured_s: int, unknown_s: int, limit_min: int
    ) -> None:
        """Measured and unknown time together; exactly at the limit is not above it. Told twice there is one."""
        space = a_space()
        _limit(space, limit_min)
        row = _excursion(space, measured_s=float(measured_s), unknown_s=float(unknown_s))
        for _ in range(2):
            exposure.open_deviation(system_authority("test"), row, row, space.site, now=START + 2 * HOUR)
        found = list(Deviation.objects.values_list("excursion_id", flat=True))
        assert found == ([row.pk] if measured_s + unknown_s > limit_min * 60 else [])


def test_qal_07_an_excursion_that_grows_above_the_limit_opens_it_then() -> None:
    """Half an hour of a limit of 45 minutes opens nothing; an hour does; noted again it stays one."""
    space = a_space()
    _limit(space, 45)
    row = _excursion(space)
    _note(row, space)
    assert not Deviation.objects.exists()
    row.measured_s = 3600.0
    row.save()
    _note(row, space)
    _note(row, space)
    assert Deviation.objects.get().excursion_id == row.pk


def test_qal_07_two_probes_and_a_second_judgement_are_one_deviation() -> None:
    """The other probe of the space, and the record that replaces the first after late data, open no second one; the
    other side of the range and another day do."""
    space = a_space()
    first = _excursion(space)
    _note(first, space)
    _note(_excursion(space, "probe-2", started_at=START + HOUR / 2), space)
    first.superseded_at = START + HOUR
    first.save()
    _note(_excursion(space, started_at=START - HOUR / 4), space)
    assert Deviation.objects.get().excursion_id == first.pk
    _note(_excursion(space, direction="low", peak_c=1.0, limit_c=2.0), space)
    _note(_excursion(space, started_at=START - 30 * HOUR, ended_at=START - 29 * HOUR), space)
    assert Deviation.objects.count() == 3


def test_qal_07_the_page_closes_none_without_its_fields(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """Opened by the excursion, shown with its figures; each empty field is named; written, it closes."""
    space = a_space()
    _note(_excursion(space), space)
    row, quality = Deviation.objects.get(), signed_in("quality")
    shown = quality.get("/deviations/").content.decode()
    assert "peak 9.0" in shown
    assert "1 open." in shown
    full = {"assessment": "warm", "corrective": "door shut", "preventive": "closer", "recipients": "ana\nquim\n"}
    for name in full:
        quality.post(f"/deviations/{row.pk}/write/", full | {name: "", "seen_digest": _seen(quality)})
        assert name in quality.post(f"/deviations/{row.pk}/close/").content.decode()
        assert Deviation.objects.get().closed_at is None
    quality.post(f"/deviations/{row.pk}/write/", full | {"seen_digest": _seen(quality)})
    assert "wrote a part of this deviation" in quality.post(f"/deviations/{row.pk}/close/").content.decode()
    assert Deviation.objects.get().closed_at is None
    assert signed_in("quality", "operator").post(f"/deviations/{row.pk}/close/").status_code == 302
    held = Deviation.objects.get()
    assert (held.closed_at, held.recipients) == (clock.now(), ["ana", "quim"])
    assert signed_in("operator").post(f"/deviations/{row.pk}/write/", full).status_code == 403
    assert [d["id"] for d in quality.get("/api/v1/product/deviations?open_only=false").json()] == [str(row.pk)]
    assert quality.get("/api/v1/product/deviations").json() == []


def test_qal_07_the_second_of_two_writers_overwrites_nothing(signed_in: Callable[..., Client]) -> None:
    """Both opened the page; the first one's words stand, the second is told; sent twice, the first is written once."""
    space = a_space()
    _note(_excursion(space), space)
    row, first, second = Deviation.objects.get(), signed_in("quality"), signed_in("quality", "operator")
    seen = {one: _seen(one) for one in (first, second)}

    def write(one: Client, words: str) -> HttpResponse:
        return one.post(f"/deviations/{row.pk}/write/", {"assessment": words, "seen_digest": seen[one]})

    assert [write(first, "warm").status_code for _ in range(2)] == [302, 302]
    late = write(second, "cold")
    assert (late.status_code, "Somebody else wrote" in late.content.decode()) == (409, True)
    assert second.post(f"/deviations/{row.pk}/write/", {"assessment": "cold"}).status_code == 409
    held = Deviation.objects.get()
    assert (held.assessment, len(held.written_by)) == ("warm", 1)
    seen[second] = _seen(second)
    assert write(second, "warm and cold").status_code == 302
    assert Deviation.objects.get().assessment == "warm and cold"


def test_qal_07_the_page_asks_as_often_for_many_as_for_few(
    signed_in: Callable[..., Client], django_assert_max_num_queries: Any
) -> None:
    """The excursions of all deviations are read at once."""
    space, quality = a_space(), signed_in("quality")

    def opened(day: int) -> None:
        _note(_excursion(space, started_at=START - day * 30 * HOUR, ended_at=START - (day * 30 - 1) * HOUR), space)

    opened(1)
    with CaptureQueriesContext(connection) as few:
        quality.get("/deviations/")
    for day in range(2, 7):
        opened(day)
    with django_assert_max_num_queries(len(few)):
        assert "6 open." in quality.get("/deviations/").content.decode()


def _seen(client: Client) -> str:
    found = re.search(r'name="seen_digest" value="([0-9a-f]{64})"', client.get("/deviations/").content.decode())
    assert found is not None
    return found.group(1)
