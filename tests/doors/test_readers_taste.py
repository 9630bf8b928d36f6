"""Each person reads in their own unit and clock, on every page, in drawings and in sentences alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.access.models import Person
from waystation.console.reader import ReadersTaste, degrees, hour_of_day, in_own_unit, of_day, taste
from waystation.kernel.clock import FastClock
from waystation.telemetry.engine import Engine

SignedIn = Callable[..., Client]
T = TypeVar("T")
PAGES = ("/", "/sites/", "/sites/cordoba/", "/sites/cordoba/fridge-1/", "/hand-over/", "/overview/", "/incidents/")


def read_as(unit: str, hours: str, do: Callable[[], T]) -> T:
    """What `do` says to a person who reads so."""
    request, said = HttpRequest(), list[T]()
    request.user = Person(temperature_unit=unit, hours=hours)

    def answer(_: HttpRequest) -> HttpResponse:
        said.append(do())
        return HttpResponse()

    ReadersTaste(answer)(request)
    return said[0]


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001
def test_a_twelve_hour_time_names_the_same_minute(local: datetime) -> None:
    """Read back, it is the hour and minute that it was."""
    said = read_as("c", "12", lambda: of_day(local)).replace("\u00a0", " ").upper()
    back = datetime.strptime(said, "%I:%M %p").replace(tzinfo=UTC)
    assert (back.hour, back.minute) == (local.hour, local.minute)
    assert of_day(local) == f"{local:%H:%M}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flat at 4.6 °C", "flat at 40.3 °F"),
        ("4.6 to 5.9 °C since 07:00 UTC", "40.3 to 42.6 °F since 07:00 UTC"),
        ("rising 1.8 °C/h", "rising 3.2 °F/h"),
        ("-20.0\u00a0°C", "-4.0\u00a0°F"),
        ("no temperature, code 5", "no temperature, code 5"),
    ],
)
def test_a_sentence_is_said_in_the_readers_unit(text: str, said: str) -> None:
    """Values convert with the offset, slopes and their kind without; other numbers stay."""
    assert read_as("f", "24", lambda: in_own_unit(text)) == said
    assert in_own_unit(text) == text


@given(st.floats(-90, 90))
def test_degrees_convert_as_the_kernel_does(value_c: float) -> None:
    """One decimal, with the unit."""
    assert read_as("f", "24", lambda: degrees(value_c)) == f"{value_c * 9 / 5 + 32:.1f}\u00a0°F"


def test_a_taste_ends_with_its_request() -> None:
    """The next reader, and whoever works without a reader, gets the default; also after an error."""
    with pytest.raises(ZeroDivisionError):
        read_as("f", "12", lambda: 1 / 0)
    assert (taste().unit, taste().hours) == ("c", "24")
    assert read_as("c", "12", lambda: hour_of_day(datetime(2026, 1, 1, tzinfo=UTC))) == "12\u00a0am"


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_a_page_speaks_one_unit_and_one_clock(page: str, signed_in: SignedIn, clock: FastClock, folder: None) -> None:
    """To who reads °F and 12 hours no page says °C or 15:30; to others none says °F or pm."""
    space, (probe,) = a_monitored_space(START)
    values = [5.0 + 0.1 * (i % 3) for i in range(300)] + [9.0 + 0.1 * (i % 3) for i in range(20)]
    deliver(space, minutes(probe, START - timedelta(minutes=320), values), START)
    judge(Engine(), START)
    client = signed_in("operator")
    plain = client.get(page).content.decode()
    Person.objects.update(temperature_unit="f", hours="12")
    other = client.get(page).content.decode()
    assert "°F" not in plain
    assert not re.search(r"\d\u00a0[ap]m\b", plain)
    assert "°C" not in other
    assert not re.findall(r">(?:[^<]*[ ,])?((?:[01]\d|2[0-3]):[0-5]\d)(?! UTC)\s*<", other)
    if page == "/sites/cordoba/fridge-1/":
        assert "°F" in other
        assert re.search(r"\d\u00a0[ap]m\b", other)
