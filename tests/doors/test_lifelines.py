"""Circuits, power and doors through the real doors: what a person asks, what an agent answers, what the pages say."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_device, a_model, a_sensor, a_site, a_space, two_paths
from waystation.evidence.models import Event, LogEntry
from waystation.evidence.rules.signing import public_of, signer
from waystation.journeys.lifelines import lifelines, power_verdict
from waystation.journeys.reading import Rounds
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.registry import actions as registry
from waystation.registry.models import Circuit, Sensor, Space, Template
from waystation.service_levels import actions as service_levels
from waystation.telemetry import queries as telemetry
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Excursion, UplinkTest

pytestmark = pytest.mark.django_db
SEED = b"\x01" * 32
Signed = Callable[..., Client]


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments go to the test's own folder."""
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


def b64(body: bytes) -> str:
    """A signature as the header carries it."""
    return base64.b64encode(signer(SEED)(body)).decode()


@pytest.fixture
def machine(signed_in: Signed, clock: FastClock) -> str:
    """An enrolled agent of Córdoba that was heard."""
    asked = {"name": "agent cordoba", "site_id": str(a_site().pk)}
    opened = signed_in("administrator").post("/api/v1/gateways/enrolments", asked, content_type="application/json")
    body = json.dumps({"token": opened.json()["token"], "public_key": public_of(SEED).hex()}).encode()
    headers = {"X-Waystation-Signature": b64(body)}
    made = Client().post("/api/v1/gateways/enrol", body, content_type="application/json", headers=headers)
    machine = str(made.json()["machine"])
    tell(machine, state=STATE)
    return machine


STATE: dict[str, Any] = {"boot": 1, "paths": [{"name": "backup", "is_down": False, "sheds": ["backlog", "inventory"]}]}


def tell(machine: str, **members: Any) -> dict[str, Any]:
    """A signed batch, and what the agent is told back."""
    body = json.dumps({"schema": "waystation.batch/1", "boot": 1, "previous": "", "readings": []} | members).encode()
    headers = {"X-Waystation-Machine": machine, "X-Waystation-Signature": b64(body)}
    reply = Client().post("/api/v1/telemetry/batches", body, content_type="application/json", headers=headers)
    assert reply.status_code == 202, reply.content
    return dict(reply.json())


def ask(client: Client, path: str, **body: Any) -> HttpResponse:
    """A write by API."""
    return client.post(f"/api/v1/lifelines/{path}", body, content_type="application/json")


def of(client: Client, code: str = "cordoba") -> dict[str, Any]:
    """The site as the API tells it."""
    reply = client.get(f"/api/v1/lifelines/sites/{code}")
    assert reply.status_code == 200, reply.content
    return dict(reply.json())


def us(at: datetime) -> int:
    """Microseconds."""
    return round(at.timestamp() * 1e6)


def page(client: Client, path: str) -> str:
    """A page that is shown."""
    reply = client.get(path)
    assert reply.status_code == 200, reply.content
    return reply.content.decode()


def test_wan_03_a_person_starts_a_failover_test_and_gets_three_verdicts(
    machine: str, signed_in: Signed, clock: FastClock
) -> None:
    """Asked once until it begins; each of the three with the instant of its last message; one entry for each step."""
    operator = signed_in("operator")
    asked = ask(operator, "sites/cordoba/uplink-tests", uplink="backup").json()
    assert asked["standing"] == "waiting"
    told = tell(machine, state=STATE)["test"]
    assert told == {"id": asked["id"], "uplink": "backup"}
    tell(machine, notes=[{"kind": "failover_begun", "uplink": "backup", "at_us": 1, "test": asked["id"]}])
    assert of(operator)["tests"][0]["standing"] == "running"
    assert tell(machine, state=STATE | {"at_us": 2})["test"] is None
    at = clock.now()
    result = {"kind": "failover_tested", "uplink": "backup", "at_us": 3, "test": asked["id"], "passed": True}
    tell(machine, notes=[result | {"alarm_us": us(at), "live_us": us(at), "heartbeat_us": 0}])
    (one,) = of(operator)["tests"]
    assert one["standing"] == "failed"
    assert {c["what"]: c["passed"] for c in one["came"]} == {
        "alarms": True, "telemetry": True, "remote_management": False,
    }  # fmt: skip
    assert [datetime.fromisoformat(c["last_at"]) for c in one["came"] if c["passed"]] == [at, at]
    kinds = ["uplink_test_asked", "uplink_test_begun", "uplink_tested"]
    assert [LogEntry.objects.filter(kind=f"telemetry.{k}").count() for k in kinds] == [1, 1, 1]
    shown = page(operator, "/sites/cordoba/lifelines/")
    assert "none came" in shown
    survival = of(operator)["survival"]["primary_cut"]
    assert survival == {"alarm_forwarding": True, "access_control": None, "supervisory_control": False}


