"""EPCIS documents: each record of the period is one event, nothing is invented, all has the standard's shape."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_site, a_space
from waystation.evidence.actions import NewEntry, record
from waystation.journeys import exports
from waystation.journeys.epcis.event_id import ORDER, event_id, pre_hash
from waystation.journeys.epcis.mapping import CUSTODY, LOTS, declared_wrong, moment
from waystation.journeys.epcis.names import is_checked
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, TooLarge
from waystation.product.actions import lots
from waystation.registry.actions import refer
from waystation.registry.models import Part, Site
from waystation.spares.models import Custody, Unit
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Excursion

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC)
# what the platform writes of CBV 2.0, copied from the standard's lists by hand
STEPS = set(re.findall(r"\w+", "decommissioning holding inspecting installing other receiving repairing reserving"))
STEPS |= {"sensor_reporting", "shipping", "storing"}
DISPOSITIONS = set(re.findall(r"\w+", "active available conformant disposed in_progress in_transit inactive reserved"))
DISPOSITIONS |= {"needs_replacement", "non_conformant", "returned", "unavailable", "unknown"}


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


def _at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def _unit(system: Authority, serial: str, chain: Sequence[tuple[float, str]]) -> Unit:
    """A unit whose custody is this chain of (hour, state), each with its entry at Córdoba."""
    part = Part.objects.get_or_create(code="probe", defaults={"name": "Probe", "asset_class": "probe", "group": "p"})[0]
    unit = Unit.objects.create(serial=serial, part=part)
    site = a_site()
    for hour, state in chain:
        row = Custody(unit=unit, state=state, giver="Ana", taker="Hub", at=_at(hour), by_id=unit.pk)
        record([row], entry=NewEntry("spares.passed", unit.pk, system, _at(hour), site.pk))
    return unit


def _document(by: Authority, start: datetime = START, end: datetime = END) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(exports.content(by, "epcis", start, end, now=END))
    checked(found)
    return found


def _events(by: Authority, start: datetime = START, end: datetime = END) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _document(by, start, end)["epcisBody"]["eventList"]
    return found


def checked(document: dict[str, Any]) -> None:
    """Refuse what is not the shape of EPCIS 2.0, written from the standard and not from the code."""
    assert document["@context"][0] == "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
    prefixes = set(document["@context"][1])
    assert (document["type"], document["schemaVersion"]) == ("EPCISDocument", "2.0")
    _instant(document["creationDate"])
    own = set(document) - {"@context", "type", "schemaVersion", "creationDate", "epcisBody"}
    assert all(name.split(":")[0] in prefixes for name in own)
    assert set(document["epcisBody"]) == {"eventList"}
    for event in document["epcisBody"]["eventList"]:
        _checked_event(event, prefixes)


def _checked_event(event: dict[str, Any], prefixes: set[str]) -> None:
    known = {"type", "eventID", "eventTime", "eventTimeZoneOffset", "action", "bizStep", "disposition", "readPoint"}
    known |= {"bizLocation", "epcList", "quantityList", "sensorElementList", "errorDeclaration"}
    assert event["type"] == "ObjectEvent"
    assert event["action"] in ("ADD", "OBSERVE", "DELETE")
    assert re.fullmatch(r"ni:///sha-256;[0-9a-f]{64}\?ver=CBV2\.0", event["eventID"])
    assert event["bizStep"] in STEPS
    assert event.get("disposition", "unknown") in DISPOSITIONS
    _instant(event["eventTime"])
    assert re.fullmatch(r"[+-]\d\d:\d\d", event["eventTimeZoneOffset"])
    assert event.get("epcList") or event.get("quantityList") or event.get("sensorElementList")
    for name in ("readPoint", "bizLocation"):
        assert name not in event or _is_uri(event[name]["id"])
    assert all(_is_uri(epc) for epc in event.get("epcList", []))
    for amount in event.get("quantityList", []):
        assert _is_uri(amount["epcClass"])
        assert "uom" not in amount or ("quantity" in amount and re.fullmatch(r"[A-Z0-9]{2,3}", amount["uom"]))
    for element in event.get("sensorElementList", []):
        _instant(element["sensorMetadata"]["startTime"])
        _instant(element["sensorMetadata"]["endTime"])
        for report in element["sensorReport"]:
            assert (report["type"], report["uom"]) == ("Temperature", "CEL")
            assert "value" in report or report["minValue"] <= report["meanValue"] <= report["maxValue"]
    if "errorDeclaration" in event:
        _instant(event["errorDeclaration"]["declarationTime"])
    assert all(name.split(":")[0] in prefixes for name in set(event) - known)


def _instant(text: str) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    datetime.fromisoformat(text)


def _is_uri(text: str) -> bool:
    return bool(re.fullmatch(r"(https://id\.gs1\.org/[!-~]+|urn:uuid:[0-9a-f-]{36})", text))


@pytest.mark.django_db
def test_evd_12_every_custody_event_of_the_period_is_one_event_and_no_other_is(system: Authority) -> None:
    """Of eleven events nine lie inside: the first is ADD, disposal DELETE, each with state and hands."""
    _unit(system, "SN-1", list(enumerate(["received", "stocked", "reserved", "in_transit", "installed"])))
    _unit(system, "SN-2", [(-1, "received"), (5, "returning"), (6, "quarantined"), (7, "wiped"), (8, "disposed")])
    _unit(system, "SN-3", [(80, "received")])
    found = [e for e in _events(system) if "epcList" in e]
    inside = Custody.objects.filter(at__gte=START, at__lt=END)
    assert Counter(e["waystation:record"] for e in found) == Counter(str(row.pk) for row in inside)
    assert [e["action"] for e in found] == ["ADD", *["OBSERVE"] * 7, "DELETE"]
    assert [e["waystation:state"] for e in found] == [f"unit {row.state}" for row in inside.order_by("at")]
    assert len({e["eventID"] for e in found}) == len(found)
    parts = [*_events(system, START, _at(3)), *_events(system, _at(3), END)]
    assert [e["eventID"] for e in parts] == [e["eventID"] for e in _events(system)]


@pytest.mark.django_db
def test_evd_12_each_event_carries_utc_site_and_schema_and_what_lacks_a_key_is_listed(system: Authority) -> None:
    """A site with a GLN and a unit with a GIAI have their keys; the rest has a urn and stands among the gaps."""
    unit = _unit(system, "SN-1", [(1, "received")])
    lots.bring_in(system, a_space().pk, _lot("L 1", "kg"), at=_at(2), now=_at(2))
    before = {(g["kind"], g["words"]) for g in _document(system)["waystation:gaps"]}
    assert before == {
        ("consignment", "L 1: no GTIN is recorded"),
        ("site", "Cordoba: no GLN is recorded"),
        ("space", "Cordoba, Fridge-1: no GLN is recorded"),
        ("unit", "SN-1: no GIAI is recorded"),
    }
    site = Site.objects.get()
    for kind, row, key in (("site", site, "4012345000009"), ("unit", unit, "4012345ABC"), ("space", a_space(), "12")):
        refer(system, kind, row.pk, system="gs1", external_id=key, now=START)
    told = _document(system)
    assert {g["kind"] for g in told["waystation:gaps"]} == {"consignment", "space"}
    assert any(g["words"].endswith("'12' is no GLN") for g in told["waystation:gaps"])
    handed, came = told["epcisBody"]["eventList"]
    assert handed["epcList"] == ["https://id.gs1.org/8004/4012345ABC"]
    assert came["bizLocation"] == {"id": "https://id.gs1.org/414/4012345000009"}
    assert came["quantityList"][0] | {"epcClass": ""} == {"epcClass": "", "quantity": 12.5, "uom": "KGM"}
    for event in (handed, came):
        assert event["waystation:siteId"] == str(site.pk)
        assert event["waystation:schema"] == "waystation.epcis/1"
        assert event["eventTime"].endswith("Z")


@pytest.mark.django_db
def test_evd_12_a_quantity_in_an_unknown_unit_is_not_passed_off_as_a_count(system: Authority) -> None:
    """Pallets stay in the platform's own field; doses are a count."""
    for code, unit in (("A", "pallets"), ("B", "doses")):
        lots.bring_in(system, a_space().pk, _lot(code, unit), at=_at(2), now=_at(2))
    told = {e["waystation:lot"]: e for e in _events(system)}
    assert "quantity" not in told["A"]["quantityList"][0]
    assert (told["A"]["waystation:unit"], told["A"]["waystation:quantity"]) == ("pallets", "12.500")
    assert told["B"]["quantityList"][0]["quantity"] == 12.5


