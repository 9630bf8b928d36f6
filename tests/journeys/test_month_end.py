"""A closed month is reported by itself, the same bytes whenever it is asked for, with what it lacked."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_device, a_service_class, a_site
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import LogEntry
from waystation.fleet import upkeep
from waystation.fleet.upkeep import Plan, Result
from waystation.incidents import actions as incidents
from waystation.journeys import month_end
from waystation.journeys.month_end import Months, Scope, make
from waystation.journeys.month_files import KINDS
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed, NotFound, NotReady
from waystation.registry.models import ServiceClass, Site, Vendor
from waystation.service_levels import actions as service_levels
from waystation.service_levels import editions
from waystation.service_levels.rules.month import bounds, settled_at
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.hours import Hours

pytestmark = pytest.mark.django_db
MONTH = "2026-11"
OPENED = datetime(2026, 11, 30, 20, tzinfo=UTC)  # four hours of the month are enough to be measured
CLOSED = settled_at(MONTH)


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


def _opened(system: Authority, code: str, at: datetime = OPENED, state: str = "active") -> Site:
    """The log says that the site became this then."""
    site = a_site(code)
    facts = {"from": "commissioning", "to": state}
    record([], entry=NewEntry("registry.site_state", site.pk, system, at, site.pk, facts=facts))
    return site


def _month(system: Authority, values: list[float | None]) -> Site:
    """Córdoba opens at 20:00 on the last day of November; its fridge says these values, one a minute."""
    space, (probe,) = a_monitored_space(OPENED)
    site = _opened(system, "cordoba")
    deliver(space, minutes(probe, OPENED, values), OPENED + timedelta(minutes=len(values)))
    judge(Engine(), OPENED + timedelta(minutes=len(values)))
    return site


def _calm(count: int) -> list[float | None]:
    return [5.0 + 0.1 * (i % 2) for i in range(count)]


def _kept(month: str = MONTH, number: int = 1) -> dict[str, bytes]:
    return {kind: editions.content(editions.one(month, number), kind) for kind in KINDS}


def test_sla_12_the_worker_reports_a_closed_month_with_no_manual_step(system: Authority) -> None:
    """Nothing before it has settled; one edition after, with three files whose digests stand in its entry."""
    _month(system, _calm(240))
    months = Months()
    assert months.run(system, CLOSED - timedelta(seconds=1)) == 0
    assert months.run(system, CLOSED) == 1
    assert months.run(system, CLOSED + timedelta(hours=1)) == 0
    entry = LogEntry.objects.get(kind=editions.MADE)
    said = json.loads(bytes(entry.leaf))["facts"]["files"]
    assert said == {kind: sha256(content).hexdigest() for kind, content in _kept().items()}
    document = json.loads(_kept()["json"])
    assert document["schema"] == "waystation.month/1"
    assert document["summary"]["sites"] == document["summary"]["sites_kept"] == 1
    assert document["summary"]["uptime_pct"] == 100.0
    assert _kept()["pdf"].startswith(b"%PDF")


def test_sla_12_maintenance_stands_as_it_stood_when_the_month_had_settled(system: Authority) -> None:
    """Done, still overdue, told after the cut-off, of another month: two lines; a begin told late is edition 2."""
    _month(system, _calm(240))
    device = a_device("cordoba", "ups-1")

    def order(what: str, start: datetime, now: datetime = OPENED) -> UUID:
        asked = Plan(device.pk, "preventive", "replace", what, start, start + timedelta(hours=2))
        return upkeep.plan(system, asked, now=now).pk

    done, late = order("battery", OPENED), order("filter", OPENED + timedelta(hours=1))
    order("next year", OPENED + timedelta(days=400))
    order("told late", OPENED, CLOSED + timedelta(hours=1))
    began = OPENED + timedelta(hours=1)
    result = Result("done", "as new", person="Ines", started_at=OPENED)
    upkeep.finish(system, done, result, now=began)
    make(system, MONTH, now=CLOSED + timedelta(hours=2))
    lines = json.loads(_kept()["json"])["work"]
    assert [(line["id"], line["what"], line["outcome"]) for line in lines] == [
        (str(done), "battery", "done"),
        (str(late), "filter", "overdue"),
    ]
    assert json.loads(_kept()["json"])["summary"]["work"] == {"done": 1, "overdue": 1}
    upkeep.finish(system, late, replace(result, found="clogged"), now=CLOSED + timedelta(days=3))
    again = make(system, MONTH, now=CLOSED + timedelta(days=4), again=True)
    assert again.edition == 2
    assert "work" in again.changes[0]["words"]


def test_sla_12_work_that_runs_across_a_month_stands_in_it(system: Authority) -> None:
    """Planned and begun before, not ended, or ended after it: both are of the month; what ended before is not."""
    _month(system, _calm(240))
    device, before, end = a_device("cordoba", "ups-1"), OPENED - timedelta(days=40), bounds(MONTH)[1]

    def begun(what: str, ended: datetime | None) -> None:
        asked = Plan(device.pk, "preventive", "replace", what, before, before + timedelta(hours=2))
        order = upkeep.plan(system, asked, now=before).pk
        upkeep.start(system, order, person="Ines", now=before)
        if ended is not None:
            upkeep.finish(system, order, Result("done", "as new", person="Ines"), now=ended)

    begun("runs on", None)
    begun("ended later", end + timedelta(days=1))
    begun("ended before", before + timedelta(hours=1))
    make(system, MONTH, now=CLOSED)
    lines = json.loads(_kept()["json"])["work"]
    assert {(line["what"], line["outcome"]) for line in lines} == {("runs on", "overdue"), ("ended later", "done")}


def test_sla_12_a_higher_priority_later_is_no_other_month(system: Authority) -> None:
    """What joins an incident after its month has settled makes it more urgent, and no edition more."""
    site = _month(system, _calm(240))

    def warm(priority: str, now: datetime) -> None:
        incidents.open(system, "excursion", site.pk, title="Warm", priority=priority, now=now)

    warm("P4", OPENED)
    make(system, MONTH, now=CLOSED)
    warm("P1", CLOSED + timedelta(days=1))
    assert make(system, MONTH, now=CLOSED + timedelta(days=2), again=True).edition == 1
    assert [line["priority"] for line in json.loads(_kept()["json"])["incidents"]] == ["P4"]


def test_sla_12_a_closed_month_gives_the_same_bytes_later_although_its_site_is_another_by_then(
    system: Authority,
) -> None:
    """Renamed, in another class with other targets, a fortnight on and looked at again: not one byte differs."""
    site = _month(system, _calm(200) + [None] * 40)
    make(system, MONTH, now=CLOSED)
    before = _kept()
    site.name = "Another name"
    site.save()
    ServiceClass.objects.create(**a_service_class("C", save=False, monitoring_availability_pct=1.0))
    service_levels.set_class(
        system, site.pk, "C", inputs={"criticality": "food"}, reason="moved", now=CLOSED + timedelta(days=1)
    )
    row = make(system, MONTH, now=CLOSED + timedelta(days=14), again=True)
    assert row.edition == 1
    assert _kept() == before
    assert {kind: month_end.report(system, row, kind) for kind in KINDS} == before
    (line,) = json.loads(before["json"])["sites"]
    assert (line["kept"], line["service_class"]) == ("no", "A")


@pytest.mark.parametrize("moved_within", [True, False])
def test_sla_12_a_month_is_measured_by_the_class_that_was_in_force_as_it_ended(
    moved_within: bool, system: Authority
) -> None:
    """Moved in the month: the class it was moved to counts; moved after its end, before the report: it does not."""
    site = _month(system, _calm(240))
    end = bounds(MONTH)[1]
    for code, at in (("B", OPENED + timedelta(hours=1)), ("C", end)):
        ServiceClass.objects.create(**a_service_class(code, save=False, recovery_h=9.0))
        if moved_within or code == "C":
            service_levels.set_class(system, site.pk, code, inputs={"criticality": "food"}, reason="moved", now=at)
    make(system, MONTH, now=CLOSED)
    found = json.loads(_kept()["json"])
    assert [line["service_class"] for line in found["sites"]] == ["B" if moved_within else "A"]
    assert list(found["classes"]) == ["B" if moved_within else "A"]


def test_sla_12_what_comes_late_makes_another_edition_beside_the_first(system: Authority) -> None:
    """An hour that arrives after the cut-off is in edition 2, which says what changed; edition 1 keeps its bytes."""
    space, (probe,) = a_monitored_space(OPENED)
    _opened(system, "cordoba")
    deliver(space, minutes(probe, OPENED, _calm(180)), OPENED + timedelta(hours=3))
    judge(Engine(), OPENED + timedelta(hours=3))
    make(system, MONTH, now=CLOSED)
    first = _kept()
    deliver(space, minutes(probe, OPENED + timedelta(hours=3), _calm(60)), CLOSED + timedelta(days=1))
    judge(Engine(), CLOSED + timedelta(days=1))
    row = make(system, MONTH, now=CLOSED + timedelta(days=2), again=True)
    assert row.edition == 2
    assert [c["site"] for c in row.changes] == ["cordoba"]
    assert "signals" in row.changes[0]["words"]
    assert _kept() == first
    shown = [json.loads(_kept(number=n)["json"])["summary"]["uptime_pct"] for n in (1, 2)]
    assert shown[0] < 76 < 99 < shown[1]
    assert month_end.edition(system, MONTH).edition == 1
    assert month_end.later(month_end.edition(system, MONTH), month_end.months(system)) == row
    assert month_end.name_of(row, "pdf") == "month-2026-11.edition-2.pdf"


def test_sla_12_an_excursion_an_incident_and_a_window_are_in_the_month_as_the_pages_count_them(
    system: Authority,
) -> None:
    """One excursion with its minutes; an incident not over at the end is open; a window nobody came to is missed."""
    site = _month(system, [*_calm(60), *[9.4] * 20, *_calm(160)])
    vendor = Vendor.objects.create(code="coolfix", name="Coolfix", kind="refrigeration")
    service_levels.plan_window(
        system, vendor.pk, site.pk, what="defrost", start=OPENED, end=OPENED + timedelta(hours=1), now=OPENED
    )
    incidents.open(
        system, "compressor_fault", site.pk, title="Compressor", priority="P2", now=OPENED + timedelta(hours=2)
    )
    make(system, MONTH, now=CLOSED)
    found = json.loads(_kept()["json"])
    (out,) = found["excursions"]
    assert (out["site"], out["space"]) == ("cordoba", "Fridge-1")
    assert 18 * 60 <= out["measured_s"] <= 22 * 60
    (incident,) = found["incidents"]
    assert (incident["recovery"], incident["restored_at"]) == ("open", "")
    assert found["summary"]["windows"] == {"missed": 1}


def test_evd_13_every_report_states_the_share_of_inputs_it_had_and_what_was_missing(system: Authority) -> None:
    """A quarter of the readings and a visit are missing: both are named, and the least complete kind is the share."""
    site = _month(system, _calm(180) + [None] * 60)
    vendor = Vendor.objects.create(code="coolfix", name="Coolfix", kind="refrigeration")
    service_levels.plan_window(
        system, vendor.pk, site.pk, what="defrost", start=OPENED, end=OPENED + timedelta(hours=1), now=OPENED
    )
    make(system, MONTH, now=CLOSED)
    inputs = json.loads(_kept()["json"])["inputs"]
    shares = {k["input"]: k["pct"] for k in inputs["kinds"]}
    assert 74 <= shares["space hours that the readings show"] <= 76
    assert shares["visits of vendor windows"] == 0.0
    assert inputs["complete_pct"] == 0.0
    missing = {(m["site"], m["words"].split(":")[0]): m["lacks"] for m in inputs["missing"]}
    assert missing["cordoba", "no visit recorded"] == 1
    assert 0.9 <= missing["cordoba", "not shown"] <= 1.1


def test_evd_12_each_row_of_a_month_carries_utc_site_and_schema(system: Authority) -> None:
    """Every row of the table names the schema, an instant that ends in Z and the id of a site that there is."""
    site = _month(system, [*_calm(60), *[9.4] * 20, *_calm(100), *[None] * 60])
    make(system, MONTH, now=CLOSED)
    rows = list(csv.DictReader(io.StringIO(_kept()["csv"].decode())))
    assert {r["section"] for r in rows} >= {"sites", "excursions", "missing"}
    for row in rows:
        assert row["schema"] == "waystation.month/1"
        assert row["at"].endswith("Z")
        assert datetime.fromisoformat(row["at"]).utcoffset() == timedelta(0)
        assert row["site_id"] == str(site.pk)


def test_sla_12_a_part_of_a_report_says_the_same_of_its_sites_as_the_whole(system: Authority) -> None:
    """By network or by site: the lines are the whole's, the sums are of these lines; what is not there is refused."""
    _month(system, _calm(240))
    _opened(system, "faro")
    row = make(system, MONTH, now=CLOSED)
    whole = month_end.document(system, row)
    one = month_end.document(system, row, Scope(site="faro"))
    assert one["sites"] == [s for s in whole["sites"] if s["site"] == "faro"]
    assert one["summary"]["sites"] == 1
    assert month_end.document(system, row, Scope(network="iberia"))["summary"] == whole["summary"]
    assert month_end.name_of(row, "csv", Scope(site="faro")) == "month-2026-11.site-faro.csv"
    with pytest.raises(NotFound):
        month_end.document(system, row, Scope(site="nowhere"))
    with pytest.raises(BadInput):
        month_end.document(system, row, Scope(site="faro", network="iberia"))
    with pytest.raises(BadInput):
        month_end.report(system, row, "doc")