def test_wan_03_a_result_is_kept_once_and_one_begun_at_the_site_is_kept_too(
    machine: str, signed_in: Signed, clock: FastClock
) -> None:
    """The same batch again, or a second result for a test, changes nothing; instants that cannot be are none."""
    note = {"kind": "failover_tested", "uplink": "primary", "at_us": 3, "passed": True}
    note |= {"alarm_us": True, "live_us": -5, "heartbeat_us": us(clock.now())}
    for _ in range(2):
        tell(machine, notes=[note])
    (row,) = UplinkTest.objects.all()
    assert (row.asked_by, row.uplink) == (None, "primary")
    (one,) = of(signed_in("operator"))["tests"]
    assert [c["passed"] for c in one["came"]] == [False, False, True]
    tell(machine, notes=[note | {"test": str(row.pk), "alarm_us": us(clock.now()), "live_us": us(clock.now())}])
    row.refresh_from_db()
    assert row.result["live_us"] == -5


def test_wan_03_one_test_at_a_time_and_silence_is_no_pass(machine: str, signed_in: Signed, clock: FastClock) -> None:
    """A second is refused while the first may be answered; ten minutes later it is unanswered and another may begin."""
    operator = signed_in("operator")
    ask(operator, "sites/cordoba/uplink-tests", uplink="backup")
    refused = ask(operator, "sites/cordoba/uplink-tests", uplink="backup")
    assert (refused.status_code, refused.json()["code"]) == (409, "telemetry.uplink_test_runs")
    clock.advance(601)
    assert of(operator)["tests"][0]["standing"] == "unanswered"
    assert tell(machine, state=STATE | {"at_us": 9})["test"] is None
    assert ask(operator, "sites/cordoba/uplink-tests", uplink="backup").status_code == 201
    assert [t["standing"] for t in of(operator)["tests"]] == ["waiting", "failed"]
    assert of(operator)["survival"]["primary_cut"]["alarm_forwarding"] is None


def test_wan_03_a_test_needs_an_agent_an_uplink_and_the_right(signed_in: Signed, clock: FastClock) -> None:
    """Each is refused by name."""
    a_site()
    operator = signed_in("operator")
    replies = [
        ask(operator, "sites/cordoba/uplink-tests", uplink="backup"),
        ask(operator, "sites/cordoba/uplink-tests", uplink=" "),
        ask(signed_in("leadership"), "sites/cordoba/uplink-tests", uplink="backup"),
    ]
    assert [r.json()["code"] for r in replies[:2]] == ["telemetry.no_agent", "telemetry.uplink"]
    assert replies[2].status_code == 403


def test_wan_03_the_form_of_the_page_asks_too(machine: str, signed_in: Signed) -> None:
    """And the page says that it waits."""
    operator = signed_in("operator")
    assert operator.post("/sites/cordoba/lifelines/test/", {"uplink": "backup"}).status_code == 302
    assert "waiting" in page(operator, "/sites/cordoba/lifelines/")


def test_wan_04_the_failover_profile_says_order_what_is_shed_and_what_contradicts_it(
    machine: str, signed_in: Signed
) -> None:
    """From the template, beside what the agent says it sheds."""
    found = of(signed_in("operator"))
    assert [c["kind"] for c in found["traffic"] if not c["on_backup"]] == ["corporate_it", "video", "guest_wifi"]
    assert found["sheds"] == {"backup": "backlog, inventory"}
    assert found["contradictions"][0] == "the agent sheds backlog, which is telemetry"
    assert "shed on backup" in page(signed_in("operator"), "/sites/cordoba/lifelines/")


def test_wan_04_a_template_that_sheds_alarms_is_refused(acting: Callable[..., Authority], now: datetime) -> None:
    """So is a flow without zones; nothing is kept."""
    by, row = acting("administrator"), a_site().template
    row.components, row.checklist, row.dependencies = [{"class": "gateway"}], [{"key": "x"}], ["wan"]
    row.save()
    for values, code in (
        ({"traffic": [{"kind": "alarms", "on_backup": False}]}, "registry.traffic"),
        ({"flows": [{"from": "a"}]}, "registry.flow"),
    ):
        with pytest.raises(Exception) as refused:
            registry.change(by, "template", row.pk, values, now=now)
        assert getattr(refused.value, "code", "") == code
    assert Template.objects.get(pk=row.pk).traffic == []