@pytest.mark.django_db
def test_evd_12_temperatures_are_told_by_sensor_and_day_from_the_readings(system: Authority) -> None:
    """Lowest, highest and mean of each UTC day that has readings; a day without any has no event."""
    space, (probe,) = a_monitored_space(START)
    first, second = [5.0, 5.5, 6.0], [4.0, 4.5, 5.0, 7.5]
    deliver(space, minutes(probe, _at(23.5), [*first]), _at(24))
    deliver(space, minutes(probe, _at(30), [*second]), _at(31))
    judge(Engine(), _at(31))
    found = [e for e in _events(system) if "sensorElementList" in e]
    told = [e["sensorElementList"][0]["sensorReport"][0] for e in found]
    assert [(r["minValue"], r["maxValue"], r["meanValue"]) for r in told] == [(5.0, 6.0, 5.5), (4.0, 7.5, 5.25)]
    assert [e["waystation:readings"] for e in found] == [3, 4]
    metadata = found[0]["sensorElementList"][0]["sensorMetadata"]
    assert metadata["endTime"] == found[1]["sensorElementList"][0]["sensorMetadata"]["startTime"]
    assert metadata["deviceID"] == f"urn:uuid:{probe.pk}"


@pytest.mark.django_db
def test_evd_12_a_superseded_excursion_is_declared_wrong_and_keeps_its_id(system: Authority) -> None:
    """Judged otherwise later, the event stays, declared to be in error; another one stands beside it."""
    space, (probe,) = a_monitored_space(START)
    row = Excursion.objects.create(
        site=space.site, space=space, sensor=probe, profile_id=space.profile_id, direction="high", limit_c=8.0,
        started_at=_at(1), ended_at=_at(2), detected_at=_at(1), peak_c=9.4, measured_s=3600.0,
    )  # fmt: skip
    (before,) = _events(system)
    assert before["sensorElementList"][0]["sensorReport"][0]["exception"] == "ALARM_CONDITION"
    row.superseded_at = _at(40)
    row.save()
    row.pk, row.peak_c, row.superseded_at = None, 9.1, None
    row.id = type(row)().id
    row.save(force_insert=True)
    wrong, right = sorted(_events(system), key=lambda e: "errorDeclaration" not in e)
    assert wrong["eventID"] == before["eventID"] != right["eventID"]
    assert wrong["errorDeclaration"] == {"declarationTime": moment(_at(40)), "reason": "incorrect_data"}


