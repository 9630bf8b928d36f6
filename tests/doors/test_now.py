"""Now: one list by time to product loss; doubt is never shown as a present value; two taps answer a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.conftest import START
from tests.doors.pages import a_lot, a_notice, trouble
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_site
from waystation.access.queries import system_authority
from waystation.alarms.models import Alarm
from waystation.console.warming import TEMPLATES, warm
from waystation.evidence import beats
from waystation.evidence.models import LogEntry
from waystation.incidents.models import Incident
from waystation.kernel.clock import FastClock
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.hours import Hours

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    stores._log.cache_clear()
    yield
    stores._log.cache_clear()


def a_fridge_that_is_heard(clock: FastClock, values: list[float | None]) -> None:
    """Readings of fridge-1 by the minute, judged, up to the clock's instant."""
    begin = START - timedelta(minutes=len(values))
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, begin, values), START)
    judge(Engine(), START)


def test_an_empty_network_says_what_comes_next(signed_in: SignedIn, clock: FastClock) -> None:
    """No site: one sentence and one link."""
    page = signed_in("operator").get("/").content.decode()
    assert "There is nothing to watch" in page
    assert "/sites/" in page


def test_a_quiet_network_is_said_to_be_proven(signed_in: SignedIn, clock: FastClock) -> None:
    """Nobody is needed, and how many spaces are proven stands there."""
    a_fridge_that_is_heard(clock, [5.0 + 0.1 * (i % 3) for i in range(60)])
    page = signed_in("operator").get("/").content.decode()
    assert "Nothing needs somebody." in page
    assert "1 of 1 spaces are in range, proven" in page


