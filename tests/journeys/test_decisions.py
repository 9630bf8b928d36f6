"""The readings that needed a decision, D1 to D12: each is named by a test that shows it, here or in its room."""

from __future__ import annotations

import ast
import re
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tests.conftest import ROOT, START
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_part, a_unit, system
from tests.samples import a_device, a_model, a_service_class, a_site
from waystation.access import actions as access
from waystation.access.models import Person
from waystation.evidence import sequencer
from waystation.evidence.actions import NewEntry, NewMessage, record
from waystation.evidence.models import Event, LogEntry, LogPosition, OutboxMessage
from waystation.evidence.rules import merkle
from waystation.incidents import actions as incidents
from waystation.incidents import queries as incidents_read
from waystation.incidents.models import Incident, Note
from waystation.journeys import failed_device, restored
from waystation.journeys.measures import by_name, measure_sites
from waystation.registry import actions as registry
from waystation.registry.models import Device, ServiceClass, Site
from waystation.service_levels.rules.tier import TARGETS
from waystation.spares.actions import travel
from waystation.spares.actions.sourcing import source
from waystation.spares.models import TIERS, Dispatch
from waystation.telemetry.views import SensorView, SiteView

HOUR = timedelta(hours=1)
SAID_IN = re.compile(r"\bD(\d{1,2})\b")


def test_every_decision_is_named_by_a_test() -> None:
    """Twelve were taken; the docstring of some test names each."""
    said: set[int] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                said |= {int(n) for n in SAID_IN.findall(ast.get_docstring(node) or "")}
    assert said >= set(range(1, 13)), f"no test names {sorted(set(range(1, 13)) - said)}"


@pytest.mark.django_db
def test_d6_one_service_class_holds_every_target_and_a_hub_tier_is_a_place(now: datetime) -> None:
    """D6: alarm, recovery and stock come from one object; a hub's tier says where it stands and ranks nothing."""
    columns = {f.name for f in ServiceClass._meta.get_fields()}
    assert set(TARGETS) <= columns
    assert {"alarm", "recovery", "stock"} <= set(TARGETS.values())
    held = [f.name for f in Site._meta.get_fields() if f.is_relation and f.related_model is ServiceClass]
    assert held == ["service_class"]
    assert {key for key, _ in TIERS} == {"central", "regional", "local"}


@pytest.mark.django_db
@pytest.mark.parametrize(("near", "far"), [("regional", "local"), ("local", "regional")])
def test_d6_the_tier_of_a_hub_gives_it_no_right_of_way(near: str, far: str) -> None:
    """D6: of two hubs the quicker into service is chosen, whichever of them is called local."""
    quick, slow = a_hub("quick", near), a_hub("slow", far)
    for hub, minutes in ((quick, 40), (slow, 200)):
        a_lane(hub, minutes)
        a_unit(f"S-{hub.code}", hub)
    sent = source(system(), a_need(), now=START).dispatch
    assert sent is not None
    assert sent.from_hub == quick


def _swap() -> tuple[Incident, Device, Dispatch]:
    device = a_device("cordoba", "gw-1", firmware="4.2", zone="telemetry", model=a_model(firmware_target="4.2"))
    row = incidents.open(
        system(), "device_unreachable", device.site_id, title="Gateway", priority="P2", now=START, device_id=device.pk
    )
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    sent = source(system(), a_need(incident=row.pk, name=row.name), now=START).dispatch
    assert sent is not None
    return row, device, sent


def _view(site_id: UUID, device_id: UUID, *, beats: bool, silent: bool, at: datetime) -> SiteView:
    heartbeat = SensorView(
        uuid4(), "cordoba.gw-1", "gateway heartbeat", "heartbeat", "", "alive", None, device_id, 360.0, False, "",
        at, float(beats), at, None, 0.0, silent, "", None, None,
    )  # fmt: skip
    return SiteView(site_id, at, at, False, 360.0, (), (heartbeat,))


@pytest.mark.django_db
def test_d7_restored_is_a_passed_baseline_and_trusted_signals_and_nothing_less() -> None:
    """D7: delivered is not restored, nor installed and silent, nor beating with the wrong firmware."""
    row, device, sent = _swap()

    def stands(at: datetime, *, beats: bool = True, silent: bool = False) -> bool:
        view = _view(device.site_id, device.pk, beats=beats, silent=silent, at=at)
        restored.settle(system(), a_site("cordoba"), view, now=at)
        return Incident.objects.get(pk=row.pk).service_restored_at is not None

    travel.ship(system(), sent.pk, now=START)
    travel.deliver(system(), sent.pk, now=START + HOUR)
    assert not stands(START + HOUR, silent=True)
    assert not stands(START + HOUR, beats=False)
    installed = START + 2 * HOUR
    travel.install(system(), sent.unit_id, now=installed)
    assert not stands(installed), "beats, and has not said what it is"
    registry.check_in(system(), device, {"serial": device.serial, "firmware": "4.1"}, now=installed)
    assert not stands(installed + HOUR), "the wrong firmware"
    registry.check_in(system(), device, {"serial": device.serial, "firmware": "4.2"}, now=installed + HOUR)
    assert not stands(installed + 2 * HOUR, silent=True)
    assert stands(installed + 3 * HOUR)
    told = Event.objects.get(kind="incidents.service_restored")
    assert told.at == installed + 3 * HOUR
    assert told.data["source"] == "baseline re-checked and signals trusted"