def test_wan_09_a_drill_says_what_survives_and_the_newest_counts(signed_in: Signed, clock: FastClock) -> None:
    """Never tried is said so; a later drill takes the place of the one before."""
    a_site()
    it = signed_in("it")
    words = {"failure": "mains_lost", "function": "access_control", "evidence": "doors stayed locked, sheet 4"}
    assert ask(it, "sites/cordoba/drills", survived=True, **words).status_code == 201
    assert of(it)["survival"]["mains_lost"]["access_control"] is True
    clock.advance(60)
    it.post("/sites/cordoba/lifelines/drill/", words | {"survived": "no"})
    assert of(it)["survival"]["mains_lost"] == {
        "alarm_forwarding": None, "access_control": False, "supervisory_control": None,
    }  # fmt: skip
    shown = page(it, "/sites/cordoba/lifelines/")
    assert "never tried" in shown
    assert "<b>lost</b>" in shown
    for wrong, code in (
        ({"failure": "flood"}, "fleet.drill"),
        ({"function": "coffee"}, "fleet.drill"),
        ({"evidence": " "}, "fleet.drill_evidence"),
    ):
        assert ask(it, "sites/cordoba/drills", survived=True, **(words | wrong)).json()["code"] == code
    assert ask(signed_in("operator"), "sites/cordoba/drills", survived=True, **words).status_code == 403


def test_wan_01_wan_05_each_circuit_stands_with_diversity_and_what_speaks_against_it(
    signed_in: Signed, acting: Callable[..., Authority], clock: FastClock
) -> None:
    """Not shown without last miles; one provider fails; maintenance that its provider announced is named."""
    site, operator = a_site(), signed_in("operator")
    two_paths(site)
    assert "Diversity: <b>not shown</b>" in page(operator, "/sites/cordoba/lifelines/")
    backup = Circuit.objects.get(path="backup")
    start = clock.now() + timedelta(days=2)
    service_levels.plan_window(
        acting("service_manager"), backup.vendor_id, site.pk, what="mast", start=start,
        end=start + timedelta(hours=2), now=clock.now(),
    )  # fmt: skip
    told = {c["circuit"]: c for c in of(operator)["circuits"]}
    assert told["cordoba-primary"]["evidence"] == []
    assert [r.startswith("maintenance by its provider") for r in told["cordoba-backup"]["evidence"]] == [True]
    for circuit, mile in (("cordoba-primary", "duct"), ("cordoba-backup", "mast")):
        Circuit.objects.filter(code=circuit).update(last_mile=mile)
    assert "Diversity: <b>passes</b>" in page(operator, "/sites/cordoba/lifelines/")
    Circuit.objects.update(vendor=backup.vendor)
    found = of(operator)["circuits"]
    assert {c["diversity"]["verdict"] for c in found} == {"not_diverse"}
    assert all(any("fail together" in r for r in c["evidence"]) for c in found)
    assert "Diversity: <b>fails</b>, the same provider" in page(operator, "/sites/cordoba/lifelines/")


def test_wan_05_latency_that_grew_and_packets_that_are_lost_are_evidence(signed_in: Signed, clock: FastClock) -> None:
    """From the readings of the last day against the days before."""
    site, space = a_site(), a_space()
    two_paths(site)
    for quantity, values in (("wan_primary_latency", [20.0] * 60 + [80.0] * 20), ("wan_primary_loss", [4.0] * 80)):
        sensor = Sensor.objects.create(
            site=site, code=f"cordoba.{quantity}", name=quantity, quantity=quantity, unit="ms", interval_s=3600
        )
        begin = clock.now() - timedelta(hours=79)
        deliver(space, minutes(sensor, begin, values, step_s=3600), clock.now())
    told = {c["path"]: c["evidence"] for c in of(signed_in("operator"))["circuits"]}
    assert told["primary"] == [
        "loses 4.0 % in the last day", "latency 80 ms in the last day, 20 ms in the days before",
    ]  # fmt: skip
    assert told["backup"] == []