@pytest.mark.django_db
def test_evd_12_who_may_prove_one_site_gets_its_events_alone(
    system: Authority, acting: Callable[..., Authority]
) -> None:
    """A unit's custody that no entry places at a site is for who may prove all; too much and no period are refused."""
    _unit(system, "SN-1", [(1, "received")])
    lost = _unit(system, "SN-2", [])
    Custody.objects.create(unit=lost, state="received", at=_at(2), by_id=lost.pk)
    lots.bring_in(system, a_space("faro").pk, _lot("L", "kg"), at=_at(2), now=_at(2))
    site = Site.objects.get(code="cordoba")
    local = Authority(system.principal_id, "Ana", ("auditor",), {"evidence.pack": frozenset({str(site.pk)})})
    assert {e["waystation:siteId"] for e in _events(local)} == {str(site.pk)}
    assert len(_events(system)) == 3
    assert any(g["kind"] == "custody" for g in _document(system)["waystation:gaps"])
    with pytest.raises(BadInput):
        exports.content(system, "epcis", END, START, now=END)
    with pytest.raises(TooLarge):
        list(exports._Counted([1, 2, 3], 2))


def _lot(code: str, unit: str) -> lots.Lot:
    return lots.Lot(lot=code, product="Cheese", quantity=Decimal("12.500"), unit=unit, profile="vaccine")


def test_every_state_of_a_unit_and_every_step_of_a_lot_has_words_of_the_vocabulary() -> None:
    """None is left without, and none has words that CBV 2.0 does not know."""
    assert set(CUSTODY) == {name for name, _ in states.choices("unit")}
    assert set(LOTS) == {"received", "moved", "sent", "held", "released", "rejected", "transferred"}
    for step, disposition in (*CUSTODY.values(), *LOTS.values()):
        assert step in STEPS
        assert disposition in DISPOSITIONS


TEXT = st.text("abcXYZ 0123-_", min_size=1, max_size=8)
LISTS = st.lists(TEXT.map(lambda t: f"urn:x:{t.strip()}"), min_size=1, max_size=4)


