"""Imports: bring your own columns, see each line first, import twice without a trace, take it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.samples import a_network, a_service_class, a_site, a_template
from waystation.access.queries import system_authority
from waystation.evidence.models import Event, LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, Refusal, TooMuch
from waystation.registry import actions
from waystation.registry import models as m
from waystation.registry.importing import files
from waystation.registry.rules import tables

pytestmark = pytest.mark.django_db
SITES = """Standort;Kurz;Netz;Vorlage;Klasse;Land;Breite;Länge;Zeitzone
Málaga;malaga;iberia;cold-chain-node;A;es;36,72;-4,42;Europe/Madrid

Jaén;jaen;iberia;cold-chain-node;A;es;37.77;-3.79;Europe/Madrid
"""
MAP = {"name": "Standort", "code": "Kurz", "network": "Netz", "template": "Vorlage", "service_class": "Klasse"}
MAP |= {"country": "Land", "lat": "Breite", "lon": "Länge", "zone": "zeitzone"}
NETBOX_SITES = {
    "count": 2,
    "next": None,
    "results": [
        {
            "id": number,
            "url": f"https://netbox.example/api/dcim/sites/{number}/",
            "display": name,
            "name": name,
            "slug": slug,
            "status": {"value": "active", "label": "Active"},
            "region": {"id": 3, "name": "Andalucía", "slug": "andalucia"},
            "time_zone": "Europe/Madrid",
            "latitude": 36.5,
            "longitude": -4.5,
            "tags": [],
        }
        for number, name, slug in ((11, "Málaga", "malaga"), (12, "Jaén", "jaen"))
    ],
}
FIXED = {"network": "iberia", "template": "cold-chain-node", "service_class": "A", "country": "ES"}
NETBOX_DEVICES = "ID,Name,Site,Role,Manufacturer,Type,Serial number,Status\n" + "".join(
    f"{n},gw-{n},Málaga,Gateway,Acme,GW-{n % 2},SN{n},Active\n" for n in range(1, 8)
)
NETBOX_CIRCUITS = "ID,Circuit ID,Provider,Type,Status,Side A\n1,C-1,Telefónica,Fiber,Active,malaga\n"


def _ground() -> Authority:
    a_network(), a_template(), a_service_class()
    return system_authority("test")


def _take(kind: str, content: str, **more: Any) -> m.Import | None:
    by = system_authority("test")
    return files.apply(by, files.preview(by, kind, content.encode(), **more), "f.csv", now=START)


def _netbox(kind: str, content: Any, **more: Any) -> m.Import | None:
    text = content if isinstance(content, str) else json.dumps(content)
    return _take(kind, text, form="netbox", **more)


def test_int_10_own_columns_are_mapped_and_a_preview_changes_nothing() -> None:
    """A German spreadsheet with semicolons, decimal commas and an empty line."""
    by = _ground()
    seen = files.preview(by, "site", SITES.encode("utf-8-sig"), mapping=MAP)
    assert [(p.line, p.verb, p.key) for p in seen.plans] == [(2, "create", "malaga"), (4, "create", "jaen")]
    assert not m.Site.objects.exists()
    made = files.apply(by, seen, "sites.csv", now=START)
    assert made is not None
    site = m.Site.objects.get(code="malaga")
    assert (site.lat, site.country, site.state) == (36.72, "ES", "planned")
    entry = LogEntry.objects.get(kind="registry.imported")
    said = json.loads(bytes(entry.leaf))
    assert said["facts"]["sha256"] == made.sha256
    assert Event.objects.filter(entry=entry).count() == 1


def test_int_10_each_wrong_line_is_named_with_its_number_and_nothing_is_applied() -> None:
    """Number, zone, network, repeated code, empty name: told beside the good lines."""
    by = _ground()
    head = "code,name,network,template,service_class,country,lat,lon,zone\n"
    good = "a,A,iberia,cold-chain-node,A,ES,1,1,Europe/Madrid\n"
    bad = [
        "b,B,iberia,cold-chain-node,A,ES,north,1,Europe/Madrid\n",
        "c,C,iberia,cold-chain-node,A,ES,91,1,Europe/Madrid\n",
        "d,D,nowhere,cold-chain-node,A,ES,1,1,Europe/Madrid\n",
        "e,E,iberia,cold-chain-node,A,ES,1,1,Mars/Olympus\n",
        "a,A again,iberia,cold-chain-node,A,ES,1,1,Europe/Madrid\n",
        "not a code,F,iberia,cold-chain-node,A,ES,1,1,Europe/Madrid\n",
        "g,,iberia,cold-chain-node,A,ES,1,1,Europe/Madrid\n",
    ]
    seen = files.preview(by, "site", (head + good + "".join(bad)).encode())
    assert [p.verb for p in seen.plans] == ["create"] + ["error"] * len(bad)
    assert [p.line for p in seen.errors] == list(range(3, 10))
    for plan, word in zip(seen.errors, ("lat", "lat", "network", "zone", "line 2", "code", "name"), strict=True):
        assert word in plan.error.lower(), plan
    with pytest.raises(Conflict, match="line 3"):
        files.apply(by, seen, "f.csv", now=START)
    assert not m.Site.objects.exists()


def test_int_10_a_field_without_a_column_is_refused_with_the_columns_there_are() -> None:
    """And so are unknown fields, unknown columns, doubled headers, empty and huge files."""
    for words, more in (
        ("as code", {}),
        ("no field 'colour'", {"mapping": {"colour": "x"}}),
        ("no column 'nope'", {"mapping": {"code": "nope"}}),
    ):
        with pytest.raises(BadInput, match=words):
            tables.read_table(b"label,x\n1,2\n", "site", "csv", **({"mapping": {}} | more))
    with pytest.raises(BadInput, match="twice"):
        tables.read_table(b"Code,code\n1,2\n", "site", "csv", {})
    with pytest.raises(BadInput, match="no rows"):
        tables.read_table(b"code\n", "site", "csv", {})
    with pytest.raises(BadInput, match="one page"):
        tables.read_table(b'{"next": "x", "results": []}', "site", "netbox", {})
    with pytest.raises(TooMuch):
        tables.read_table(b"x" * (tables.MAX_BYTES + 1), "site", "csv", {})


@given(st.binary(max_size=300), st.sampled_from(["csv", "netbox"]))
def test_int_10_whatever_a_file_holds_it_is_read_or_refused(content: bytes, form: str) -> None:
    """Never anything but a table or a refusal."""
    try:
        found = tables.read_table(content, "device", form, {})
    except Refusal as refusal:
        assert refusal.message
    else:
        assert found.lines


def test_int_10_an_import_is_taken_back_whole() -> None:
    """Made records go, changed columns return, twice is once; the log tells both."""
    by = _ground()
    old = a_site("jaen", name="Old name")
    made = _take("site", SITES, mapping=MAP)
    assert made is not None
    old.refresh_from_db()
    assert old.name == "Jaén"
    for _ in range(2):
        assert files.undo(by, made.pk, now=START).undone_at == START
    old.refresh_from_db()
    assert (old.name, old.city) == ("Old name", "Córdoba")
    assert not m.Site.objects.filter(code="malaga").exists()
    assert LogEntry.objects.filter(kind="registry.import_undone").count() == 1


def test_int_10_undo_is_refused_once_anything_else_touched_a_row_or_uses_it() -> None:
    """Nobody's later work is lost."""
    by = _ground()
    first = _take("site", SITES, mapping=MAP)
    assert first is not None
    malaga = m.Site.objects.get(code="malaga")
    actions.create(by, "space", {"site": malaga, "code": "f", "name": "F", "kind": "fridge"}, now=START)
    with pytest.raises(Conflict, match="used by: space"):
        files.undo(by, first.pk, now=START)
    actions.change(by, "site", malaga.pk, {"name": "M"}, now=START)
    with pytest.raises(Conflict, match="was changed since"):
        files.undo(by, first.pk, now=START)
    assert m.Site.objects.filter(code="jaen").exists()