def test_wan_06_a_dispatch_is_whole_and_names_its_blanks(signed_in: Signed, clock: FastClock) -> None:
    """Account, contract, phone and mail of the record; a page to send it from."""
    two_paths(a_site(hazards="dog <b>", local_support="Ana"))
    row = Circuit.objects.get(path="primary")
    row.account, row.contract, row.dispatch_phone, row.lead_time_days = "IBL-4000", "K-7", "+34 900 000 103", 45
    row.save()
    row.vendor.email = "noc@example.org"
    row.vendor.save()
    operator = signed_in("operator")
    told = operator.get("/api/v1/lifelines/circuits/cordoba-primary/dispatch").json()
    assert (told["to"], told["phone"]) == ("noc@example.org", "+34 900 000 103")
    for words in ("IBL-4000", "K-7", "cordoba-primary", "45 days", "Last mile: not recorded", "On site: Ana"):
        assert words in told["body"]
    assert told["blank"] == ["Last mile", "Response agreed"]
    shown = page(operator, "/circuits/cordoba-primary/dispatch/")
    assert "mailto:noc@example.org?subject=" in shown
    assert "dog &lt;b&gt;" in shown
    assert operator.get("/api/v1/lifelines/circuits/none/dispatch").status_code == 404


def test_wan_08_a_device_shows_every_zone_that_it_reaches(signed_in: Signed) -> None:
    """Direct and through others; without zone or policy nothing is claimed."""
    device = a_device(zone="telemetry")
    template, operator = a_site().template, signed_in("operator")
    unknown = operator.get(f"/api/v1/lifelines/devices/{device.pk}/reach").json()
    assert "unknown" in unknown["unknown"]
    template.flows = [{"from": a, "to": b, "what": w} for a, b, w in FLOWS]
    template.save()
    told = operator.get(f"/api/v1/lifelines/devices/{device.pk}/reach").json()
    assert [(z["zone"], z["is_direct"]) for z in told["zones"]] == [("control", True), ("office", False)]
    assert "control to office: rdp" in page(operator, f"/devices/{device.pk}/reach/")
    device.zone = ""
    device.save()
    assert "has no zone on record" in page(operator, f"/devices/{device.pk}/reach/")


FLOWS = [("telemetry", "control", "modbus"), ("control", "office", "rdp"), ("guest", "telemetry", "none")]


def a_meter(site: str, quantity: str = "power", name: str = "Mains") -> Sensor:
    """A meter of a site."""
    row = a_site(site)
    code = f"{site}.{name.lower()}.{quantity}"
    return Sensor.objects.create(site=row, code=code, name=name, quantity=quantity, unit="on", interval_s=300)


def says(sensor: Sensor, now: datetime, *values: float) -> None:
    """What it said in the last minutes, the last one now."""
    begin = now - timedelta(minutes=len(values) - 1)
    deliver(a_space(sensor.site.code), minutes(sensor, begin, values), now)


@pytest.mark.parametrize(
    ("own", "around", "verdict"),
    [
        ({"Mains": (1.0, 1.0, 1.0), "Rack outlet": (1.0, 0.0, 0.0)}, (1.0, 1.0, 1.0), "local_outlet"),
        ({"Mains": (1.0, 0.0, 0.0)}, (1.0, 1.0, 1.0), "facility_event"),
        ({"Mains": (1.0, 0.0, 0.0)}, (1.0, 0.0, 0.0), "utility"),
        ({"Mains": (1.0, 0.0, 0.0)}, (), "unknown"),
    ],
)
def test_pwr_03_three_losses_of_power_are_told_apart_from_the_readings(
    own: dict[str, tuple[float, ...]], around: tuple[float, ...], verdict: str, system: Authority, clock: FastClock
) -> None:
    """A rack outlet, the building, the street; alone in its city nobody can tell the last two apart."""
    site, now = a_site(), clock.now()
    for name, values in own.items():
        says(a_meter("cordoba", name=name), now, *values)
    a_site("far", city="Faro")
    says(a_meter("far"), now, 0.0, 0.0, 0.0)
    if around:
        says(a_meter("levante"), now, *around)
    judge(Engine(), now)
    found = power_verdict(site, telemetry.site_view(site.pk, now), now)
    assert found.verdict == verdict
    assert any("lost at" in r for r in found.reasons)
    assert not any("Far" in r for r in found.reasons)
    assert lifelines(system, site, now).power.verdict == found