@st.composite
def an_event(draw: st.DrawFn) -> dict[str, Any]:
    """An object event of any of the fields that the platform writes."""
    found: dict[str, Any] = {"type": "ObjectEvent", "eventTime": "2026-11-01T00:00:00.000Z", "action": "OBSERVE"}
    found |= {"eventTimeZoneOffset": "+00:00", "bizStep": draw(st.sampled_from(sorted(STEPS)))}
    found |= {"epcList": draw(LISTS), "readPoint": {"id": draw(LISTS)[0]}}
    amounts = st.fixed_dictionaries({"epcClass": LISTS.map(lambda v: v[0]), "quantity": st.integers(0, 99)})
    found["quantityList"] = draw(st.lists(amounts, min_size=1, max_size=3))
    return found | {f"waystation:{k}": v for k, v in draw(st.dictionaries(st.sampled_from("abcd"), TEXT)).items()}


@given(an_event(), st.randoms())
def test_evd_12_an_event_has_one_id_however_it_is_written_down(event: dict[str, Any], shuffle: Any) -> None:
    """Fields and lists in any order give the same id; so do an id, a record time and a declared error beside them."""
    items = list(event.items())
    shuffle.shuffle(items)
    other = {k: (shuffle.sample(v, len(v)) if isinstance(v, list) else v) for k, v in items}
    assert event_id(other) == event_id(event)
    beside = {"eventID": "ni:///x", "recordTime": "2026-12-01T00:00:00.000Z"}
    assert event_id(declared_wrong(event | beside, START)) == event_id(event)


@given(an_event(), an_event())
def test_evd_12_two_events_with_one_id_say_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Whatever differs in a field makes another id."""

    def sorted_out(event: dict[str, Any]) -> str:
        plain = {k: sorted(v, key=str) if isinstance(v, list) else v for k, v in event.items()}
        return json.dumps(plain, sort_keys=True)

    assert (event_id(one) == event_id(other)) == (sorted_out(_trimmed(one)) == sorted_out(_trimmed(other)))


def _trimmed(event: dict[str, Any]) -> dict[str, Any]:
    """Text of the platform's own fields as it is hashed: without blanks around it, numbers as numbers."""

    def said(text: Any) -> Any:
        text = text.strip() if isinstance(text, str) else text
        return float(text) if isinstance(text, str) and re.fullmatch(r"[+-]?\d+", text) else text

    return {k: said(v) if k.startswith("waystation:") else v for k, v in event.items()}


def test_evd_12_the_pre_hash_string_is_the_standards_order_with_whole_words() -> None:
    """Written out by hand from the standard's table; numbers lose idle zeros; an unknown field is refused."""
    event = {
        "action": "OBSERVE", "type": "ObjectEvent", "eventTimeZoneOffset": "+00:00", "bizStep": "sensor_reporting",
        "eventTime": "2026-11-02T00:00:00.000Z", "waystation:siteId": "x1", "readPoint": {"id": "urn:uuid:1"},
        "sensorElementList": [{
            "sensorReport": [{"uom": "CEL", "meanValue": 5.10, "maxValue": 6.25, "minValue": 4.0,
                              "type": "Temperature"}],
            "sensorMetadata": {"endTime": "2026-11-02T00:00:00.000Z", "startTime": "2026-11-01T00:00:00.000Z"},
        }],
    }  # fmt: skip
    wanted = (
        "eventType=ObjectEventeventTime=2026-11-02T00:00:00.000ZeventTimeZoneOffset=+00:00action=OBSERVE"
        "bizStep=https://ref.gs1.org/cbv/BizStep-sensor_reportingreadPointid=urn:uuid:1sensorElementListsensorElement"
        "sensorMetadatastartTime=2026-11-01T00:00:00.000ZendTime=2026-11-02T00:00:00.000Z"
        "sensorReporttype=https://gs1.org/voc/TemperatureminValue=4maxValue=6.25meanValue=5.1uom=CEL"
        "{urn:waystation:epcis/1/}siteId=x1"
    )
    assert pre_hash(event) == wanted
    assert event_id(event) == f"ni:///sha-256;{hashlib.sha256(wanted.encode()).hexdigest()}?ver=CBV2.0"
    with pytest.raises(ValueError, match="ilmd"):
        pre_hash(event | {"ilmd": {}})
    assert next(iter(ORDER)) == "eventTime"


@given(st.integers(0, 10**12 - 1), st.integers(0, 9))
def test_evd_12_only_one_last_digit_makes_a_gs1_number(body: int, digit: int) -> None:
    """Of ten, one; the sum is worked out the other way round here."""
    text = f"{body:012d}"
    total = sum(int(c) * (1, 3)[place % 2] for place, c in enumerate(text))
    assert is_checked(f"{text}{digit}", 13) == ((total + digit) % 10 == 0)
    assert not is_checked(f"{text}{digit}", 14)