def test_sla_12_who_sees_one_site_reads_that_site_and_who_sees_none_reads_nothing(
    system: Authority, acting: Callable[..., Authority]
) -> None:
    """A grant at one site shows the lines, gaps and changes of that site alone."""
    site = _month(system, _calm(240))
    _opened(system, "faro")
    row = make(system, MONTH, now=CLOSED)
    local = Authority(system.principal_id, "Ana", ("site_contact",), {"service_levels.read": frozenset({str(site.pk)})})
    told = month_end.report(local, row, "json").decode()
    assert "cordoba" in told
    assert "faro" not in told
    with pytest.raises(NotAllowed):
        month_end.edition(acting(), MONTH)


def test_sla_12_a_month_that_is_open_empty_or_unknown_is_refused_in_words(system: Authority) -> None:
    """Not settled yet, no site active, no month, no report, no edition, no such file: each says the next step."""
    _month(system, _calm(10))
    with pytest.raises(NotReady, match="until 4 Dec 2026 00:00 UTC"):
        make(system, MONTH, now=CLOSED - timedelta(hours=1))
    with pytest.raises(NotFound, match="No site was active"):
        make(system, "2026-09", now=CLOSED)
    with pytest.raises(BadInput, match="is no month"):
        make(system, "2026-13", now=CLOSED)
    with pytest.raises(NotFound, match="no report of 2026-11"):
        month_end.edition(system, MONTH)
    row = make(system, MONTH, now=CLOSED)
    with pytest.raises(NotFound, match="no edition 2"):
        month_end.edition(system, MONTH, 2)
    with pytest.raises(NotFound):
        editions.content(row, "doc")