@pytest.mark.parametrize(
    ("due_in", "warning"),
    [(None, "no replacement date is recorded"), (61, ""), (60, "due in 60 days"), (-3, "overdue for 3 days")],
)
def test_pwr_01_a_battery_warns_before_its_replacement_date(
    due_in: int | None, warning: str, signed_in: Signed, clock: FastClock
) -> None:
    """With its age, and the UPS's own runtime at its present load; a UPS without a date says so."""
    today = clock.now().date()
    due = None if due_in is None else today + timedelta(days=due_in)
    a_device(
        name="ups-1", component_class="ups", model=a_model("UPS-1", "ups"),
        battery_fitted_on=today - timedelta(days=900), battery_due_on=due,
    )  # fmt: skip
    says(a_meter("cordoba", "ups", "UPS runtime"), clock.now(), 42.0, 41.0)
    judge(Engine(), clock.now())
    power = of(signed_in("operator"))["power"]
    assert power["runtime_min"] == 41.0
    assert [(b["age_days"], b["warning"]) for b in power["batteries"]] == [(900, warning)]
    assert (warning or "due ") in page(signed_in("operator"), "/sites/cordoba/lifelines/")


def test_pwr_01_a_battery_is_not_due_before_it_was_fitted(acting: Callable[..., Authority], now: datetime) -> None:
    """The record refuses it."""
    row = a_device(name="ups-1", component_class="ups")
    values = {"battery_fitted_on": date(2026, 1, 2), "battery_due_on": date(2026, 1, 2)}
    with pytest.raises(Exception, match="not after it was fitted"):
        registry.change(acting("it"), "device", row.pk, values, now=now)


def test_pwr_01_a_silent_ups_has_no_runtime(signed_in: Signed, clock: FastClock) -> None:
    """What it said an hour ago is not what it has."""
    says(a_meter("cordoba", "ups", "UPS runtime"), clock.now(), 42.0)
    judge(Engine(), clock.now())
    clock.advance(3600)
    assert of(signed_in("operator"))["power"]["runtime_min"] is None
    assert "silent" in page(signed_in("operator"), "/sites/cordoba/lifelines/")


def test_pwr_02_the_steps_of_shutting_down_stand_in_the_order_in_which_they_were_told(
    machine: str, signed_in: Signed
) -> None:
    """Taken and taken back."""
    steps = [(1, "inventory", False), (2, "backlog", False), (2, "backlog", True), (1, "inventory", True)]
    for n, (number, what, undone) in enumerate(steps):
        note: dict[str, Any] = {
            "kind": "shutdown_step",
            "step": what,
            "number": number,
            "at_us": n,
            "why": "on battery",
        }
        tell(machine, notes=[note | ({"is_undone": True} if undone else {})])
    told = of(signed_in("operator"))["shutdown"]
    assert [(s["number"], s["what"], s["is_undone"]) for s in told] == steps
    assert "taken back" in page(signed_in("operator"), "/sites/cordoba/lifelines/")


def test_pwr_04_pwr_05_generator_and_cabinet_are_shown_apart_from_product(signed_in: Signed, clock: FastClock) -> None:
    """Fuel and a failed start; air, humidity and dew point of the cabinet, and no fridge among the cabinets."""
    a_space()
    for quantity, value in (("power", 0.0), ("generator", 0.0), ("generator_fuel", 60.0)):
        says(
            a_meter("cordoba", quantity, quantity), clock.now(), *[1.0 if quantity == "power" else value, *[value] * 9]
        )
    cabinet = a_space(code="rack", kind="cabinet", profile=None)
    for code, quantity, role, value in (("air", "temperature", "cabinet", 20.0), ("rh", "humidity", "", 92.0)):
        says(a_sensor(cabinet, code, quantity=quantity, role=role, unit="x"), clock.now(), value)
    judge(Engine(), clock.now())
    found = of(signed_in("operator"))
    assert (found["power"]["generator"], found["power"]["fuel_pct"]) == ("failed_to_start", 60.0)
    (shown,) = found["cabinets"]
    assert (shown["code"], shown["air_c"], shown["humidity_pct"]) == ("rack", 20.0, 92.0)
    assert shown["dew_point_c"] == pytest.approx(18.7, abs=0.1)


def a_warm_space(clock: FastClock, doors: list[float], **more: list[float]) -> tuple[Space, datetime]:
    """A fridge that is calm for 30 min, then leaves its range and comes back; what its door and others said."""
    space, (probe,) = a_monitored_space(clock.now())
    values = [5.0, 5.1] * 15 + [6.0, 6.8, 7.6, 8.3, 8.9, 9.2, 9.0, 8.4, 7.6, 6.6] + [5.5, 5.4] * 10
    start, end = clock.now(), clock.now() + timedelta(minutes=len(values))
    found = minutes(probe, start, values)
    for quantity, said in {"door": doors, **more}.items():
        found += minutes(a_sensor(space, quantity, quantity=quantity, role="", unit="x", interval_s=300), start, said)
    deliver(space, found, end)
    clock.advance(len(values) * 60)
    Rounds().judge_waiting(end)
    return space, end


