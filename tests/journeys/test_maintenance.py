"""Maintenance across rooms: parts by their serials, incidents and alarm windows, and the orders inside a pack."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.conftest import START
from tests.doors.pages import trouble
from tests.rooms.evidence.second import second_verdicts
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_unit, system
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_device
from waystation.alarms import actions as alarms
from waystation.evidence import placed
from waystation.evidence.rules import pack as packing
from waystation.evidence.verifier.verify import verify_pack
from waystation.fleet import upkeep
from waystation.fleet.upkeep import Asked, Plan, Result
from waystation.journeys import evidence_pack, maintenance, story
from waystation.journeys.doctor import findings
from waystation.journeys.maintenance import COLUMNS, Named
from waystation.journeys.paper.contents import contents
from waystation.journeys.paper.document import paper
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotFound, Refusal
from waystation.registry.models import Device, Site
from waystation.spares.actions import travel
from waystation.spares.actions.sourcing import source
from waystation.telemetry.engine import Engine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)
FOUND = Result("done", "Fan stuck, replaced", started_at=START)


def order(by: Authority, device: Device | None = None, named: Named | None = None, **changes: Any) -> UUID:
    """Four hours for a fan of the controller."""
    one = device or a_device()
    base = Plan(one.pk, "corrective", "replace", "Controller fan", START, START + 4 * HOUR)
    return maintenance.plan(by, replace(base, **changes), named or Named(), now=START).pk


def a_unit_at_the_site() -> str:
    """A unit that was sourced, travelled and is at Córdoba."""
    a_lane(a_hub(), 30)
    a_unit("S-1", a_hub())
    sent = source(system(), a_need(), now=START).dispatch
    assert sent is not None
    for verb, hours in ((travel.pick, 0.1), (travel.ship, 0.2), (travel.deliver, 0.5)):
        verb(system(), sent.pk, now=START + hours * HOUR)
    travel.install(system(), sent.unit_id, now=START + 0.6 * HOUR, device_name="ctl-1")
    return "S-1"


def test_evd_11_a_part_with_a_serial_is_the_unit_that_custody_has_at_the_site(acting: Acting) -> None:
    """Its id, serial and catalogue code stand in the order; what has no serial is said in words."""
    by = acting("facilities")
    serial = a_unit_at_the_site()
    key = order(by)
    row = maintenance.finish(by, key, FOUND, serials=[serial, " "], other_parts=[" Grease "], now=START + HOUR)
    assert [(p["serial"], p["part"]) for p in row.parts[:1]] == [("S-1", "CTL-220")]
    assert row.parts[1:] == [{"text": "Grease"}]
    assert [o.pk for o in upkeep.orders(by, Asked(part="S-1"), START)] == [key]


def test_evd_11_a_part_that_is_elsewhere_by_its_custody_is_refused(acting: Acting) -> None:
    """Work cannot use what a hub still has; an unknown serial is no free text."""
    by = acting("facilities")
    a_unit("S-2", a_hub())
    key = order(by)
    with pytest.raises(Conflict, match="Sevilla") as refused:
        maintenance.finish(by, key, FOUND, serials=["S-2"], other_parts=[], now=START + HOUR)
    assert refused.value.code == "maintenance.part_elsewhere"
    with pytest.raises(NotFound):
        maintenance.finish(by, key, FOUND, serials=["S-2O"], other_parts=[], now=START + HOUR)
    assert upkeep.order(by, key).state == "planned"


def test_evd_11_an_order_names_the_incident_and_the_alarm_window_of_its_site(acting: Acting) -> None:
    """By the name that people use; neither may be of another site."""
    by = acting("facilities", "supervisor")
    a_monitored_space(START)
    _, incident = trouble()
    quiet = {"reason": "Fan", "rules": ["compressor_fault"], "ends_at": START + 4 * HOUR}
    window = alarms.suppress(by, incident.site_id, "window", now=START, **quiet)
    row = upkeep.order(by, order(by, named=Named(f"INC-{incident.number}", window.pk)))
    assert (row.incident_id, row.suppression_id) == (incident.pk, window.pk)
    there = a_device("jaen", "gw-9")
    for named in (Named(f"INC-{incident.number}"), Named("", window.pk)):
        with pytest.raises(BadInput) as refused:
            order(by, there, named)
        assert refused.value.code == "maintenance.other_site"
    for named in (Named("INC-99"), Named("", uuid4())):
        with pytest.raises(Refusal):
            order(by, named=named)
    assert "ids.dangling" not in {f.code for f in findings(START)}


def test_evd_12_an_exported_order_has_utc_times_its_sites_id_and_the_schema(acting: Acting) -> None:
    """And no cell that a spreadsheet would run."""
    by = acting("facilities")
    order(by, what="=cmd|calc", person="@sum")
    done = order(by, a_device(name="gw-2"))
    maintenance.finish(by, done, FOUND, serials=[], other_parts=["Fan"], now=START + 6 * HOUR)
    text = maintenance.as_csv(maintenance.page(by, Asked(), "cordoba", START + 7 * HOUR).rows, START + 7 * HOUR)
    lines = {line["device"]: line for line in csv.DictReader(io.StringIO(text))}
    assert tuple(lines["gw-1"]) == COLUMNS
    site = str(Site.objects.get(code="cordoba").pk)
    for line in lines.values():
        assert (line["schema"], line["site_id"], line["site"]) == ("waystation.maintenance/1", site, "cordoba")
        assert line["planned_start"] == "2026-11-17T06:00:00Z"
    assert (lines["gw-1"]["what"], lines["gw-1"]["person"]) == ("'=cmd|calc", "'@sum")
    assert (lines["gw-1"]["standing"], lines["gw-1"]["late_s"]) == ("overdue", "10800")
    assert (lines["gw-2"]["parts"], lines["gw-2"]["ended_at"], lines["gw-2"]["late_s"]) == (
        *("Fan", "2026-11-17T12:00:00Z"),
        "7200",
    )


def test_evd_11_overdue_work_of_every_site_is_counted_and_listed(acting: Acting) -> None:
    """Of every site that one sees."""
    by = acting("facilities")
    late = order(by, start=START - 9 * HOUR, end=START - 8 * HOUR)
    order(by, a_device("jaen", "gw-7"), end=START + 9 * HOUR)
    later = order(by, a_device(name="gw-2"))
    found = maintenance.page(by, Asked(standing="overdue"), "", START + 5 * HOUR, most=2)
    assert ([o.pk for o in found.rows], found.found) == ([later, late], 2)


def a_pack() -> bytes:
    """Two hours of a fridge in which a fan was replaced, a filter left undone and a battery cancelled."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, [5.0 + 0.1 * (i % 2) for i in range(125)]), START + 2 * HOUR)
    judge(Engine(), START + 2 * HOUR)
    by = system()
    done = order(by)
    maintenance.start(by, done, person="Luis", now=START + HOUR / 2)
    maintenance.finish(by, done, FOUND, serials=[], other_parts=["Fan"], now=START + HOUR)
    order(by, a_device(name="gw-2"), what="Filter", end=START + HOUR)
    maintenance.cancel(by, order(by, a_device(name="gw-3"), what="Battery"), reason="Device goes", now=START + HOUR)
    order(by, a_device(name="gw-4"), what="Next year", start=START + 90 * HOUR, end=START + 91 * HOUR)
    order(by, a_device("jaen", "gw-5"), what="Elsewhere")
    return evidence_pack.make(by, "cordoba", START, START + 2 * HOUR, now=START + 12 * HOUR, wait=_never)