def test_sla_12_hours_that_wait_are_waited_for_and_then_said_to_be_missing(system: Authority) -> None:
    """33 spaces whose hours nobody has counted: refused for ten days, then made, with the hours named as missing."""
    for number in range(1, 66):
        a_monitored_space(OPENED, code=f"fridge-{number}")
    _opened(system, "cordoba")
    assert Months().run(system, CLOSED) == 0
    with pytest.raises(NotReady, match="not counted yet"):
        make(system, MONTH, now=CLOSED)
    make(system, MONTH, now=bounds(MONTH)[1] + timedelta(days=10))
    assert "not counted yet" in json.loads(_kept()["json"])["inputs"]["missing"][0]["words"]
    Hours().keep(system, CLOSED - timedelta(days=3))
    Hours().keep(system, CLOSED + timedelta(days=8))
    assert make(system, MONTH, now=CLOSED + timedelta(days=8), again=True).edition == 2


def test_sla_12_a_site_that_left_in_the_month_is_measured_until_then(system: Authority) -> None:
    """Paused after two hours: its line ends there; one paused before the month has none."""
    site = _month(system, _calm(120))
    _opened(system, "cordoba", OPENED + timedelta(hours=2), "paused")
    _opened(system, "faro", OPENED - timedelta(days=40))
    _opened(system, "faro", OPENED - timedelta(days=35), "paused")
    Site.objects.filter(code__in=("faro", "cordoba")).update(state="paused")
    make(system, MONTH, now=CLOSED)
    (line,) = json.loads(_kept()["json"])["sites"]
    assert line["site"] == site.code
    assert line["to"] == "2026-11-30T22:00:00Z"
    assert line["signals"]["proven_s"] == pytest.approx(7200, abs=200)