OPENED = [0.0] * 28 + [1.0] * 8 + [0.0] * 24


def test_tel_10_an_excursion_after_a_door_stood_open_is_labelled_with_the_door_events(
    signed_in: Signed, clock: FastClock
) -> None:
    """The label is an entry with the openings; measured time and peak stay; page and API show opening and rise."""
    space, end = a_warm_space(clock, OPENED)
    (row,) = Excursion.objects.filter(superseded_at=None)
    assert row.cause == "door open"
    assert (row.peak_c, row.ended_at is not None) == (9.2, True)
    assert row.measured_s > 0
    told = Event.objects.get(kind="telemetry.excursion_explained").data
    assert [seconds for _, seconds in told["openings"]] == [480]
    period = {"start": (end - timedelta(hours=2)).isoformat(), "end": end.isoformat()}
    found = signed_in("operator").get(f"/api/v1/lifelines/spaces/{space.pk}/doors", period).json()
    (one,) = found["openings"]
    assert (one["open_s"], one["rise_c"]) == (480.0, pytest.approx(4.2, abs=0.15))
    assert found["coupling"] is None
    shown = page(signed_in("operator"), "/sites/cordoba/fridge-1/doors/")
    assert "<b>door open</b>" in shown
    assert "<svg" in shown
    assert 'href="/sites/cordoba/fridge-1/doors/">door open' in page(signed_in("operator"), "/sites/cordoba/fridge-1/")


@pytest.mark.parametrize(
    ("doors", "more"),
    [
        ([0.0] * 60, {}),
        (OPENED, {"compressor_fault": [0.0] * 20 + [1.0] * 40}),
        ([0.0] * 45 + [1.0] * 8 + [0.0] * 7, {}),
    ],
    ids=["closed", "compressor failed too", "opened afterwards"],
)
def test_tel_10_an_excursion_that_a_door_does_not_explain_alone_has_no_such_label(
    doors: list[float], more: dict[str, list[float]], clock: FastClock
) -> None:
    """Never in place of a fault."""
    a_warm_space(clock, doors, **more)
    assert [e.cause for e in Excursion.objects.filter(superseded_at=None)] == [""]


def test_tel_10_a_space_without_a_door_sensor_says_so(signed_in: Signed, clock: FastClock) -> None:
    """Nothing is known, which is not the same as closed."""
    a_monitored_space(clock.now())
    assert "has no door sensor" in page(signed_in("operator"), "/sites/cordoba/fridge-1/doors/")
    assert signed_in("operator").get("/sites/cordoba/none/doors/").status_code == 404


def test_wan_02_a_waiver_is_opened_by_page_and_by_api(signed_in: Signed, clock: FastClock) -> None:
    """Both need somebody who may; the page offers what is absent."""
    site = a_site("jaen", state="commissioning")
    it, manager = signed_in("it"), signed_in("supervisor")
    assert it.post("/onboarding/jaen/start/").status_code == 302
    body = {"component": "backup_path", "reason": "the mast comes", "until": "2027-01-01T00:00:00Z"}
    path = "/api/v1/fleet/sites/jaen/waivers"
    assert it.post(path, body, content_type="application/json").status_code == 403
    assert "backup path" in page(manager, "/onboarding/jaen/")
    made = manager.post("/onboarding/jaen/waive/", body | {"until": "2026-12-01T00:00"})
    assert made.status_code == 302
    again = manager.post(path, body, content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (422, "fleet.waiver_component")
    assert LogEntry.objects.filter(kind="fleet.component_waived", site_id=site.pk).count() == 1


def test_the_page_of_a_bare_site_says_what_is_not_known(signed_in: Signed, clock: FastClock) -> None:
    """No circuit, no meter, no test: nothing is called good; another's site is not shown."""
    a_site()
    shown = page(signed_in("operator"), "/sites/cordoba/lifelines/")
    for words in (
        "No circuit is recorded",
        "No uplink was tested alone",
        "never tried",
        "is not known",
        "not measured",
    ):
        assert words in shown
    assert signed_in("operator").get(f"/api/v1/lifelines/devices/{UUID(int=5)}/reach").status_code == 404
