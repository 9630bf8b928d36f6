"""The network's document: complete, without dangling names, and what the stories need is in it."""

from __future__ import annotations

import csv
import gzip
import sys

import pytest

from tests.conftest import ROOT, SHARED
from waystation.access.rules import HUMAN_ROLES, clash
from waystation.kernel.refusals import BadInput, NotFound
from waystation.simulator import stock
from waystation.simulator.network import load, read

IBERIA = load(ROOT / "scenarios" / "iberia" / "network.json")
RAW = IBERIA.raw


def test_jnt_10_twenty_sites_four_hubs_one_central_warehouse() -> None:
    """Twelve nodes and eight branches live; one site is being onboarded; cabinets stand inside sites."""
    active = [s for s in IBERIA.sites if s.state == "active"]
    kinds = [s.kind for s in active]
    assert (kinds.count("cold-chain-node"), kinds.count("edge-branch")) == (12, 8)
    assert [s.code for s in IBERIA.sites if s.state == "commissioning"] == ["huelva"]
    tiers = [h.tier for h in stock.hubs(RAW)]
    assert (tiers.count("regional"), tiers.count("central")) == (4, 1)
    assert tiers.count("local") >= 3
    assert all(2 <= len(s.spaces) <= 4 for s in active if s.kind == "cold-chain-node")


def test_every_name_leads_somewhere() -> None:
    """No dangling reference in the document, nor in a part of it; a broken one is named."""
    assert stock.dangling(RAW) == []
    broken = dict(RAW) | {"backup_spaces": [RAW["backup_spaces"][0] | {"backup": "cordoba/fridge-9"}]}
    assert stock.dangling(broken) == ["backup: no space 'cordoba/fridge-9'"]


def test_codes_and_serials_are_unique() -> None:
    """Sensors, device serials, unit serials and certificates name one thing each."""
    sensors = [x.code for s in IBERIA.sites for x in s.all_sensors()]
    serials = [d.serial for s in IBERIA.sites for d in s.devices] + [u.serial for u in stock.units(RAW)]
    probes = [x.probe["serial"] for x in IBERIA.sensors.values() if x.probe]
    assert len(sensors) == len(set(sensors))
    assert len(serials) == len(set(serials))
    assert len({*probes, *serials}) == len(probes) + len(serials)
    assert max(map(len, sensors)) <= 80


def test_places_are_those_of_the_gazetteer() -> None:
    """Coordinates and zones are the ones GeoNames gives for these ids."""
    source = SHARED / "geo" / "cities15000.csv.gz"
    if not source.exists():
        sys.stdout.write("places not checked: the gazetteer is not here\n")
        return
    with gzip.open(source, "rt", encoding="utf-8") as file:
        rows = {int(r["geonameid"]): r for r in csv.DictReader(file)}
    places = [*RAW["sites"], *RAW["hubs"]]
    for place in places:
        row = rows[place["geonameid"]]
        assert (place["country"], place["zone"]) == (row["country"], row["timezone"])
        assert place["lat"] == pytest.approx(float(row["lat"]), abs=1e-4)
        assert place["lon"] == pytest.approx(float(row["lon"]), abs=1e-4)
    assert len({p["geonameid"] for p in places}) == 25
    assert "GeoNames" in RAW["attribution"]


def test_tel_01_each_space_has_the_nine_signals_or_says_which_are_missing() -> None:
    """A refrigerated space has them all; what is not instrumented is named."""
    for site in IBERIA.sites:
        quantities = {x.quantity for x in site.sensors}
        assert quantities >= {"power", "ups", "wan_primary", "heartbeat"}
        for space in site.spaces:
            have = {x.quantity for x in space.sensors} | {x.role for x in space.sensors if x.role}
            wanted = {"humidity", "door", "compressor", "compressor_fault", "defrost", "product", "air_supply"}
            if space.kind in ("fridge", "freezer", "cold_room"):
                assert have >= wanted, space.key
                assert space.raw["not_instrumented"] == []
            else:
                assert space.raw["not_instrumented"], space.key


def test_the_last_controller_and_the_last_firewall_can_be_raced_for() -> None:
    """One CTL-220 at Sevilla, needed by more than one southern site; one FW-60 at the nearest hub of the branches."""
    units = stock.units(RAW)
    groups = {p["code"]: p["group"] for p in RAW["parts"]}
    assert [u.serial for u in units if groups[u.part] == "ctl-220" and u.hub == "sevilla"] == ["4471-0093"]
    assert [u.serial for u in units if u.part == "FW-60"] == ["FG60-88213"]
    nearest = {}
    for lane in sorted(stock.lanes(RAW), key=lambda x: x.p50_min):
        if not lane.hub.startswith("cabinet"):
            nearest.setdefault(lane.site, lane.hub)
    assert {"cordoba", "malaga", "badajoz", "granada", "huelva"} <= {s for s, h in nearest.items() if h == "sevilla"}
    branches = {s.code for s in IBERIA.sites if s.kind == "edge-branch"}
    assert len(branches & {s for s, h in nearest.items() if h == "central"}) >= 2


