"""The business case and the six figures through the doors, on incidents that the product itself handled."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from tests.conftest import START
from tests.rooms.planning.scenes import on_shelf, two_hubs
from tests.rooms.spares.network import a_part, system
from waystation.console.drawing.attainment import Mark, attainment
from waystation.console.drawing.interval import interval
from waystation.console.drawing.trend import trend
from waystation.incidents import actions as incidents
from waystation.incidents.models import Feedback, Incident
from waystation.journeys.business_case import cases
from waystation.journeys.kpis import kpis
from waystation.kernel.clock import FastClock
from waystation.registry.models import Device
from waystation.spares.actions.sourcing import Need, source

pytestmark = pytest.mark.django_db
API = "/api/v1/planning"


def an_incident(clock: FastClock, device: str, hours: float | None) -> str:
    """A controller failed, a unit was sourced, and so many hours later service was restored."""
    row = Device.objects.get(name=device)
    now = clock.now()
    made = incidents.open(
        system(), "device_unreachable", row.site_id, title="Silent", priority="P1", now=now, device_id=row.pk
    )
    source(system(), Need(made.pk, row.site_id, a_part().pk, incident_name=made.name), now=now)
    if hours is not None:
        clock.advance_to(now + timedelta(hours=hours))
        at = clock.now()
        incidents.mark_service_restored(system(), made.pk, at=at, now=at, source="baseline")
    clock.advance_to(clock.now() + timedelta(days=1))
    return made.name


@pytest.fixture
def told(signed_in: Callable[..., Client], clock: FastClock) -> tuple[Client, list[str]]:
    """Three incidents at Córdoba: restored in two hours, in nine, and not yet; recovery is promised within four."""
    near, _ = two_hubs()
    on_shelf(near, 4)
    names = [an_incident(clock, f"ctl-{n}", hours) for n, hours in enumerate((2.0, 9.0, None))]
    return signed_in("service_manager"), names


def text(client: Client, address: str) -> str:
    """A page that has to open."""
    reply = client.get(address)
    assert reply.status_code == 200, (address, reply.content[:500])
    return str(reply.content.decode())


def test_roi_01_three_buckets_each_open_the_incidents_behind_them(told: tuple[Client, list[str]]) -> None:
    """One missed its promise; eleven hours were down; without prices there is no money and it says what lacks."""
    client, names = told
    page = text(client, "/planning/business-case/")
    for name in names:
        assert f'href="/incidents/{name}/"' in page
    assert "no money: a penalty is not said" in page
    assert "11.0 hours down" in page
    priced = client.post(f"{API}/business-case", {"penalty": 500, "outage_hour": 100}, content_type="application/json")
    found = {b["bucket"]: b for b in priced.json()["buckets"]}
    assert (found["SLA penalties"]["money"], found["lost productivity"]["money"]) == (500.0, pytest.approx(1100.0))
    assert found["travel and freight"]["money"] is None
    assert [x["incident"] for x in found["SLA penalties"]["lines"]] == [names[1]]


def test_roi_01_an_incident_that_was_resolved_has_its_hours_also_without_a_restored_signal(
    told: tuple[Client, list[str]], clock: FastClock
) -> None:
    """As everywhere else: restored when its service was, else when it was resolved; not yet, where neither."""
    hours = {c.name: c.restored_h for c in cases(system(), since=START, now=clock.now())}
    assert hours == dict(zip(told[1], (2.0, 9.0, None), strict=True))
    row = Incident.objects.get(number=int(told[1][2].removeprefix("INC-")))
    Incident.objects.filter(pk=row.pk).update(resolved_at=row.opened_at + timedelta(hours=30))
    assert {c.name: c.restored_h for c in cases(system(), since=START, now=clock.now())}[told[1][2]] == 30.0


def test_roi_02_break_even_waits_for_its_rates_and_then_shows_its_sensitivity(told: tuple[Client, list[str]]) -> None:
    """Without a carrying rate the page says so."""
    client, _ = told
    assert "A break-even lacks a carrying rate" in text(client, "/planning/business-case/")
    page = text(client, "/planning/business-case/?penalty=500&outage_hour=100&carrying=0.25")
    assert "If this were" in page
    assert client.get("/planning/business-case/?penalty=lots").status_code == 422
    assert client.get("/planning/business-case/?days=0").status_code == 422


def test_roi_03_each_incident_stands_beside_the_modelled_old_way(told: tuple[Client, list[str]]) -> None:
    """Madrid is the central hub; what is not restored is not compared; the method is on the page."""
    client, names = told
    reply = client.post(f"{API}/business-case", {}, content_type="application/json").json()
    rows = {a["incident"]: a for a in reply["against"]}
    assert rows[names[0]]["old_h"] == rows[names[1]]["old_h"] > 6.0
    assert rows[names[0]]["hours_saved"] == pytest.approx(rows[names[0]]["old_h"] - 2.0)
    assert rows[names[2]]["hours_saved"] is None
    assert reply["method"] in unescape(text(client, "/planning/business-case/"))


def test_roi_04_a_thin_pilot_is_refused_in_words_on_the_page(told: tuple[Client, list[str]]) -> None:
    """Three incidents carry no comparison; a day that lies ahead or is no date is refused."""
    client, _ = told
    split = (START + timedelta(days=1)).date().isoformat()
    assert "12 are needed on each side" in text(client, f"/planning/business-case/?split={split}")
    api: list[dict[str, Any]] = client.get(f"{API}/pilot?split={split}T00:00:00Z").json()
    assert [r["compared"] for r in api] == [None] * len(api)
    for wrong in ("2031-01-01", "0001-01-01", "1999-12-31"):
        assert client.get(f"/planning/business-case/?split={wrong}").status_code == 422, wrong
    for path in ("pilot", "early-wins"):
        reply = client.get(f"{API}/{path}?split={split}T00:00:00Z&days=999999999")
        assert (reply.status_code, reply.json()["code"]) == (422, "planning.days")
    assert client.get("/planning/business-case/?split=soon").status_code == 422


def test_roi_05_a_technician_says_it_on_the_incident_and_the_case_sums_it_up(
    told: tuple[Client, list[str]], signed_in: Callable[..., Client], clock: FastClock
) -> None:
    """The form stands once service is restored; what it lacks is refused by its question; the pages show it."""
    client, names = told
    contact = signed_in("site_contact")
    given = {"solved": "yes", "part_right": "yes", "in_time": "no", "sheet_clear": "yes", "work_min": "35"}
    assert 'id="feedback"' not in text(contact, f"/incidents/{names[2]}/")
    assert "Whoever worked on it says it." in text(client, f"/incidents/{names[0]}/")
    lacking = contact.post(f"/incidents/{names[0]}/feedback/", given | {"in_time": ""})
    assert lacking.status_code == 422
    assert contact.post(f"/incidents/{names[0]}/feedback/", given | {"words": "loose plug"}).status_code == 302
    page = text(contact, f"/incidents/{names[0]}/")
    assert "35 min of work" in page
    assert "loose plug" in page
    assert "No technician has said anything yet." in text(client, "/planning/business-case/")
    contact_id = Feedback.objects.get().by_id
    for name in names[:2]:
        row = Incident.objects.get(number=int(name[4:]))
        incidents.resolve(
            system(),
            row.pk,
            outcome="part_replaced",
            responder_id=contact_id,
            out_of_range=False,
            now=clock.now(),
        )
    clock.advance_to(clock.now() + timedelta(hours=1))
    case = text(client, "/planning/business-case/")
    assert "1 of 2 repairs that needed a part" in case
    assert "loose plug" in case
    heard = client.get(f"{API}/feedback").json()
    assert [(h["hub"], h["told"]["closed"], h["told"]["said"]) for h in heard["hubs"]] == [("sevilla", 2, 1)]
    said = client.get(f"/api/v1/incidents/{names[0]}/feedback").json()
    assert [(s["solved"], s["work_min"]) for s in said] == [("yes", 35)]
    body = given | {"work_min": 5}
    made = contact.post(f"/api/v1/incidents/{names[1]}/feedback", body, content_type="application/json")
    assert made.status_code == 201
    assert (
        client.post(f"/api/v1/incidents/{names[1]}/feedback", body, content_type="application/json").status_code == 403
    )


def test_roi_08_early_wins_stand_beside_the_pilot(told: tuple[Client, list[str]], clock: FastClock) -> None:
    """Three figures with what they rest on, on the page and by API; a day that lies ahead is refused."""
    client, _ = told
    split = (START + timedelta(days=1)).date().isoformat()
    page = text(client, f"/planning/business-case/?split={split}")
    for name in ("Onboarding", "Product time not proven", "Steps by hand"):
        assert f"<b>{name}</b>" in page
    assert "0 of 0 repairs told of" in page
    found = client.get(f"{API}/early-wins?split={split}T00:00:00Z").json()
    assert [w["before"]["value"] for w in found][:2] == [None, None]
    assert client.get(f"{API}/early-wins?split=2031-01-01T00:00:00Z").status_code == 422


def test_roi_07_repeats_and_escalations_are_counted_and_not_priced(told: tuple[Client, list[str]]) -> None:
    """Three failures of one cause at one site within days: two came again."""
    page = text(told[0], "/planning/business-case/")
    assert re.search(r"again within 14 days</dt><dd>2</dd>", page)


def test_met_05_six_figures_stand_on_one_page_with_their_lines(told: tuple[Client, list[str]]) -> None:
    """Page and API say the same; one of three kept its promise, the one still out did not; gaps are None."""
    client, _ = told
    page = text(client, "/overview/kpis/")
    six = client.get(f"{API}/kpis").json()
    assert [k["name"] for k in six] == [
        "SLA attainment",
        "Time to restore",
        "Stock-out rate",
        "Emergency shipments",
        "Hub turns",
        "Forecast accuracy",
    ]
    for one in six:
        assert f">{one['name']}</a>" in page
    attainment_trend = six[0]["trends"][0]
    assert attainment_trend["points"] == [None] * 11 + [pytest.approx(1 / 3)]
    assert [t["name"] for t in six[1]["trends"]] == ["sevilla"]
    assert page.count('<svg class="trend"') == sum(len(k["trends"]) for k in six)


def test_met_05_what_is_out_counts_once_its_promise_is_over(told: tuple[Client, list[str]]) -> None:
    """The last failure says nothing for four hours, and is a miss from then on."""
    opened_at = Incident.objects.latest("opened_at").opened_at

    def inputs(after_h: float) -> int:
        return sum(kpis(system(), now=opened_at + timedelta(hours=after_h))[0].trends[0].inputs)

    assert [inputs(after_h) for after_h in (1, 4, 5)] == [2, 2, 3]


def test_business_pages_are_for_those_who_may(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """A hub technician plans no money; an empty network has pages too."""
    for path in ("/planning/business-case/", "/overview/kpis/"):
        assert signed_in("hub_technician").get(path).status_code == 403
        text(signed_in("leadership"), path)


def test_met_05_a_line_breaks_where_a_month_has_no_value() -> None:
    """Two pieces of a line, each with its end marked; a lone month is a dot."""
    drawn = str(trend([1.0, 2.0, None, 3.0, 4.0, None, 5.0], "said"))
    assert drawn.count('class="p1"') == 2
    assert drawn.count("<circle") == 3
    assert 'aria-label="said"' in drawn


def test_dem_01_a_band_never_leaves_its_axis() -> None:
    """From the low to the high end, the mean inside; a forecast of nothing is drawn too."""
    drawn = str(interval(1.0, 2.5, 5.0, 10.0))
    assert "2.5 expected, 1 to 5 in nine of ten cases" in drawn
    left, width = (float(v) for v in re.search(r'x="([\d.]+)" y="4" width="([\d.]+)"', drawn).groups())  # type: ignore[union-attr]
    assert (left, left + width) == (18.0, 90.0)
    assert "<svg" in str(interval(0.0, 0.0, 0.0, 0.0))


def test_siz_12_the_curve_marks_what_is_not_allowed_and_the_chosen_point() -> None:
    """Below the floors it is hatched; the axis never begins above what is shown; no style attributes."""
    drawn = str(attainment([(200.0, 0.5), (400.0, 0.9)], 200.0, [Mark(300.0, 0.7, "Chosen", True)], 0.95, "said"))
    assert "greyhatch" in drawn
    assert drawn.count('class="stop"') == 24
    assert "style=" not in drawn
    assert ">0<" in drawn


def test_siz_12_the_words_of_marks_that_lie_close_together_stand_below_each_other() -> None:
    """Three stocks at nearly one price and share, low on the axis: each is read, none leaves the drawing."""
    marks = [Mark(300.0 + n, 0.5 + n / 1000, f"stock {n}", n == 0) for n in range(3)]
    drawn = str(attainment([(200.0, 0.5), (400.0, 0.9)], 200.0, marks, None, "said"))
    heights = sorted(float(y) for y in re.findall(r'halo" x="[0-9.]+" y="([0-9.]+)"', drawn))
    assert len(heights) == 3
    assert all(b - a >= 15.0 for a, b in itertools.pairwise(heights))
    assert heights[-1] <= 290.0