def test_tel_05_the_last_day_of_all_spaces_stands_beside_the_list(signed_in: SignedIn, clock: FastClock) -> None:
    """What waits is said; once kept, the shares and the bar say the hour; a site and the list of sites draw it too."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START - timedelta(hours=1), [5.0, 5.1] * 31), START)
    judge(Engine(), START)
    client = signed_in("operator")
    page = client.get("/").content.decode()
    assert "24 site hours not counted yet" in page
    assert "unknown" in page
    clock.advance_to(START + timedelta(minutes=20))
    Hours().keep(system_authority("test"), clock.now())
    page = client.get("/now/list/").content.decode()
    assert "not counted yet" not in page
    assert "24 h to 06:00: 1 h proven, 23 h not proven" in page
    assert "4.16\u00a0%" in page
    assert "95.84\u00a0%" in page
    for path in (f"/sites/{space.site.code}/", "/sites/"):
        assert "24 h to 07:00: 1 h proven, 23 h not proven" in client.get(path).content.decode()


def test_every_page_can_be_compiled_before_anybody_asks() -> None:
    """What warms the server names every template there is, and none fails."""
    assert warm() == len(list(TEMPLATES.rglob("*.html"))) > 20


def test_opr_01_a_row_says_limit_state_value_people_and_step(signed_in: SignedIn, clock: FastClock) -> None:
    """Time to the limit in the worst case, at risk, the value beside its limit, and the way to answer."""
    a_lot()
    a_fridge_that_is_heard(clock, [5.0 + 0.1 * (i % 3) for i in range(60)])
    alarm, incident = trouble()
    page = signed_in("operator").get("/").content.decode()
    assert "1 place needs somebody." in page
    assert "1\u00a0h\u00a026\u00a0min" in page
    assert "worst case, 08:26" in page  # in the site's zone
    assert "At risk" in page
    assert "5.2\u00a0°C" in page
    assert f"/alarms/{alarm.pk}/acknowledge/" in page
    assert f"/incidents/{incident.pk}/" in page


def test_tel_05_a_silent_value_is_never_shown_as_present(signed_in: SignedIn, clock: FastClock) -> None:
    """An hour after the last reading the value carries its instant and the row is not proven."""
    a_lot()
    a_fridge_that_is_heard(clock, [5.0 + 0.1 * (i % 3) for i in range(60)])
    trouble()
    clock.advance_to(START + timedelta(hours=1))
    page = signed_in("operator").get("/now/list/").content.decode()
    assert "Not proven" in page
    assert "<b>5.2" not in page
    assert '<b class="q">5.2' in page
    assert ">at <time" in page
    assert 'fill="url(#hatch)"' in page


def test_a_doubted_value_is_in_doubt(signed_in: SignedIn, clock: FastClock) -> None:
    """A probe that stands still shows no number."""
    a_lot()
    a_fridge_that_is_heard(clock, [5.0 + 0.1 * (i % 3) for i in range(30)] + [4.6] * 400)
    trouble("sensor_frozen", worst_in_min=None)
    page = signed_in("operator").get("/").content.decode()
    assert "in doubt" in page
    assert "4.6\u00a0°C" not in page
    assert ">unknown<" in page


def test_places_without_product_come_last(signed_in: SignedIn, clock: FastClock) -> None:
    """A threatened fridge stands before a circuit at a site that holds nothing."""
    a_lot()
    a_fridge_that_is_heard(clock, [5.0] * 5)
    trouble()
    a_site("zaragoza")
    Alarm.objects.filter(pk=a_notice("zaragoza").pk).update(severity="operator_actionable")
    page = signed_in("operator").get("/").content.decode()
    assert page.index("Fridge-1") < page.index("No product")
    assert "2 places need somebody." in page


def test_alr_05_two_taps_answer_the_page_and_take_the_incident(signed_in: SignedIn, clock: FastClock) -> None:
    """The row leads to one button; the answer is kept with alarm and incident; nothing acts on GET."""
    alarm, incident = trouble()
    client = signed_in("operator")
    before = LogEntry.objects.count()
    shown = client.get(f"/alarms/{alarm.pk}/acknowledge/").content.decode()
    assert "Take it in hand." in shown
    assert client.get(f"/alarms/{alarm.pk}/acknowledged/").status_code == 405
    assert LogEntry.objects.count() == before
    done = client.post(f"/alarms/{alarm.pk}/acknowledged/")
    assert done["Location"] == f"/incidents/{incident.pk}/"
    alarm.refresh_from_db()
    assert alarm.acked_at == START
    assert Incident.objects.get(pk=incident.pk).acknowledged_at == START
    page = client.get("/").content.decode()
    assert f"/alarms/{alarm.pk}/acknowledge/" not in page


def test_a_role_that_does_not_answer_sees_the_button_off(signed_in: SignedIn, clock: FastClock) -> None:
    """Visible, off, with who may; posting is refused."""
    alarm, _ = trouble()
    client = signed_in("leadership")
    page = client.get(f"/alarms/{alarm.pk}/acknowledge/").content.decode()
    assert 'aria-disabled="true"' in page
    assert client.post(f"/alarms/{alarm.pk}/acknowledged/").status_code == 403


def test_when_nothing_judges_the_page_says_unmonitored(signed_in: SignedIn, clock: FastClock) -> None:
    """No beat, or the newest older than three minutes: all sites count as unmonitored."""
    a_site("cordoba")
    client = signed_in("operator")
    assert "Treat all sites as unmonitored" in client.get("/").content.decode()
    beats.lease("judge", "me", START, timedelta(minutes=1))
    assert "Treat all sites as unmonitored" not in client.get("/").content.decode()
    clock.advance_to(START + timedelta(minutes=4))
    assert "Treat all sites as unmonitored" in client.get("/").content.decode()


def test_the_page_polls_itself_and_carries_its_instant(signed_in: SignedIn, clock: FastClock) -> None:
    """The fragment is the list without the frame, and says as of when."""
    a_site("cordoba")
    client = signed_in("operator")
    assert 'hx-trigger="every 15s"' in client.get("/").content.decode()
    fragment = client.get("/now/list/?whose=mine").content.decode()
    assert "<html" not in fragment
    assert "as of 06:00:00 UTC" in fragment