def test_one_spare_probe_has_an_expired_certificate() -> None:
    """A trap that the hub's check must find."""
    certificates = [u for u in stock.units(RAW) if u.certificate]
    assert [u.hub for u in certificates if u.certificate and u.certificate["valid_until"] < "2026-11-17"] == ["sevilla"]


def test_revision_b_needs_a_newer_gateway() -> None:
    """Córdoba runs gateway 4.1, so that València's unit does not fit."""
    (rule,) = [r for r in stock.interchangeable(RAW) if (r.installed, r.offered) == ("CTL-220-A", "CTL-220-B")]
    assert rule.requires == {"component": "gateway", "low": "4.2"}
    firmware = {s.code: next(d.firmware for d in s.devices if d.name == "gateway") for s in IBERIA.sites}
    assert firmware["cordoba"].startswith("4.1")
    assert firmware["murcia"].startswith("4.2")
    assert {u.part for u in stock.units(RAW) if u.hub == "valencia" and u.part.startswith("CTL")} == {"CTL-220-B"}


def test_lanes_refuse_hazards_and_rise_in_time() -> None:
    """Couriers take no batteries; quantiles rise; every site has a lane from every regional hub."""
    lanes = stock.lanes(RAW)
    assert all(0 < lane.p10_min <= lane.p50_min <= lane.p90_min for lane in lanes)
    assert all({"lithium_ion", "lead_acid"} == {k for k, _ in lane.refuses} for lane in lanes if lane.mode == "courier")
    reached = {(lane.hub, lane.site) for lane in lanes}
    assert all((h.code, s.code) in reached for h in stock.hubs(RAW) if h.tier != "local" for s in IBERIA.sites)


def test_people_hold_roles_that_exist_and_do_not_exclude_each_other() -> None:
    """Nobody both wipes and releases, nobody administers and approves."""
    for person in RAW["people"]:
        assert set(person["roles"]) <= set(HUMAN_ROLES)
        assert all(clash(person["roles"], role) is None for role in person["roles"])
        assert person["shifts"]
        assert 0 < person["acknowledge"]["p50_s"] <= person["acknowledge"]["p90_s"]


def test_lots_stand_in_spaces_of_their_profile_and_fit() -> None:
    """No lot in a space of another profile, no space over its litres; nine lots wait in Córdoba's Fridge 2."""
    litres: dict[str, float] = {}
    for lot in stock.consignments(RAW):
        space = IBERIA.space(lot.space)
        assert space.profile == lot.profile, lot.lot
        litres[lot.space] = litres.get(lot.space, 0.0) + lot.volume_l
    assert all(held <= IBERIA.space(key).raw["capacity_l"] for key, held in litres.items())
    two = [lot for lot in stock.consignments(RAW) if lot.space == "cordoba/fridge-2"]
    assert (len(two), sum(lot.quantity for lot in two)) == (9, 1240)


def test_backups_are_of_the_same_profile_and_take_what_they_are_for() -> None:
    """The backup of a space can hold its lots."""
    for pair in stock.backups(RAW):
        assert IBERIA.space(pair.space).profile == IBERIA.space(pair.backup).profile
        needed = sum(lot.volume_l for lot in stock.consignments(RAW) if lot.space == pair.space)
        assert needed <= pair.free_l, pair


def test_rotations_cover_every_minute_of_the_week() -> None:
    """Nobody on call at some minute would be an error."""
    for rotation in stock.rotations(RAW):
        covered = {
            (day * 1440 + minute) % 10080
            for _, spans in rotation.shifts
            for day, opens, closes in spans
            for minute in range(opens, closes)
        }
        assert len(covered) == 10080, rotation.code


def test_what_is_unread_is_said() -> None:
    """Profiles written from memory carry `read: false`; none carries an approval of its own."""
    assert all(p["read"] is False and p["source"] for p in RAW["product_profiles"])
    assert all("approved_by" not in p for p in RAW["product_profiles"])


def test_onboarding_leaves_open_what_is_open() -> None:
    """Huelva's route is unproven and its spares cover is missing."""
    checks = {c.key: c.state for c in stock.onboarding_checks(RAW) if c.site == "huelva"}
    assert {key for key, state in checks.items() if state == "open"} >= {"alarm_routing", "spares_entitlement"}
    assert set(checks) == {c["key"] for c in RAW["templates"][0]["checklist"]}


def test_a_part_of_the_network_is_a_network() -> None:
    """`only` keeps what belongs to these sites, without dangling names."""
    part = IBERIA.only("cordoba", "zaragoza")
    assert [s.code for s in part.sites] == ["cordoba", "zaragoza"]
    assert stock.dangling(part.raw) == []
    assert part.raw["schema"] == RAW["schema"]


def test_unknown_names_and_documents_are_refused() -> None:
    """With what there is."""
    with pytest.raises(NotFound, match="lisboa"):
        IBERIA.site("lisboa")
    with pytest.raises(NotFound, match="fridge-9"):
        IBERIA.space("cordoba/fridge-9")
    with pytest.raises(BadInput):
        read({"schema": "another/1"})