@pytest.mark.django_db
def test_dem_02_new_hardware_is_as_old_as_the_day_of_its_swap() -> None:
    """In the zone of its site: ten in the evening in Los Angeles is still that day."""
    row, device, sent = _swap()
    Site.objects.update(zone="America/Los_Angeles")
    Device.objects.update(part=a_part())
    travel.ship(system(), sent.pk, now=START)
    travel.deliver(system(), sent.pk, now=START + HOUR)
    at = START.replace(hour=5) + timedelta(days=1)
    failed_device.swap(system(), row.pk, sent.unit_id, now=at)
    assert Device.objects.get(pk=device.pk).installed_on == at.date() - timedelta(days=1)


@pytest.mark.django_db
def test_d9_a_persons_fields_can_go_and_every_entry_still_verifies(folder: None, now: datetime) -> None:
    """D9: no entry holds a name, an address or the words of a note; with those erased each is proved as before."""
    person = access.create_person(
        system(), email="zenobia.quill@example.org", name="Zenobia Quill", phone="+34 600 123 987", now=now
    )
    row = incidents.open(
        system(), "compressor_fault", a_site("cordoba").pk, title="Fridge 1 fails", priority="P2", now=now
    )
    incidents.note(system(), row.pk, "Zenobia Quill saw frost", standing="reported", now=now)
    sequencer.run(now)
    leaves = {e.seq: bytes(e.leaf) for e in LogEntry.objects.all()}
    for word in (b"Zenobia", b"zenobia", b"Quill", b"123 987", b"frost"):
        assert [seq for seq, leaf in leaves.items() if word in leaf] == []
    page = NewMessage("page", person.email, "page-1", "Fridge 1")
    record([], messages=[page], entry=NewEntry("alarms.paged", row.pk, system(), now))
    sequencer.run(now)
    leaves = {e.seq: bytes(e.leaf) for e in LogEntry.objects.all()}
    access.erase_person(system(), person.pk, reason="asked by the person", now=now)
    sequencer.run(now)
    held = [str(list(model.objects.values())) for model in (Person, OutboxMessage, LogEntry, Event)]
    assert [word for word in ("Zenobia", "zenobia", "123 987") if any(word in rows for rows in held)] == []
    assert {e.seq: bytes(e.leaf) for e in LogEntry.objects.filter(seq__in=leaves)} == leaves
    leaves = {e.seq: bytes(e.leaf) for e in LogEntry.objects.all()}
    assert [e.pk for e in Event.objects.all() if "Zenobia" in str(e.data)] == []
    assert incidents_read.timeline(row.pk)[-1].data["text"] == "Zenobia Quill saw frost"
    Note.objects.update(text="erased")
    assert incidents_read.timeline(row.pk)[-1].data["text"] == "erased"
    assert {e.seq: bytes(e.leaf) for e in LogEntry.objects.all()} == leaves
    for position in LogPosition.objects.select_related("entry"):
        head = sequencer.newest_checkpoint(position.log)
        assert head is not None
        proof = merkle.inclusion_proof(position.tree_index, head.size, sequencer.hashes(position.log, head.size))
        leaf = bytes(position.entry.leaf_hash)
        assert merkle.verify_inclusion(position.tree_index, head.size, leaf, proof, bytes(head.root))


CLAIM = re.compile(
    r"(shipp|restor|downtime|stock-?out)[^.|\n]{0,80}\b(25|40)\s?%|\b(25|40)\s?%[^.|\n]{0,80}(shipp|restor)"
)


@pytest.mark.django_db
def test_d10_what_is_promised_is_the_customers_own_figure(now: datetime) -> None:
    """D10: a target is what stands in the customer's class; no page or document claims a saving as ours."""
    site = a_site("cordoba", service_class=a_service_class("A", recovery_h=4.0))
    for hours in (4.0, 7.5):
        ServiceClass.objects.filter(code="A").update(recovery_h=hours)
        (measured,) = measure_sites([Site.objects.select_related("service_class").get(pk=site.pk)], now - HOUR, now)
        assert by_name(measured.measures)["recovery"].target == hours
    shown = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.html")]
    assert len(shown) > 30
    assert [str(p) for p in shown if CLAIM.search(p.read_text())] == []
    assert CLAIM.search("Emergency shipping falls by 40 % in the first year")