def test_int_11_netbox_twice_changes_nothing() -> None:
    """Sites as JSON, devices and circuits as CSV: the second import makes no row, no entry, no reference."""
    _ground()
    calls = [
        lambda: _netbox("site", NETBOX_SITES, fixed=FIXED),
        lambda: _netbox("device", NETBOX_DEVICES),
        lambda: _netbox("circuit", NETBOX_CIRCUITS),
    ]
    assert all(call() is not None for call in calls)
    counts = [m.Site, m.Device, m.Circuit, m.DeviceModel, m.Vendor, m.ExternalReference, m.Import, LogEntry]
    before = [model.objects.count() for model in counts]
    assert before[:6] == [2, 7, 1, 2, 1, 10]
    assert [call() for call in calls] == [None, None, None]
    assert [model.objects.count() for model in counts] == before
    ref = m.ExternalReference.objects.get(kind="site", external_id="11")
    assert (ref.system, ref.object_id) == ("netbox", m.Site.objects.get(code="malaga").pk)
    assert ref.link.startswith("https://netbox.example/")
    assert {d.standing for d in m.DeviceModel.objects.all()} == {"unreviewed"}


def test_int_11_a_renamed_record_is_the_same_one() -> None:
    """What NetBox calls 3 stays one device when its name changes there; only that column changes here."""
    _ground()
    _netbox("site", NETBOX_SITES, fixed=FIXED)
    _netbox("device", NETBOX_DEVICES)
    held = m.Device.objects.get(name="gw-3")
    seen = files.preview(
        system_authority("t"), "device", NETBOX_DEVICES.replace("gw-3", "gw-three").encode(), form="netbox"
    )
    assert [(p.verb, p.changes) for p in seen.plans if p.verb != "same"] == [("update", {"name": ["gw-3", "gw-three"]})]
    files.apply(system_authority("t"), seen, "f", now=START)
    held.refresh_from_db()
    assert held.name == "gw-three"


