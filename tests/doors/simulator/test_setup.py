"""A network goes into the product through its own actions, as its people would do it."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

import pytest

from tests.conftest import ROOT
from waystation.access import queries as access
from waystation.access.models import Grant, Machine
from waystation.evidence.models import LogEntry
from waystation.kernel.refusals import Conflict, NotFound
from waystation.registry import models as m
from waystation.simulator.network import Network, load
from waystation.simulator.setup import build
from waystation.telemetry.models import Calibration

IBERIA = load(ROOT / "scenarios" / "iberia" / "network.json")
SEED = 7


def test_jnt_10_the_whole_network_stands_in_the_inventory(db: None, now: datetime) -> None:
    """Twenty active sites of two kinds, one in commissioning; every plan has its record and nothing was refused."""
    built = build(IBERIA, now=now, seed=SEED)
    assert m.Site.objects.filter(state="active").count() == 20
    assert list(m.Site.objects.exclude(state="active").values_list("code", "state")) == [("huelva", "commissioning")]
    assert set(m.Site.objects.values_list("template__kind", flat=True)) == {"cold-chain-node", "edge-branch"}
    assert m.Sensor.objects.count() == len(IBERIA.sensors) == len(built.sensors)
    assert m.Device.objects.count() == sum(len(s.devices) for s in IBERIA.sites)
    assert built.refused == []


def _cordoba() -> Network:
    return IBERIA.only("cordoba", "zaragoza", "huelva")


def test_arc_05_one_site_has_all_groups_of_its_inventory(db: None, now: datetime) -> None:
    """Devices, circuits, sensors, refrigeration interfaces, access control, firmware and a contact, with no blank."""
    build(_cordoba(), now=now, seed=SEED)
    site = m.Site.objects.get(code="cordoba")
    devices = list(site.devices.all())
    assert {d.component_class for d in devices} >= {"refrigeration_controller", "access_control", "gateway", "ups"}
    assert all(d.firmware and d.serial for d in devices)
    assert {c.path for c in site.circuits.all()} == {"primary", "backup"}
    assert site.local_support.startswith("Marta Ruiz")
    assert site.sensors.filter(quantity="temperature", role="product").count() == 8


def test_arc_01_a_template_names_ten_component_classes_and_every_check(db: None, now: datetime) -> None:
    """Both templates are published with ten classes and eleven checks, each with its fail action."""
    build(_cordoba(), now=now, seed=SEED)
    for template in m.Template.objects.all():
        classes = {c["class"] for c in template.components} - {"refrigeration_controller"}
        assert len(classes) == 10
        assert len(template.checklist) == 11
        assert all(check["mandatory"] and check["fail_action"] for check in template.checklist)
        assert template.published_at == now


def test_tel_01_each_refrigerated_space_has_all_its_signals(db: None, now: datetime) -> None:
    """Product, supply, return, ambient, humidity, door, compressor, fault and defrost; probes hold a certificate."""
    build(_cordoba(), now=now, seed=SEED)
    space = m.Space.objects.get(site__code="cordoba", code="fridge-2")
    kinds = set(space.sensors.values_list("quantity", "role"))
    assert {q for q, _ in kinds} == {"temperature", "humidity", "door", "compressor", "compressor_fault", "defrost"}
    assert {r for q, r in kinds if q == "temperature"} == {"product", "air_supply", "air_return", "ambient"}
    bound = Calibration.objects.filter(sensor__space=space, unbound_at=None)
    assert bound.count() == 2
    assert all(c.valid_from <= now < c.valid_until for c in bound)


def test_each_record_is_made_by_somebody_who_may(db: None, now: datetime) -> None:
    """The platform makes the first administrator and nothing else; quality approves, the supervisor signs."""
    built = build(_cordoba(), now=now, seed=SEED)
    makers = {(e.kind, UUID(json.loads(bytes(e.leaf))["actor"])) for e in LogEntry.objects.all()}
    by_system = {kind for kind, who in makers if who == access.SYSTEM_ID}
    assert by_system == {"access.person_created", "access.role_granted"}
    assert {who for kind, who in makers if kind == "registry.profile_approved"} == {built.people["lucia-ferrer"]}
    assert {who for kind, who in makers if kind == "telemetry.probe_bound"} == {built.people["lucia-ferrer"]}
    assert (("registry.site_state", built.people["ana-prieto"])) in makers


def test_site_contacts_hold_their_role_at_their_site_only(db: None, now: datetime) -> None:
    """Marta Ruiz may record a hand reading in Córdoba and nowhere else."""
    built = build(_cordoba(), now=now, seed=SEED)
    grant = Grant.objects.get(person_id=built.people["marta-ruiz"])
    assert (grant.role, grant.site_id) == ("site_contact", built.sites["cordoba"])
    marta = access.authority_of_person(grant.person, now)
    assert marta.may("telemetry.write_hand", built.sites["cordoba"])
    assert not marta.may("telemetry.write_hand", built.sites["huelva"])
    assert not marta.may("telemetry.write_hand")


def test_gateways_are_enrolled_with_the_key_that_they_sign_with(db: None, now: datetime) -> None:
    """The machine of a site has the public key of the simulated gateway, and its device names the machine."""
    from waystation.simulator.world import World

    built = build(_cordoba(), now=now, seed=SEED)
    world = World(_cordoba(), seed=SEED, start=now)
    for code, gateway in world.gateways.items():
        machine = Machine.objects.get(pk=built.machines[code])
        assert (machine.public_key, machine.site_id) == (gateway.public_key, built.sites[code])
        assert m.Device.objects.get(site__code=code, component_class="gateway").machine_id == machine.pk


def test_onb_05_the_site_in_commissioning_lacks_one_owner(db: None, now: datetime) -> None:
    """Huelva names an owner for all but the WAN; the active sites name all four."""
    build(_cordoba(), now=now, seed=SEED)
    owned = {s.code: set(s.owners.values_list("dependency", flat=True)) for s in m.Site.objects.all()}
    assert owned["cordoba"] == owned["huelva"] | {"wan"} == {"backup_power", "wan", "sensors", "maintenance_vendors"}
    assert "wan" not in owned["huelva"]


def test_building_twice_is_refused_and_changes_nothing(db: None, now: datetime) -> None:
    """What stands already is not doubled."""
    build(_cordoba(), now=now, seed=SEED)
    before = LogEntry.objects.count()
    with pytest.raises(Conflict):
        build(_cordoba(), now=now, seed=SEED)
    assert LogEntry.objects.count() == before


def test_an_expired_certificate_is_refused_and_named(db: None, now: datetime) -> None:
    """After its last day the Murcia probe is not bound; the refusal is told, not swallowed."""
    later = now.replace(day=19)
    built = build(IBERIA.only("murcia"), now=later, seed=SEED)
    assert [(code, refusal.code) for code, refusal in built.refused] == [
        ("murcia-fridge-2-probe-1", "telemetry.certificate_invalid")
    ]
    assert not Calibration.objects.filter(sensor__code="murcia-fridge-2-probe-1").exists()


def test_a_network_without_an_administrator_is_refused(db: None, now: datetime) -> None:
    """Nobody else may create people."""
    raw = dict(_cordoba().raw)
    raw["people"] = [p for p in raw["people"] if "administrator" not in p["roles"]]
    with pytest.raises(NotFound, match="administrator"):
        build(Network(raw, _cordoba().sites), now=now, seed=SEED)
    assert not m.Network.objects.exists()


def test_passwords_open_only_the_named_accounts(db: None, now: datetime) -> None:
    """Everybody else waits for a welcome link."""
    built = build(_cordoba(), now=now, seed=SEED, passwords={"diego-marin": "granite harbour lantern"})
    opened = {p.pk for p in access.people() if p.has_usable_password()}
    assert opened == {built.people["diego-marin"]}