def _never() -> None:
    raise AssertionError("nothing is to be waited for")


def members(data: bytes) -> dict[str, bytes]:
    """What is in an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_evd_11_a_pack_holds_the_maintenance_of_its_period_word_for_word() -> None:
    """Every entry about each order that touches the period, and whether it was overdue when the period ended."""
    made = members(a_pack())
    rows = json.loads(made["maintenance.json"])
    assert {(r["facts"]["what"], r["at_the_end"]) for r in rows} == {
        *(("Controller fan", "ended"), ("Filter", "overdue"), ("Battery", "ended")),
    }
    fan = [r for r in rows if r["facts"]["what"] == "Controller fan"]
    assert [r["facts"]["order"]["state"] for r in fan] == ["planned", "underway", "done"]
    assert fan[-1]["facts"]["parts"] == ["Fan"]
    for row in rows:
        assert row["facts"] == json.loads(made[packing.entry_path(row["entry"])])["facts"]


def test_evd_11_no_word_of_the_maintenance_in_a_pack_can_be_changed_unseen() -> None:
    """Both verifiers accept it as made, and refuse it altered, emptied or left out, even with a manifest that fits."""
    data = a_pack()
    trust = placed.trust("iberia")
    whole = members(data)
    kept = whole["maintenance.json"]
    changed = {
        "another result": kept.replace(b"Fan stuck, replaced", b"Fan well, unchanged"),
        "another person": kept.replace(b'"Luis"', b'"Olga"'),
        "emptied": b"[]\n",
        "no longer overdue": kept.replace(b'"overdue"', b'"ended"'),
        "left out": None,
    }
    packs = [data]
    for name, content in changed.items():
        assert content != kept, name
        bent = {k: v for k, v in whole.items() if k not in (packing.MANIFEST, "maintenance.json")}
        packs.append(packing.build_pack(bent | ({} if content is None else {"maintenance.json": content})))
    first = [verify_pack(one, trust) for one in packs]
    second = second_verdicts(packs, trust)
    assert (first[0].ok, second[0]["verified"]) == (True, True)
    for one, other in zip(first[1:], second[1:], strict=True):
        assert {r.member for r in one.refusals} == {"maintenance.json"} == {r["member"] for r in other["refusals"]}


def test_evd_11_the_paper_of_a_pack_tells_its_maintenance() -> None:
    """The newest word on each order, overdue work in capitals; a pack from before says that it holds none."""
    data = a_pack()
    told = {m["what"].partition(": ")[2]: m for m in contents(data)["maintenance"]}
    assert (told["Filter"]["state"], told["Controller fan"]["state"]) == ("OVERDUE", "done")
    assert told["Controller fan"]["told"] == "Fan; Fan stuck, replaced"
    assert told["Battery"]["told"] == "Device goes"
    assert paper(data).startswith(b"%PDF")
    whole = {k: v for k, v in members(data).items() if k not in (packing.MANIFEST, "maintenance.json")}
    before = packing.build_pack(dict(whole))
    assert contents(before)["maintenance"] is None
    assert paper(before).startswith(b"%PDF")


def test_evd_01_the_story_of_a_site_tells_its_maintenance_in_order(acting: Acting) -> None:
    """Planned, begun, done, each with its entry."""
    by = acting("facilities", "auditor")
    key = order(by)
    maintenance.start(by, key, person="Luis", now=START + HOUR)
    maintenance.finish(by, key, FOUND, serials=[], other_parts=["Fan"], now=START + 2 * HOUR)
    lines = story.story(by, Site.objects.get(code="cordoba"), START, START + 3 * HOUR)
    told = [line for line in lines if line.words.startswith("fleet: maintenance")]
    assert [line.words.removeprefix("fleet: maintenance ") for line in told] == ["planned", "started", "done"]
    assert all(line.seq for line in told)
    assert told[-1].detail.endswith("device gw-1, found Fan stuck, replaced, parts Fan, what Controller fan, who Luis")
