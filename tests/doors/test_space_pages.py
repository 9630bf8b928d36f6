"""Pages of sites and spaces: doubt is drawn, gaps stay gaps, peaks survive thinning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_service_class, a_site
from waystation.console.drawing.scale import Scale, degrees
from waystation.console.drawing.space_chart import thinned
from waystation.kernel.clock import FastClock
from waystation.registry.models import ServiceClass
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Excursion

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


def _page(client: Client, clock: FastClock, values: list[float | None], after: int = 0) -> str:
    now = clock.now()
    space, (probe,) = a_monitored_space(now)
    end = now + timedelta(minutes=len(values))
    deliver(space, minutes(probe, now, values), end)
    judge(Engine(), end)
    clock.advance_to(end + timedelta(minutes=after))
    return client.get("/sites/cordoba/fridge-1/?period=6h").content.decode()


def test_tel_05_a_silent_space_is_drawn_as_not_proven(signed_in: SignedIn, clock: FastClock) -> None:
    """After an hour without readings the page says so, hatches it, and shows no present value."""
    page = _page(signed_in("operator"), clock, [5.0 + 0.1 * (i % 2) for i in range(300)], after=60)
    assert "Not proven" in page
    assert "silent" in page
    assert 'fill="url(#hatch)"' in page


def test_an_excursion_is_drawn_with_its_minutes_and_peak(signed_in: SignedIn, clock: FastClock) -> None:
    """Chip, table row and area."""
    page = _page(signed_in("operator"), clock, [5.0] * 30 + [9.1, 9.4, 8.8] + [5.0] * 30)
    assert "Excursion, high" in page
    assert "9.4" in page
    assert 'class="f-out"' in page


def test_temperatures_are_shown_in_the_readers_unit(signed_in: SignedIn, clock: FastClock) -> None:
    """Stored in Celsius, read in Fahrenheit."""
    from waystation.access.models import Person

    client = signed_in("operator")
    Person.objects.update(temperature_unit="f")
    page = _page(client, clock, [5.0 + 0.1 * (i % 2) for i in range(60)])
    assert "46.4\u00a0°F" in page


def test_arc_05_a_site_shows_its_seven_groups(signed_in: SignedIn, clock: FastClock) -> None:
    """Each group stands there, empty or not."""
    from waystation.journeys.assessment import GROUPS

    a_site("cordoba")
    page = signed_in("operator").get("/sites/cordoba/").content.decode()
    assert all(f"<h2>{group}</h2>" in page for group in GROUPS)


def test_an_unknown_site_or_space_has_a_page_with_a_next_step(signed_in: SignedIn, clock: FastClock) -> None:
    """Not found, in words."""
    client = signed_in("operator")
    a_site("cordoba")
    for address in ("/sites/nowhere/", "/sites/cordoba/nothing/"):
        reply = client.get(address)
        assert reply.status_code == 404
        assert b"Go to Now" in reply.content


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=500))
def test_thinning_keeps_every_peak(values: list[float]) -> None:
    """Lowest and highest survive, order stays, nothing is invented."""
    points = [(float(i), v) for i, v in enumerate(values)]
    kept = thinned(points, Scale(0, max(len(values) - 1, 1), 0, 20))
    assert max(v for _, v in kept) == max(values)
    assert min(v for _, v in kept) == min(values)
    assert kept == sorted(kept, key=lambda p: p[0])
    assert set(kept) <= set(points)


@given(st.floats(-90, 60), st.floats(0, 60))
def test_an_axis_holds_what_it_shows_with_few_round_ticks(low: float, span: float) -> None:
    """At most nine ticks, evenly apart, around both ends."""
    first, last, ticks = degrees(low, low + span)
    assert first <= low
    assert last >= low + span
    assert 2 <= len(ticks) <= 10


def _three_sites(clock: FastClock) -> None:
    """Córdoba is out of range, Évora has only been silent, Zaragoza judges nothing."""
    now = clock.now()
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now - timedelta(minutes=20), [5.0] * 10 + [9.1] * 10), now)
    a_monitored_space(now, code="fridge-9", site="evora")
    a_site("zaragoza")
    judge(Engine(), now)


def test_a_site_that_is_out_of_range_is_listed_as_such_and_first(signed_in: SignedIn, clock: FastClock) -> None:
    """Its worst space, how many are judged, when it was heard; no site is given a better word than it has."""
    _three_sites(clock)
    rows = _rows(signed_in("operator").get("/sites/").content.decode())
    assert [name for name, _ in rows] == ["Cordoba", "Evora", "Zaragoza"]
    assert [state for _, state in rows] == ["Out of range", "Not proven", "No judged space"]


def test_a_site_in_commissioning_that_is_out_says_both(signed_in: SignedIn, clock: FastClock) -> None:
    """Its place in life never covers its readings."""
    _three_sites(clock)
    a_site("cordoba").__class__.objects.filter(code="cordoba").update(state="commissioning")
    page = signed_in("operator").get("/sites/").content.decode()
    assert "Out of range</span>" in page
    assert "Commissioning</span>" in page


def test_the_list_of_sites_is_searched_and_filtered_by_address(signed_in: SignedIn, clock: FastClock) -> None:
    """By name, code or city, by state, by both; what is not found says what was asked."""
    _three_sites(clock)
    client = signed_in("operator")

    def named(query: str) -> list[str]:
        return [name for name, _ in _rows(client.get(f"/sites/?{query}").content.decode())]

    assert named("state=out_of_range") == ["Cordoba"]
    assert named("state=not_proven") == ["Evora"]
    assert named("q=ZARA") == ["Zaragoza"]
    assert named("q=evora&state=out_of_range") == []
    nothing = client.get("/sites/?q=nowhere").content.decode()
    assert "None of the 3 sites is called “nowhere”." in nothing
    assert "Out of range 1<" in nothing


def test_a_hundred_sites_stand_on_a_page(signed_in: SignedIn, clock: FastClock) -> None:
    """The hundred and first is on the second page, and each page leads to the other."""
    for n in range(101):
        a_site(f"site-{n:03}")
    client = signed_in("operator")
    first, second = (client.get(f"/sites/?page={n}").content.decode() for n in (1, 2))
    assert (len(_rows(first)), len(_rows(second))) == (100, 1)
    assert "page=2" in first
    assert "page=1" in second
    assert "101 sites" in second


def test_a_space_with_limits_and_no_probe_is_not_proven(signed_in: SignedIn, clock: FastClock) -> None:
    """A profile asks for proof; where nothing judges there is none. Without a profile nothing is asked."""
    from tests.samples import a_space

    a_space("cordoba", "fridge-1")
    a_space("cordoba", "shelf-1", profile=None)
    page = signed_in("operator").get("/sites/cordoba/").content.decode()
    assert "Not proven</span>" in page
    assert "No product profile</span>" in page


def _rows(page: str) -> list[tuple[str, str]]:
    """Name and first state of each row of the list."""
    import re

    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    found = re.findall(r'<b>([^<]+)</b>.*?class="chip[^>]*>.*?</svg>([^<]+)</span>', body, re.S)
    return [(name, state) for name, state in found]


def test_tel_08_each_excursion_says_how_long_its_detection_took_against_the_target_of_its_class(
    signed_in: SignedIn, clock: FastClock
) -> None:
    """Judged 33 min after its first reading outside, with 5 min asked: both stand in its row."""
    a_service_class()
    ServiceClass.objects.update(detect_within_s=300)
    page = _page(signed_in("operator"), clock, [5.0 + 0.1 * (n % 2) for n in range(30)] + [9.1, 9.4, 8.8] + [5.0] * 30)
    shown = page.replace("\u00a0", " ")
    assert "detected after <b>33 min</b>, target 5 min" in shown
    assert Excursion.objects.get().detection_s == 33 * 60