def test_int_11_a_clash_inside_a_chunk_leaves_nothing_of_it() -> None:
    """Two devices of one serial: refused with the lines, and the rows of the chunk are not there."""
    _ground()
    _netbox("site", NETBOX_SITES, fixed=FIXED)
    with pytest.raises(Conflict, match="clash"):
        _netbox("device", NETBOX_DEVICES.replace("SN5", "SN4"))
    assert not m.Device.objects.exists()


def test_int_10_a_device_says_when_it_was_put_in() -> None:
    """A day is taken under any of its usual names; what is no day is an error of its line, and no guess."""
    _ground()
    _netbox("site", NETBOX_SITES, fixed=FIXED)
    head = "site,name,role,manufacturer,model,serial,install_date\n"
    _take("device", head + "malaga,d-1,gateway,Acme,GW,S1,2024-02-29\nmalaga,d-2,gateway,Acme,GW,S2,\n")
    assert list(m.Device.objects.values_list("installed_on", flat=True)) == [date(2024, 2, 29), None]
    looked = files.preview(
        system_authority("t"), "device", (head + "malaga,d-3,gateway,Acme,GW,S3,29/02/24\n").encode()
    )
    assert "29/02/24" in looked.errors[0].error


def test_int_10_large_files_are_applied_in_chunks_with_one_entry_each() -> None:
    """Each chunk one event and one entry with its digest; a later chunk's failure keeps the earlier ones."""
    _ground()
    _netbox("site", NETBOX_SITES, fixed=FIXED)
    head = "site,name,role,manufacturer,model,serial\n"
    lines = "".join(f"malaga,d-{n},gateway,Acme,GW,S{n}\n" for n in range(files.CHUNK + 5))
    before = LogEntry.objects.count()
    made = _take("device", head + lines)
    assert made is not None
    assert LogEntry.objects.count() == before + 2
    assert m.Device.objects.count() == files.CHUNK + 5
    files.undo(system_authority("t"), made.pk, now=START + timedelta(hours=1))
    assert not m.Device.objects.exists()


def test_int_10_the_api_looks_applies_and_takes_back(
    signed_in: Callable[..., Client], clock: FastClock, acting: Callable[..., Authority]
) -> None:
    """For whom may write the inventory; others are refused."""
    _ground()
    body: dict[str, Any] = {"kind": "site", "content": json.dumps(NETBOX_SITES), "form": "netbox", "fixed": FIXED}

    def post(role: str, address: str, **more: Any) -> Any:
        path = f"/api/v1/registry/imports{address}"
        return signed_in(role).post(path, json.dumps(body | more), content_type="application/json")

    assert post("operator", "").status_code == 403
    looked = post("it", "").json()
    assert (looked["counts"]["create"], looked["import_id"]) == (2, None)
    done = post("it", "", apply=True).json()
    assert m.Site.objects.count() == 2
    assert post("it", f"/{done['import_id']}/undo").status_code == 200
    assert not m.Site.objects.exists()
    with pytest.raises(NotAllowed):
        files.preview(acting("operator"), "site", b"x", form="csv")
